/** One pass of samples through the segments of a model. */
import { inputError } from '../../errors.ts'
import { tensorDeclaration } from '../../model/builder.ts'
import type { Initializer, Model, Node, ValueDeclaration } from '../../model/model.ts'
import { encodeWhenReady } from '../../onnx/encode.ts'
import { operatorOf } from '../../operators/table.ts'
import type { Feeds, Runtime, Session } from '../../runtime/runtime.ts'
import {
  isNumeric,
  type LazyTensor,
  materializeWhenReady,
  type Tensor,
} from '../../tensor/tensor.ts'
import { changed, nonZero, withChangedUnits } from '../change.ts'
import { movement } from '../difference.ts'
import type { OutOfCoreOptions, RunOptions } from './computation.ts'
import { readBy, type Segment } from './segments.ts'
import { rangesOf, type SlicedNode, SliceRunner } from './sliced-node.ts'

type PassOptions = OutOfCoreOptions &
  Required<Pick<OutOfCoreOptions, 'blockBytes' | 'sliceBytes' | 'slicing'>> &
  Pick<RunOptions, 'signal' | 'peer' | 'onOutput' | 'probe'> & {
    /** Does some segment take this value from another? */
    readonly isTaken: (value: string) => boolean
  }

/** One computation of all samples: the values that somebody still needs. */
export class Pass {
  readonly #runtime: Runtime
  readonly #model: Model
  readonly #options: PassOptions
  readonly #declarations: ReadonlyMap<string, ValueDeclaration>
  readonly #runner = new SliceRunner()
  /** For each sample, its values by name. */
  readonly #values: readonly Map<string, Tensor>[]
  /** Values of the probed sample as they were if no weight that differs were zero, where that makes them others. */
  readonly #probed = new Map<string, Tensor>()

  constructor(runtime: Runtime, model: Model, samples: readonly Feeds[], options: PassOptions) {
    this.#runtime = runtime
    this.#model = model
    this.#options = options
    this.#declarations = new Map(model.graph.inputs.map((input) => [input.name, input]))
    this.#values = samples.map((feeds) => new Map(Object.entries(feeds)))
  }

  async outputs(): Promise<readonly Feeds[]> {
    if (this.#options.onOutput) return this.#values.map(() => ({}))
    const { outputs } = this.#model.graph
    const constants = new Map<string, Tensor>()
    for (const { name } of outputs) {
      const weight = this.#weight(name)
      if (weight) constants.set(name, await materializeWhenReady(weight))
    }
    return this.#values.map((values) =>
      Object.fromEntries(
        outputs.map(({ name }) => [name, values.get(name) ?? constants.get(name)!]),
      ),
    )
  }

