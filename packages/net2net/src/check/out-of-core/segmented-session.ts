/**
 * Computing a model that may be larger than memory: its nodes run in segments, one after the
 * other, each as a model of its own with no more weights than fit into a block. A weight larger
 * than that is fed in slices to a node that is linear in it.
 */
import { inputError, usageError } from '../../errors.ts'
import { tensorDeclaration } from '../../model/builder.ts'
import {
  type Initializer,
  type Model,
  type Node,
  requiredInputs,
  type ValueDeclaration,
} from '../../model/model.ts'
import { encodeWhenReady } from '../../onnx/encode.ts'
import type { WeightSlicingOf } from '../../operators/contract/slicing.ts'
import { operatorOf, slicingOf } from '../../operators/table.ts'
import type {
  Feeds,
  Runtime,
  Session,
  SessionOptions,
  SessionValue,
} from '../../runtime/runtime.ts'
import { isNumeric, type LazyTensor, materialize, type Tensor } from '../../tensor/tensor.ts'
import { changed, nonZero, withChangedUnits } from '../change.ts'
import { movement } from '../difference.ts'
import { stoppable } from './abort.ts'
import { Peer } from './rendezvous.ts'
import { readBy, type Segment, segmentsOf } from './segments.ts'
import { rangesOf, type SlicedNode, SliceRunner } from './sliced-node.ts'

/** What computes a model's function, on several sets of inputs at a time. */
export interface Computation {
  readonly inputs: readonly SessionValue[]
  readonly outputs: readonly SessionValue[]
  /** Can it run together with another (`peer`)? */
  readonly isStreamed: boolean
  /** One set of outputs for each set of inputs. */
  run(samples: readonly Feeds[], options?: RunOptions): Promise<readonly Feeds[]>
  release(): Promise<void>
}

export interface RunOptions {
  readonly signal?: AbortSignal | undefined
  /** Computes large weights together with another computation, where both have them. */
  readonly peer?: Peer | undefined
  /** Gets the share that is done. */
  readonly onProgress?: ((share: number) => void) | undefined
  /** Gets an output for all samples as soon as it is there; then it is not among the results. */
  readonly onOutput?: ((name: string, samples: readonly Tensor[]) => void) | undefined
  readonly probe?: Probe | undefined
}

/** Finds out on the way what moves where something changes a little. */
export interface Probe {
  /** The sample on which it is found out. */
  readonly sample: number
  /** How much a little is, as a share of each number. */
  readonly share: number
  /** Weights to change, one by one. */
  readonly weights: ReadonlySet<string>
  /** Is this a value to change, where it is taken from an earlier segment? */
  readonly changes: (value: string) => boolean
  /** Gets by how much a value moves (see `movement`) where a weight or another value changes. */
  readonly onMovement: (of: string, value: string, by: number) => void
}

export interface OutOfCoreOptions extends Pick<SessionOptions, 'optimization'> {
  /**
   * Most bytes of weights in one segment; default 4 MiB, which processors have in their cache for the
   * samples after the first. Larger weights are fed to their nodes.
   */
  readonly blockBytes?: number
  /** Most bytes of a weight that are fed at a time; default `blockBytes` if given, else 16 MiB. */
  readonly sliceBytes?: number
  /**
   * Which nodes can take a weight in slices (default: as their operators say); the others take it
   * whole, however large it is.
   */
  readonly slicing?: WeightSlicingOf
  /** Cuts the sums over a sliced weight into so many parts, which rounds them otherwise; default 1. */
  readonly sumParts?: number
}

export function outOfCoreSession(
  runtime: Runtime,
  model: Model,
  options: OutOfCoreOptions = {},
): Computation {
  const { graph } = model
  const { blockBytes = 2 ** 22, sliceBytes = options.blockBytes ?? 2 ** 24 } = options
  const { slicing = slicingOf } = options
  const sizes = { blockBytes, sliceBytes, slicing }
  const inputs = requiredInputs(graph).map(sessionValue)
  const segments = segmentsOf(graph, blockBytes)
  return {
    inputs,
    outputs: graph.outputs.map(sessionValue),
    isStreamed: true,
    async run(samples, { signal, onProgress, peer, onOutput, probe } = {}) {
      for (const feeds of samples) mustFit(feeds, inputs)
      const pass = new Pass(runtime, model, samples, {
        ...options,
        ...sizes,
        signal,
        peer,
        onOutput,
        probe,
        isTaken: (name) => segments.some(({ takes }) => takes.includes(name)),
      })
      peer?.join(segments.map((segment) => keyOf(model, segment, slicing)))
      for (const [i, segment] of segments.entries()) {
        signal?.throwIfAborted()
        onProgress?.(i / segments.length)
        await (segment.large ? pass.sliced(segment, i) : pass.whole(segment))
        peer?.passed(i + 1)
      }
      return await pass.outputs()
    },
    async release() {},
  }
}

type TogetherOptions = Pick<RunOptions, 'signal' | 'onProgress'> & {
  readonly [computation in 0 | 1]?: Pick<RunOptions, 'onOutput' | 'probe'>
}

/**
 * Runs two computations on the same samples, each at its own pace; a large weight that both have is
 * read by both at once, and where it is equal in both, multiplied once.
 */
