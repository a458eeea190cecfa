/** Layers of Keras for a chain of nodes that a growth plan inserts. */
import { internalError, refusedError } from '../../errors.ts'
import type { Insertion } from '../../growth/growth-plan.ts'
import type { AttributeLike } from '../../model/attributes.ts'
import type { Model } from '../../model/model.ts'
import { quote } from '../../model/quote.ts'
import type { InsertedNode } from '../../operators/contract/facets.ts'
import { toNumbers } from '../../tensor/tensor.ts'
import type { Json, JsonObject } from './json.ts'

export interface NewVariable {
  readonly name: string
  /** The initializer of the ONNX model that holds it. */
  readonly initializer: string
  /** Axis k of the variable is axis `axes[k]` of the initializer. */
  readonly axes: readonly number[]
}

/** A layer of Keras that computes some nodes of the chain. */
export interface NewLayer {
  readonly name: string
  readonly kind: string
  readonly config: JsonObject
  readonly variables: readonly NewVariable[]
  /** Names of the new layers whose outputs it takes; undefined for what the chain takes. */
  readonly inputs: readonly (string | undefined)[]
  /** The value of the ONNX model that it gives. */
  readonly output: string
  /** The value that its own activation, where it has one, is computed from. */
  readonly linear: string | undefined
}

interface Draft {
  kind: string
  config: JsonObject
  variables: readonly NewVariable[]
  inputs: readonly (Draft | undefined)[]
  output: string
  /** The value that its first node gives, which names the layer. */
  first: string
  linear?: string
}

/** Operators that are an activation of Keras, where their numbers are these. */
const activations: readonly (readonly [name: string, opType: string, ...numbers: number[]])[] = [
  ['relu', 'Relu'],
  ['relu6', 'Clip', 0, 6],
  ['hard_tanh', 'Clip', -1, 1],
  ['sigmoid', 'Sigmoid'],
  ['hard_sigmoid', 'HardSigmoid', 1 / 6, 0.5],
  ['tanh', 'Tanh'],
  ['softplus', 'Softplus'],
  ['softsign', 'Softsign'],
  ['elu', 'Elu', 1],
  ['celu', 'Celu', 1],
  ['selu', 'Selu', 1.6732631921768188, 1.0507010221481323],
  ['exponential', 'Exp'],
  ['hard_silu', 'HardSwish'],
  ['hard_shrink', 'Shrink', 0.5, 0],
]

const firstAxes = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, i) => from + i)

/** The layer that is deepened: settings of layers of its class are taken over. */
interface LikeLayer {
  readonly kind: string
  readonly config: JsonObject
}

/**
 * The layers that compute what a plan inserts, first to last.
 *
 * @param model the grown model, which holds the chain's parameters
 * @throws Net2NetError (refused) for nodes that no layer of Keras computes
 */
export function newLayers(
  insertion: Insertion,
  model: Model,
  like: LikeLayer,
): readonly NewLayer[] {
  const drafts = new ChainDrafts(insertion, model, like).drafts()
  const nodes = new Map(model.graph.nodes.map((node) => [node.outputs[0], node.name]))
  const nameOf = ({ first }: Draft): string => {
    const found = nodes.get(first)
    if (found === undefined) throw internalError(`No node gives ${first}.`)
    // Layers of models inside the model have the names of these before their own.
    return found.slice(found.lastIndexOf('/') + 1)
  }
  return drafts.map((draft): NewLayer => {
    const { kind, config, variables, inputs, output, linear } = draft
    const name = nameOf(draft)
    const from = inputs.map((input) => input && nameOf(input))
    return { name, kind, config: { name, ...config }, variables, inputs: from, output, linear }
  })
}

/** Takes the nodes of a chain for layers, one after the other: a bias or an activation becomes part of the layer before. */
class ChainDrafts {
  readonly #insertion: Insertion
  readonly #model: Model
  readonly #like: LikeLayer
  readonly #parameters: ReadonlyMap<string, { readonly dims: readonly number[] }>
  /** How many nodes read a value. */
  readonly #uses = new Map<string, number>()
  /** Values of the chain → the layers that give them. */
  readonly #makers = new Map<string, Draft | undefined>([['$in', undefined]])
  readonly #drafts: Draft[] = []

  constructor(insertion: Insertion, model: Model, like: LikeLayer) {
    const { layer: chain } = insertion
    this.#insertion = insertion
    this.#model = model
    this.#like = like
    this.#parameters = new Map(chain.parameters.map((each) => [each.name, each]))
    for (const input of chain.nodes.flatMap((node) => node.inputs))
      this.#uses.set(input, (this.#uses.get(input) ?? 0) + 1)
  }

