/** The part of a model that a loss needs, rebuilt for training or evaluation. */

import { GraphEmitter, tensorInfo } from '../../autodiff/emitter.ts'
import { refusedError, usageError } from '../../errors.ts'
import { EMITTED_IR_VERSION, GraphBuilder } from '../../model/builder.ts'
import { ancestors, capturedValues } from '../../model/links.ts'
import type { Graph, Model, Node, Shape } from '../../model/model.ts'
import { opsetOf, requiredInputs } from '../../model/model.ts'
import { describeNode } from '../../model/names.ts'
import type { OutputMeaning } from '../../model/output-meaning.ts'
import { mainOutput, tensorOfOutput } from '../../model/tensor-outputs.ts'
import type {
  RunningAverage,
  TrainingContext,
  TrainingReplacement,
} from '../../operators/contract/facets.ts'
import type { Target } from '../../operators/contract/gradient.ts'
import { averaged } from '../../operators/helpers/running-average.ts'
import { declaredInfo, withDeclared } from '../../operators/inference.ts'
import { computingNode } from '../../operators/shared-constants.ts'
import { operatorOf } from '../../operators/table.ts'
import { storedStatistics } from '../../operators/trainable.ts'
import { nearestFirst } from '../../passes/order-nodes.ts'
import type { DType } from '../../tensor/dtype.ts'
import { number } from './losses/counts.ts'
import {
  type EmittedLoss,
  type Loss,
  type LossName,
  lossOf,
  type TargetType,
} from './losses/index.ts'
import { emitUniform, RANDOM_KEY, randomKey } from './uniform.ts'

/** The input with a weight for each prediction. */
export const WEIGHTS = 'sample_weights'
/** The input with the learning rate: a float scalar. */
export const LEARNING_RATE = 'learning_rate'
/** The input of a loss apart from its model, and the name of how many samples that has. */
export const PREDICTION = 'prediction'
const ROWS = 'rows'

export interface ForwardOptions {
  readonly loss: Loss | LossName
  readonly output?: string | undefined
  readonly target?: Target | undefined
  readonly targetShape?: Shape | undefined
  /** Take a weight for each prediction. */
  readonly weighted?: boolean | undefined
  /** Initializers whose values change, so that nothing may be concluded from them. */
  readonly variables: readonly string[]
  /** Use the operators' training forms. */
  readonly training?:
    | {
        readonly seed: number
        readonly frozen: ReadonlySet<string>
        /** Whether random masks are drawn; default true. Without them what draws is as in inference. */
        readonly masks?: boolean
      }
    | undefined
}

/** One update of a running statistic. */
export interface Average extends RunningAverage {
  /** Its value before: the statistic's own name, or what an earlier node of the same step has made of it. */
  readonly old: string
}

/** The part of the model that the loss needs, in a builder of its own. */
export class ForwardGraph {
  readonly builder = new GraphBuilder()
  readonly emitter: GraphEmitter
  readonly inputs: readonly string[]
  /** The model's output that the loss is of. */
  readonly modelOutput: string
  /** What the loss is computed from: the model's output, or the logits below it. */
  readonly prediction: string
  readonly target: TargetType
  readonly variables: readonly string[]
  /** Running statistic → how it is updated. */
  readonly averages = new Map<string, Average>()
  drawsRandomly = false
  readonly #source: Model
  readonly #loss: Loss
  readonly #classAxis: number | undefined
  readonly #aliases = new Map<string, string>()
  #streams = 0
  #producedNames: ReadonlySet<string> | undefined