export async function runTogether(
  a: Computation,
  b: Computation,
  samples: readonly Feeds[],
  { signal, onProgress, ...observers }: TogetherOptions = {},
): Promise<readonly [readonly Feeds[], readonly Feeds[]]> {
  return stoppable(signal, async (stop) => {
    const runner = new SliceRunner()
    const peers = Peer.pair((runs) => runner.run(runs, stop.signal))
    const shares = [0, 0]
    const run = async (computation: Computation, i: 0 | 1) => {
      const peer = peers[i]
      const show = (share: number) => {
        shares[i] = share
        onProgress?.((shares[0]! + shares[1]!) / 2)
      }
      try {
        const options = { signal: stop.signal, peer, onProgress: show, ...observers[i] }
        return await computation.run(samples, options)
      } catch (cause) {
        stop.abort(cause)
        throw cause
      } finally {
        peer.passed()
      }
    }
    const [first, second] = await Promise.allSettled([run(a, 0), run(b, 1)])
    if (first.status === 'fulfilled' && second.status === 'fulfilled')
      return [first.value, second.value] as const
    // Not the other's, which was but stopped by it.
    throw stop.signal.reason
  })
}

/**
 * The same for two nodes that differ in nothing but what the weights hold; undefined for nodes that
 * take no weight in slices.
 */
function keyOf(
  { graph, opsets }: Model,
  { nodes, large }: Segment,
  slicing: WeightSlicingOf,
): string | undefined {
  if (!large) return undefined
  const node = nodes[0]!
  const { opType, domain, attributes, inputs } = node
  const tensors = inputs.map((name) => graph.initializers.get(name)?.tensor)
  if (!tensors.some((tensor, i) => tensor && slicing(node, i, tensor.dims))) return undefined
  const weights = tensors.map((tensor, i) => tensor && [inputs[i], tensor.dtype, tensor.dims])
  const facts = [opType, domain, opsets.get(domain), [...attributes], weights]
  return JSON.stringify(facts, (_, value) => (typeof value === 'bigint' ? `${value}` : value))
}

type PassOptions = OutOfCoreOptions &
  Required<Pick<OutOfCoreOptions, 'blockBytes' | 'sliceBytes' | 'slicing'>> &
  Pick<RunOptions, 'signal' | 'peer' | 'onOutput' | 'probe'> & {
    /** Does some segment take this value from another? */
    readonly isTaken: (value: string) => boolean
  }

/** One computation of all samples: the values that somebody still needs. */
class Pass {
  readonly #runtime: Runtime
  readonly #model: Model
  readonly #options: PassOptions
  readonly #declarations: ReadonlyMap<string, ValueDeclaration>
  readonly #runner = new SliceRunner()
  /** For each sample, its values by name. */
  readonly #values: readonly Map<string, Tensor>[]

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
    // The node is linear in its data as well: one more sample shows what moves with these.
    const more =
      probed && probe.changes(data)
        ? [{ ...probed, data: changed(probed.data, probe.share, data) }]
        : []
    const run = { session, node, samples: [...samples, ...more] }
    const outputs = peer
      ? await peer.compute(stage, run)
      : (await this.#runner.run([run], signal))[0]!
    if (probed) {
      const before = outputs[probe.sample]!
      const after = outputs[samples.length]
      if (after) probe.onMovement(data, output, movement(before, after))
      if (probe.weights.has(node.names.weight))
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
    const weights: Record<string, Tensor> = {}
    const others: Record<string, Tensor> = {}
    const take = async (name: string, into: Record<string, Tensor>) => {
      const source = this.#weight(name)
      if (source && isNumeric(source.dtype) && source.dtype !== 'bfloat16')
        into[name] = nonZero(await materializeWhenReady(source), name)
    }
    for (const name of probe.weights) if (read.has(name)) await take(name, weights)
    // A weight may be multiplied by another one, which is zero at first: B·A of an adapter.
    for (const node of segment.nodes.filter(({ inputs }) => inputs.some((name) => weights[name])))
      for (const i of operatorOf(node)?.training?.parameters ?? []) {
        const name = node.inputs[i] ?? ''
        const isMatrix = (this.#weight(name)?.dims.length ?? 0) >= 2
        if (isMatrix && !weights[name]) await take(name, others)
      }
    const values = this.#feeds(this.#values[probe.sample]!, segment.takes)
    const changing = { ...weights, ...others, ...values }
    const names = [
      ...Object.keys(weights),
      ...Object.keys(values).filter((name) => probe.changes(name)),
    ]
    if (names.length === 0) return
    const session = await this.#open(segment, Object.keys({ ...weights, ...others }))
    try {
      const before = await session.run(changing)
      for (const name of names) {
        this.#options.signal?.throwIfAborted()
        const other = changed(changing[name]!, probe.share, name)
        const after = await session.run({ ...changing, [name]: other })
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
    for (const name of last) values.delete(name)
    for (const name of gives) values.set(name, given[name]!)
  }

  #weight(name: string) {
    return this.#model.graph.initializers.get(name)?.tensor
  }
}

async function materializeWhenReady(source: LazyTensor): Promise<Tensor> {
  await source.ready?.(0, source.byteLength)
  return materialize(source)
}

const declarationOf = (name: string, { dtype, dims }: LazyTensor) =>
  tensorDeclaration(
    name,
    dtype,
    dims.map(() => null),
  )

function sessionValue({ name, type }: ValueDeclaration): SessionValue {
  return type.kind === 'tensor'
    ? { name, dtype: type.dtype, shape: type.shape ?? [] }
    : { name, dtype: undefined, shape: [] }
}

function mustFit(feeds: Feeds, inputs: readonly SessionValue[]): void {
  const names = inputs.map(({ name }) => name)
  for (const name of Object.keys(feeds))
    if (!names.includes(name))
      throw usageError(`The model has no input ${name}; it has ${names.join(', ')}.`)
}