  drafts(): readonly Draft[] {
    for (const node of this.#insertion.layer.nodes) this.#take(node)
    return this.#drafts
  }

  #take(node: InsertedNode): void {
    const { opType } = node
    if (opType === 'Conv') this.#convolution(node)
    else if (opType === 'Gemm' || opType === 'MatMul') this.#dense(node)
    else if (opType === 'Add') this.#sum(node)
    else if (opType === 'BatchNormalization') this.#normalization(node)
    else this.#activation(node)
  }

  #refused(what: string) {
    const { name } = this.#insertion
    return refusedError(`${quote(name)} would be ${what}, which no layer of Keras computes.`, {
      where: name,
      hint: 'Write an ONNX file instead (-o FILE.onnx).',
    })
  }

  /** The name that a value of the chain has in the model. */
  #modelName(local: string): string {
    const { name, names, source, value } = this.#insertion
    if (local === '$out') return value
    return local === '$in' ? source : (names[local] ?? `${name}.${local}`)
  }

  #dims(local: string): readonly number[] {
    return this.#parameters.get(local)?.dims ?? []
  }

  #variable(name: string, local: string, axes: readonly number[]): NewVariable {
    return { name, initializer: this.#modelName(local), axes }
  }

  #vector(name: string, local: string): NewVariable {
    return this.#variable(name, local, [0])
  }

  /** A kernel, and a bias where there is one. */
  #weights(weight: string, axes: readonly number[], bias: string | undefined) {
    const kernel = this.#variable('kernel', weight, axes)
    return bias === undefined ? [kernel] : [kernel, this.#vector('bias', bias)]
  }

  /** Settings of the layer before, where it is of the same class. */
  #settings(kind: string, own: JsonObject): JsonObject {
    const like = this.#like
    const { dtype, data_format: format } = like.config
    const { activation: _, name: __, ...others } = like.kind === kind ? like.config : {}
    return {
      trainable: true,
      ...(dtype !== undefined && { dtype }),
      ...(format !== undefined && /Conv/.test(kind) && { data_format: format }),
      ...others,
      ...own,
    }
  }

  #add(
    node: InsertedNode,
    draft: Pick<Draft, 'kind' | 'config' | 'variables'>,
    ...from: string[]
  ): void {
    const makers = this.#makers
    const local = node.outputs[0]!
    for (const input of from)
      if (!makers.has(input)) throw this.#refused(`a node ${node.opType} of ${quote(input)}`)
    const output = this.#modelName(local)
    const made = { ...draft, inputs: from.map((input) => makers.get(input)), output, first: output }
    this.#drafts.push(made)
    makers.set(local, made)
  }

  /** A layer without variables on the node's first input. */
  #addPlain(node: InsertedNode, kind: string, own: JsonObject): void {
    this.#add(node, { kind, config: this.#settings('', own), variables: [] }, node.inputs[0]!)
  }

  #convolution(node: InsertedNode): void {
    const [input = '', weight = '', bias] = node.inputs
    const dims = this.#dims(weight)
    const spatial = dims.length - 2
    const kernel = dims.slice(2)
    const dilations = numbers(node.attributes.dilations) ?? kernel.map(() => 1)
    const pads = numbers(node.attributes.pads) ?? kernel.map(() => 0)
    const group = Number(node.attributes.group ?? 1)
    const isDepthwise = group > 1 && group === dims[0] && spatial <= 2
    const kind = `${isDepthwise ? 'Depthwise' : ''}Conv${spatial}D`
    const padding = paddingOf(kernel, dilations, pads)
    if (!padding) throw this.#refused(`a convolution with the pads [${pads}]`)
    const axes = [...firstAxes(2, dims.length), ...(isDepthwise ? [0, 1] : [1, 0])]
    const config = this.#settings(kind, {
      kernel_size: kernel,
      strides: kernel.map(() => 1),
      padding,
      dilation_rate: dilations,
      use_bias: bias !== undefined,
      ...(isDepthwise ? { depth_multiplier: 1 } : { filters: dims[0]!, groups: group }),
    })
    this.#add(node, { kind, config, variables: this.#weights(weight, axes, bias) }, input)
  }

  #dense(node: InsertedNode): void {
    const [input = '', weight = '', bias] = node.inputs
    const dims = this.#dims(weight)
    if (dims.length !== 2 || node.attributes.transB !== undefined)
      throw this.#refused('a product of another form than that of Dense')
    const config = this.#settings('Dense', { units: dims[1]!, use_bias: bias !== undefined })
    const variables = this.#weights(weight, [0, 1], bias)
    this.#add(node, { kind: 'Dense', config, variables }, input)
  }

  #sum(node: InsertedNode): void {
    const [left = '', right = ''] = node.inputs
    if (!this.#parameters.has(right)) {
      const config = this.#settings('Add', {})
      this.#add(node, { kind: 'Add', config, variables: [] }, left, right)
      return
    }
    const before = this.#makers.get(left)
    if (before?.kind !== 'Dense' || this.#uses.get(left) !== 1 || this.#dims(right).length !== 1)
      throw this.#refused('a sum with a parameter')
    before.config = { ...before.config, use_bias: true }
    before.variables = [...before.variables, this.#vector('bias', right)]
    this.#extend(before, node)
  }

  /** This node becomes the layer's last one. */
  #extend(layer: Draft, node: InsertedNode): void {
    const local = node.outputs[0]!
    layer.output = this.#modelName(local)
    this.#makers.set(local, layer)
  }

  #normalization(node: InsertedNode): void {
    const [input = '', gamma = '', beta = '', mean = '', variance = ''] = node.inputs
    const kind = 'BatchNormalization'
    const config = this.#settings(kind, {
      axis: this.#like.config.data_format === 'channels_first' ? 1 : -1,
      epsilon: floatOf(node.attributes.epsilon) ?? 1e-5,
      momentum: floatOf(node.attributes.momentum) ?? 0.9,
    })
    const variables = [
      this.#vector('gamma', gamma),
      this.#vector('beta', beta),
      this.#vector('moving_mean', mean),
      this.#vector('moving_variance', variance),
    ]
    this.#add(node, { kind, config, variables }, input)
  }

  #activation(node: InsertedNode): void {
    const { opType, inputs } = node
    const [input = ''] = inputs
    const given = this.#numbersOf(node)
    const [first, second] = given
    const own = activations.find(
      ([, type, ...expected]) =>
        type === opType &&
        expected.length === given.length &&
        expected.every((value, i) => Math.abs(value - given[i]!) < 1e-6),
    )?.[0]
    const before = this.#makers.get(input)
    if (own !== undefined && before && canActivate(before) && this.#uses.get(input) === 1) {
      before.config = { ...before.config, activation: own }
      before.linear = before.output
      this.#extend(before, node)
    } else if (own !== undefined) this.#addPlain(node, 'Activation', { activation: own })
    else if (opType === 'Clip' && first === 0 && second !== undefined)
      this.#addPlain(node, 'ReLU', { max_value: second })
    else if (opType === 'LeakyRelu')
      this.#addPlain(node, 'LeakyReLU', { negative_slope: first ?? 0.01 })
    else if (opType === 'Elu') this.#addPlain(node, 'ELU', { alpha: first ?? 1 })
    else throw this.#refused(`a node ${opType}`)
  }

  /** The numbers of an activation: constants that it reads, then attributes. */
  #numbersOf({ inputs, attributes }: InsertedNode): number[] {
    const { initializers } = this.#model.graph
    const bounds = inputs.slice(1).map((input) => {
      const tensor = initializers.get(input.replace(/^@/, ''))?.tensor
      return tensor && toNumbers(tensor)[0]
    })
    const { alpha, lambd, beta, gamma, bias } = attributes
    const given = [alpha, lambd, beta, gamma, bias].map(floatOf)
    return [...bounds, ...given].filter((value) => value !== undefined)
  }
}

const canActivate = ({ kind, linear }: Draft): boolean =>
  linear === undefined && /^(Dense|(Depthwise)?Conv\dD)$/.test(kind)

/** `same` or `causal`, where a convolution pads like that. */
function paddingOf(
  kernel: readonly number[],
  dilations: readonly number[],
  pads: readonly number[],
): Json | undefined {
  const totals = kernel.map((size, k) => (size - 1) * dilations[k]!)
  const isPadded = (begin: (total: number) => number) =>
    totals.every(
      (total, k) => pads[k] === begin(total) && pads[k + kernel.length] === total - begin(total),
    )
  if (isPadded((total) => Math.floor(total / 2))) return 'same'
  return kernel.length === 1 && isPadded((total) => total) ? 'causal' : undefined
}

const numbers = (value: AttributeLike): readonly number[] | undefined =>
  Array.isArray(value) ? (value as readonly number[]) : undefined

function floatOf(value: AttributeLike): number | undefined {
  if (typeof value === 'number') return value
  return typeof value === 'object' && 'type' in value && value.type === 'float'
    ? value.value
    : undefined
}