  constructor(source: Model, options: ForwardOptions) {
    this.#source = source
    this.#loss = lossOf(options.loss)
    const { graph } = source
    const output = outputOf(source, options.output)
    this.modelOutput = output
    const last = computingNode(graph, output)
    const facet = last && operatorOf(last)?.training?.link
    const linked = facet !== undefined && facet.kind === this.#loss.link
    this.prediction = linked ? last!.inputs[0]! : output
    const nodes = ancestors(graph.nodes, [this.prediction])
    const used = new Set(nodes.flatMap((node) => [...node.inputs, ...capturedValues(node)]))
    used.add(this.prediction)
    this.variables = options.variables.filter((name) => used.has(name))

    for (const node of graph.nodes) {
      this.builder.names.claim(node.name)
      for (const name of node.outputs) this.builder.names.claim(name)
    }
    for (const name of ['target', WEIGHTS, LEARNING_RATE, 'loss', 'correct', RANDOM_KEY]) {
      if (this.builder.names.has(name) || graph.initializers.has(name))
        throw refusedError(`The model uses the name "${name}", which a step graph needs itself.`)
      this.builder.names.claim(name)
    }
    this.emitter = new GraphEmitter(this.builder, new Map(), opsetOf(source), options.target)
    const { emitter, builder } = this
    const inputs: string[] = []
    for (const declaration of requiredInputs(graph)) {
      const { name } = declaration
      if (!used.has(name)) continue
      const { dtype, shape } = declaredInfo(declaration)
      if (dtype === undefined || shape === undefined)
        throw refusedError(`The type of the model's input "${name}" is not known.`)
      inputs.push(inputOf(emitter, name, dtype, shape))
    }
    this.inputs = inputs
    const variable = new Set(this.variables)
    const statistics = options.training ? storedStatistics(source) : new Set<string>()
    for (const [name, { tensor }] of graph.initializers) {
      if (!used.has(name)) continue
      builder.initializer(name, tensor)
      emitter.declare(
        name,
        variable.has(name) || statistics.has(name)
          ? { dtype: tensor.dtype, shape: tensor.dims }
          : tensorInfo(tensor),
      )
    }
    const declared = new Map([...graph.values, ...graph.outputs].map((one) => [one.name, one]))
    for (const node of nodes) {
      if (options.training) this.#train(node, options.training)
      else emitter.append(node)
      for (const name of node.outputs) {
        const declaration = declared.get(name)
        if (declaration) emitter.declare(name, withDeclared(emitter.info(name), declaration))
      }
    }

    const { shape } = emitter.info(this.prediction)
    if (!shape) throw unknownShape(this.prediction, nodes)
    this.#classAxis = linked ? facet.axis?.(last!, shape.length) : undefined
    this.target = this.#targetOf(shape, options)
  }

  #targetOf(shape: Shape, { targetShape, weighted }: ForwardOptions): TargetType {
    const target = this.#loss.target(shape, this.#classAxis, targetShape)
    if (!weighted) return target
    if (!this.#loss.weighted)
      throw usageError(`The loss ${this.#loss.name} takes no weights, but the data have some.`)
    return { ...target, weights: shape.filter((_, a) => a !== target.classAxis) }
  }