  async whole(segment: Segment): Promise<void> {
    await this.#probe(segment)
    const session = await this.#open(segment, [])
    try {
      for (const values of this.#values) {
        const given = await session.run(this.#feeds(values, segment.takes))
        this.#keep(values, segment, given)
      }
    } finally {
      await session.release()
    }
    this.#handOver(segment)
  }

  /** A node with a large weight: takes it in slices where it can, else whole. */
  async sliced(segment: Segment, stage: number): Promise<void> {
    const node = segment.nodes[0]!
    const { blockBytes } = this.#options
    const large = node.inputs.filter((name) => (this.#weight(name)?.byteLength ?? 0) > blockBytes)
    const slices = large.length === 1 ? this.#slices(node, large[0]!) : undefined
    if (!slices) await this.#probe(segment)
    const bias = slices && this.#weight(slices.names.bias)
    const fed = [...new Set([...large, ...(bias ? [slices.names.bias] : [])])]
    const session = await this.#open(segment, fed, slices !== undefined)
    try {
      const outcomes = slices
        ? await this.#runSlices(session, slices, bias && (await materializeWhenReady(bias)), stage)
        : await this.#runWith(session, segment, fed)
      this.#values.forEach((values, i) => {
        this.#keep(values, segment, outcomes[i]!)
      })
    } finally {
      await session.release()
    }
    this.#handOver(segment)
  }

  async #runSlices(session: Session, node: SlicedNode, bias: Tensor | undefined, stage: number) {
    const { data, bias: name, output } = node.names
    const { peer, signal } = this.#options
    const samples = this.#values.map((values) => ({
      data: values.get(data)!,
      bias: bias ?? values.get(name),
    }))
    const { probe } = this.#options
    const probed = probe && samples[probe.sample]!
    // The node is linear in its data as well: more samples show what moves with these.
    const start = this.#probed.get(data)
    const more = probed && start ? [{ ...probed, data: start }] : []
    if (probed && probe.changes(data))
      more.push({ ...probed, data: changed(start ?? probed.data, probe.share, data) })
    const run = { session, node, samples: [...samples, ...more] }
    const outputs = peer
      ? await peer.compute(stage, run)
      : (await this.#runner.run([run], signal))[0]!
    if (probed) {
      const others = outputs.slice(samples.length)
      const before = (start && others.shift()) ?? outputs[probe.sample]!
      if (start) this.#probed.set(output, before)
      const [after] = others
      if (after) probe.onMovement(data, output, movement(before, after))
      if (probe.changes(node.names.weight))
        probe.onMovement(
          node.names.weight,
          output,
          movement(
            before,
            withChangedUnits(before, probed.bias, node.slicing.outputAxis.output, probe.share),
          ),
        )
    }
    return outputs.slice(0, samples.length).map((tensor) => ({ [output]: tensor }))
  }

  /** What the segment gives where one of its weights, or one of the values that it takes, changes. */
  async #probe(segment: Segment): Promise<void> {
    const { probe } = this.#options
    if (!probe) return
    const read = new Set(segment.nodes.flatMap(readBy))
    const differing = [...probe.weights].filter((name) => read.has(name))
    const changing = [...differing, ...segment.takes].filter(probe.changes)
    if (changing.length === 0) return
    const weights: Record<string, Tensor> = {}
    const others: Record<string, Tensor> = {}
    const taken = segment.takes.filter((name) => this.#probed.has(name))
    let isOther = taken.length > 0
    const take = async (name: string, into: Record<string, Tensor>) => {
      const source = this.#weight(name)
      if (!source || !isNumeric(source.dtype) || source.dtype === 'bfloat16') return
      const weight = await materializeWhenReady(source)
      into[name] = nonZero(weight, name)
      if (into[name] !== weight) isOther = true
    }
    for (const name of differing) await take(name, weights)
    // A weight may be multiplied by another one, which is zero at first: B·A of an adapter.
    for (const node of segment.nodes.filter(({ inputs }) => inputs.some((name) => weights[name])))
      for (const i of operatorOf(node)?.training?.parameters ?? []) {
        const name = node.inputs[i] ?? ''
        const isMatrix = (this.#weight(name)?.dims.length ?? 0) >= 2
        if (isMatrix && !weights[name]) await take(name, others)
      }
    const values = this.#feeds(this.#values[probe.sample]!, segment.takes)
    const given = { ...weights, ...others, ...values, ...this.#feeds(this.#probed, taken) }
    const names = changing.filter((name) => given[name])
    const session = await this.#open(segment, Object.keys({ ...weights, ...others }))
    try {
      const before = await session.run(given)
      if (isOther) for (const value of segment.gives) this.#probed.set(value, before[value]!)
      for (const name of names) {
        this.#options.signal?.throwIfAborted()
        const other = changed(given[name]!, probe.share, name)
        const after = await session.run({ ...given, [name]: other })
        for (const value of segment.gives)
          probe.onMovement(name, value, movement(before[value]!, after[value]!))
      }
    } finally {
      await session.release()
    }
  }

  /** Outputs that somebody waits for are kept no longer than other nodes need them. */
  #handOver({ gives }: Segment): void {
    const { onOutput, isTaken } = this.#options
    if (!onOutput) return
    const results = new Set(this.#model.graph.outputs.map(({ name }) => name))
    for (const name of gives) {
      if (!results.has(name)) continue
      onOutput(
        name,
        this.#values.map((values) => values.get(name)!),
      )
      if (!isTaken(name)) for (const values of this.#values) values.delete(name)
    }
  }

  async #runWith(session: Session, segment: Segment, fed: readonly string[]): Promise<Feeds[]> {
    const weights: Record<string, Tensor> = {}
    for (const name of fed) weights[name] = await materializeWhenReady(this.#weight(name)!)
    const outcomes: Feeds[] = []
    for (const values of this.#values)
      outcomes.push(await session.run({ ...this.#feeds(values, segment.takes), ...weights }))
    return outcomes
  }

  /** How the node takes a weight in slices; undefined where it cannot. */
  #slices(node: Node, name: string): SlicedNode | undefined {
    const { sliceBytes, sumParts = 1 } = this.#options
    const weight = this.#weight(name)!
    const slicing = this.#options.slicing(node, node.inputs.indexOf(name), weight.dims)
    const data = slicing && this.#values[0]!.get(node.inputs[slicing.data]!)
    if (!slicing || !data || data.dims.length + slicing.contractedAxis.data < 0) return undefined
    return {
      slicing,
      weight,
      ...rangesOf(weight, slicing, sliceBytes, sumParts),
      names: {
        weight: name,
        data: node.inputs[slicing.data]!,
        bias: slicing.bias === undefined ? '' : (node.inputs[slicing.bias] ?? ''),
        output: node.outputs[0]!,
      },
    }
  }

  /**
   * The nodes of a segment as a model; `fed` are the weights that it takes as inputs, in slices or not.
   */
  async #open(segment: Segment, fed: readonly string[], isSliced = false): Promise<Session> {
    const { graph } = this.#model
    const initializers = new Map<string, Initializer>()
    for (const name of segment.nodes.flatMap(readBy)) {
      const initializer = graph.initializers.get(name)
      if (initializer && !fed.includes(name)) initializers.set(name, initializer)
    }
    const taken = segment.takes.map((name) => {
      const tensors = this.#values.map((values) => values.get(name))
      const [tensor] = tensors
      if (!tensor) throw inputError(`Nothing was given for input ${name}.`)
      // The sizes that the model fixes are held to, but not in slices.
      const declared = isSliced ? undefined : this.#declarations.get(name)
      if (declared) return declared
      // ONNX Runtime takes a list of sizes of unknown length for one without any.
      const isFixed = !isSliced && tensors.every((other) => `${other!.dims}` === `${tensor.dims}`)
      return isFixed
        ? tensorDeclaration(name, tensor.dtype, tensor.dims)
        : declarationOf(name, tensor)
    })
    const weights = fed.map((name) => declarationOf(name, this.#weight(name)!))
    return this.#runtime.createSession(
      await encodeWhenReady({
        ...this.#model,
        graph: {
          name: graph.name,
          nodes: segment.nodes,
          inputs: [...taken, ...weights],
          outputs: segment.gives.map((name) => tensorDeclaration(name, undefined, undefined)),
          values: [],
          initializers,
        },
      }),
      { optimization: this.#options.optimization ?? 'all' },
    )
  }

  #feeds(values: ReadonlyMap<string, Tensor>, names: readonly string[]): Feeds {
    return Object.fromEntries(names.map((name) => [name, values.get(name)!]))
  }

  #keep(values: Map<string, Tensor>, { gives, last }: Segment, given: Feeds): void {
    for (const name of last) {
      values.delete(name)
      this.#probed.delete(name)
    }
    for (const name of gives) values.set(name, given[name]!)
  }

  #weight(name: string) {
    return this.#model.graph.initializers.get(name)?.tensor
  }
}

const declarationOf = (name: string, { dtype, dims }: LazyTensor) =>
  tensorDeclaration(
    name,
    dtype,
    dims.map(() => null),
  )