  /** Adds the node as it trains. */
  #train(node: Node, training: NonNullable<ForwardOptions['training']>): void {
    const { nodes, averages } = this.#trainingReplacement(node, training) ?? { nodes: [node] }
    for (const replacement of nodes) this.emitter.append(replacement)
    for (const [name, average] of averages ?? [])
      this.averages.set(name, { ...average, old: this.average(name) })
  }

  /** The running statistic as the nodes so far have made it. */
  average(name: string): string {
    const average = this.averages.get(name)
    return average ? averaged(this.emitter, average.old, average) : name
  }

  #trainingReplacement(
    node: Node,
    { seed, frozen, masks = true }: NonNullable<ForwardOptions['training']>,
  ): TrainingReplacement | undefined {
    const operator = operatorOf(node)
    if (!masks && operator?.training?.draws)
      return { nodes: [operator.training.forInference?.(node) ?? node] }
    const stored = (i: number) => {
      const name = node.inputs[i] ?? ''
      if (!this.#source.graph.initializers.has(name)) return undefined
      return this.average(name)
    }
    const facet = operator?.growth?.normalization
    if (facet && [facet.mean, facet.variance].every((i) => stored(i) !== undefined)) {
      // Where scale and shift are frozen, the statistics stay as they are too.
      const still = [facet.scale, facet.shift].every((i) => frozen.has(node.inputs[i] ?? ''))
      if (still) return { nodes: [operator?.training?.forInference?.(node) ?? node] }
    }
    return operator?.training?.inTraining?.(this.#trainingContext(node, seed, stored))
  }

  #trainingContext(node: Node, seed: number, stored: TrainingContext['stored']): TrainingContext {
    const { emitter } = this
    return {
      node,
      stored,
      opset: emitter.opset,
      target: emitter.target,
      has: (i) => (node.inputs[i] ?? '') !== '',
      input: (i) => node.inputs[i] ?? '',
      emit: (...call) => emitter.emit(...call),
      op: (...call) => emitter.op(...call),
      constant: (tensor) => emitter.constant(tensor),
      info: (name) => emitter.info(name),
      hint: (...call) => emitter.hint(...call),
      hintOf: (name) => emitter.hintOf(name),
      fresh: (hint) => this.builder.names.fresh(hint),
      uniformLike: (value) => {
        if (!this.drawsRandomly) {
          const key = randomKey(seed)
          this.builder.initializer(RANDOM_KEY, key)
          this.builder.input(RANDOM_KEY, 'float32', key.dims)
          emitter.declare(RANDOM_KEY, { dtype: 'float32', shape: key.dims })
          this.drawsRandomly = true
        }
        return emitUniform(emitter, RANDOM_KEY, value, this.#streams++)
      },
    }
  }

  /** What the numbers of the model's output mean to the loss. */
  get meaning(): OutputMeaning {
    const { name, link } = this.#loss
    const { classAxis } = this.target
    return {
      loss: name,
      ...(link ? { activation: link } : {}),
      ...(classAxis === undefined ? {} : { axis: classAxis }),
    }
  }

  nodes(): readonly Node[] {
    return this.builder.graph().nodes
  }

  emitLoss(): EmittedLoss {
    return this.#emitLoss(this.emitter, this.prediction, this.target)
  }

  /** What gradients begin with, times `scale`: the prediction's where the loss gives it, and else that of the loss. */
  seeds(
    { loss, gradient, scaledGradient }: EmittedLoss,
    scale?: string,
  ): ReadonlyMap<string, string> {
    const { emitter, prediction } = this
    if (!gradient) return new Map([[loss, scale ?? number(emitter, 1)]])
    if (scale === undefined) return new Map([[prediction, gradient()]])
    const scaled = scaledGradient?.(scale) ?? emitter.op('Mul', [gradient(), scale])
    return new Map([[prediction, scaled]])
  }

  /**
   * The loss as a graph of its own, whose first input is the prediction. Of predictions of several batches below each other it
   * gives the mean over all. Undefined where that would not be so: where the loss is no mean, or samples are
   * not what the first axis of everything holds, or their own sizes are not known.
   */
  emitLossApart():
    | {
        readonly emitter: GraphEmitter
        readonly emitted: EmittedLoss
        /** Of the prediction, without the samples. */
        readonly width: readonly number[]
      }
    | undefined {
    const { dtype, shape = [] } = this.emitter.info(this.prediction)
    const { target } = this
    const [samples, ...width] = shape
    const below = ([, ...sizes]: Shape): Shape => [ROWS, ...sizes]
    const isFit =
      typeof samples === 'string' &&
      [...width, ...target.shape.slice(1)].every((size) => typeof size === 'number') &&
      [target.shape, ...this.inputs.map((name) => this.emitter.info(name).shape)].every(
        (of) => of?.[0] === samples,
      )
    if (!this.#loss.isMean || dtype !== 'float32' || !isFit) return undefined
    const { opset, target: runtime } = this.emitter
    const emitter = new GraphEmitter(new GraphBuilder(), new Map(), opset, runtime)
    const prediction = inputOf(emitter, PREDICTION, dtype, below(shape))
    const emitted = this.#emitLoss(emitter, prediction, {
      ...target,
      shape: below(target.shape),
      ...(target.weights ? { weights: below(target.weights) } : {}),
    })
    return { emitter, emitted, width: width as number[] }
  }

  #emitLoss(emitter: GraphEmitter, prediction: string, type: TargetType): EmittedLoss {
    const target = inputOf(emitter, 'target', type.dtype, type.shape)
    const context = { emitter, prediction, target, classAxis: this.#classAxis }
    if (!type.weights) return this.#loss.emit(context)
    const weights = inputOf(emitter, WEIGHTS, 'float32', type.weights)
    // Gradients that losses give themselves are those of plain means.
    const { loss, correct } = this.#loss.emit({ ...context, weights })
    return correct ? { loss, correct } : { loss }
  }

  /** Makes a value an output under this name. */
  output(name: string, value: string): void {
    const { dtype = 'float32', shape } = this.emitter.info(value)
    this.builder.output(name, dtype, shape)
    // A computed value takes the output's name; a second use, an input or a constant is copied.
    if (!this.#aliases.has(value) && this.#produced().has(value)) this.#aliases.set(value, name)
    else
      this.builder.append({
        name,
        opType: 'Identity',
        domain: '',
        inputs: [value],
        outputs: [name],
        attributes: new Map(),
      })
  }

  #produced(): ReadonlySet<string> {
    if (!this.#producedNames) {
      const nodes = this.nodes()
      const names = new Set(nodes.flatMap((node) => node.outputs))
      for (const node of nodes) for (const name of capturedValues(node)) names.delete(name)
      this.#producedNames = names
    }
    return this.#producedNames
  }

  model(): Model {
    const source = this.#source
    const opsets = new Map([['', opsetOf(source)]])
    for (const [domain, version] of source.opsets)
      if (domain !== 'ai.onnx') opsets.set(domain, version)
    for (const domain of this.emitter.domains) if (!opsets.has(domain)) opsets.set(domain, 1)
    return {
      ...source,
      irVersion: Math.max(EMITTED_IR_VERSION, source.irVersion),
      opsets,
      graph: this.#asRead(renamed(this.builder.graph(source.graph.name), this.#aliases)),
    }
  }

  /**
   * Values that gradients compute once more (`ValueHints.same`) take the place of the first ones. What nobody reads is left out: a
   * gradient may have been written in another form since.
   */
  #asRead(graph: Graph): Graph {
    const same = new Map<string, string>()
    for (const name of graph.nodes.flatMap((node) => node.outputs)) {
      const value = this.emitter.hintOf(name).same
      if (value !== undefined) same.set(name, value)
    }
    const { nodes } = same.size === 0 ? graph : nearestFirst(renamed(graph, same, 'inputs'))
    const results = graph.outputs.map(({ name }) => name)
    return { ...graph, nodes: ancestors(nodes, results) }
  }
}

/** Adds an input to the graph, and says what it is. */
function inputOf(emitter: GraphEmitter, name: string, dtype: DType, shape: Shape): string {
  emitter.builder.input(name, dtype, shape)
  emitter.declare(name, { dtype, shape })
  return name
}

/** Names the node that left a value without a shape, if there is one. */
function unknownShape(name: string, nodes: readonly Node[]) {
  const without = nodes.filter((node) => typeof operatorOf(node)?.infer !== 'function')
  const why = without.map(describeNode).slice(0, 3).join(', ')
  return refusedError(
    `The shape of the model's output "${name}" is not known${why === '' ? '' : `: it depends on ${why}, of which no rule says it`}.`,
    { where: name },
  )
}

function renamed(graph: Graph, names: ReadonlyMap<string, string>, only?: 'inputs'): Graph {
  const rename = (name: string) => names.get(name) ?? name
  return {
    ...graph,
    nodes: graph.nodes.map((node) => ({
      ...node,
      inputs: node.inputs.map(rename),
      outputs: only === 'inputs' ? node.outputs : node.outputs.map(rename),
    })),
  }
}

function outputOf(model: Model, wanted: string | undefined): string {
  const main = mainOutput(model)
  if (main === undefined) throw refusedError('The model has no output to train for.')
  if (wanted === undefined) return main
  const tensor = tensorOfOutput(model, wanted)
  if (tensor !== undefined) return tensor
  const names = model.graph.outputs.map((output) => output.name).join(', ')
  throw usageError(`The model has no output "${wanted}"; it has ${names}.`)
}
