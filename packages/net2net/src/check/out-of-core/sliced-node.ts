/** Computing a node that is linear in a large weight from slices of that weight. */
import type { WeightSlicing } from '../../operators/contract/slicing.ts'
import type { Session } from '../../runtime/runtime.ts'
import {
  allocate,
  elementCount,
  isNumeric,
  type LazyTensor,
  materialize,
  readInto,
  Tensor,
  viewAs,
} from '../../tensor/tensor.ts'
import { addTo, concatenate, cuts, sameBits, sliceAxis } from './slices.ts'

/** Samples run as one batch as long as they take no more bytes together. */
const BATCH_BYTES = 2 ** 22

export interface SlicedNode {
  readonly slicing: WeightSlicing
  readonly weight: LazyTensor
  /** Ranges along the two axes of the weight. */
  readonly outputRanges: Ranges
  readonly contractedRanges: Ranges
  /** The names of what the node takes and gives; '' for a bias that it has not. */
  readonly names: Readonly<Record<'weight' | 'data' | 'bias' | 'output', string>>
}
type Ranges = ReturnType<typeof cuts>

/** Where to cut a weight into slices of no more than a block, and its sums into so many parts. */
export function rangesOf(
  { dims, byteLength, dtype }: LazyTensor,
  slicing: WeightSlicing,
  blockBytes: number,
  sumParts: number,
): Pick<SlicedNode, 'outputRanges' | 'contractedRanges'> {
  // Half floats are not added up here: they would be rounded twice.
  const addable = dtype === 'float32' || dtype === 'float64'
  const blocks = Math.ceil(byteLength / blockBytes)
  // Slices of the first axis lie together in the file.
  const cutSum = addable && slicing.contractedAxis.weight === 0
  return {
    outputRanges: cuts(dims[slicing.outputAxis.weight]!, cutSum ? 1 : blocks),
    contractedRanges: cuts(
      dims[slicing.contractedAxis.weight]!,
      Math.max(cutSum ? blocks : 1, addable ? sumParts : 1),
    ),
  }
}

/** What a node takes for one set of inputs. */
export interface SlicedSample {
  readonly data: Tensor
  readonly bias: Tensor | undefined
}

/** A node with a large weight, and what it is to be computed for. */
export interface SlicedRun {
  readonly session: Session
  readonly node: SlicedNode
  readonly samples: readonly SlicedSample[]
}

type Bytes = Uint8Array<ArrayBuffer>

/** For each run two areas of memory: slices are read into one while those in the other are used. */
type Memory = [Bytes[], Bytes[]]

/** Computes nodes from slices of their weights, in memory that it uses again. */
export class SliceRunner {
  readonly #idle: Bytes[] = []

  /**
   * For each run the node's output for each of its samples. Each slice of a weight is read once.
   * Several runs are of nodes that differ in nothing but the weights' values and the bias: what is
   * equal in all of them is used for all samples at once.
   */
  async run(
    runs: readonly SlicedRun[],
    signal?: AbortSignal,
  ): Promise<readonly (readonly Tensor[])[]> {
    const take = () => runs.map(() => this.#idle.pop() ?? new Uint8Array(0))
    const memory: Memory = [take(), take()]
    // After a failure something may still be read into it: then it is not used again.
    const outputs = await runSlices(runs, memory, signal)
    this.#idle.push(...memory.flat())
    return outputs
  }
}

async function runSlices(
  given: readonly SlicedRun[],
  memory: Memory,
  signal: AbortSignal | undefined,
): Promise<readonly (readonly Tensor[])[]> {
  const runs = withOneBias(given)
  const { session, node } = runs[0]!
  const { slicing, outputRanges, contractedRanges } = node
  const ranges = outputRanges.flatMap((units) =>
    contractedRanges.map((terms): Range => ({ units, terms })),
  )
  const sums = runs.map((run) => new Sums(run))
  const samples = runs.flatMap((run) => run.samples)
  const together = runs.length > 1 ? oneBatch(samples, slicing) : undefined
  function* slices() {
    for (const { units, terms } of ranges)
      yield runs.map(({ node: { weight } }) =>
        sliceAxis(
          sliceAxis(weight, slicing.outputAxis.weight, ...units),
          slicing.contractedAxis.weight,
          ...terms,
        ),
      )
  }
  let next = 0
  for await (const [first, ...others] of readAhead(slices(), memory)) {
    signal?.throwIfAborted()
    const range = ranges[next++]!
    if (together && others.every((slice) => sameBits(first!, slice))) {
      const product = await productOf(session, node, first!, together, range)
      const counts = sums.map((sum) => sum.batches[0]!.data.dims.at(slicing.batch.data)!)
      for (const [i, output] of apart(product, slicing.batch.output, counts).entries())
        sums[i]!.add(0, output, range)
    } else for (const [i, slice] of [first!, ...others].entries()) await sums[i]!.run(slice, range)
  }
  return sums.map((sum) => sum.outputs())
}

/** A part of a weight: entries of its output axis and of its contracted one. */
interface Range {
  readonly units: readonly [number, number]
  readonly terms: readonly [number, number]
}

/** The outputs of a run, as far as they are computed. */
class Sums {
  readonly batches: readonly SlicedSample[]
  readonly #run: SlicedRun
  /** For each batch its outputs by ranges of units. */
  readonly #parts: readonly Tensor[][]

  constructor(run: SlicedRun) {
    this.#run = run
    this.batches = batchesOf(run.samples, run.node.slicing)
    this.#parts = this.batches.map(() => [])
  }

  async run(slice: Tensor, range: Range): Promise<void> {
    const { session, node } = this.#run
    for (const [i, batch] of this.batches.entries())
      this.add(i, await productOf(session, node, slice, batch, range), range)
  }

  add(batch: number, product: Tensor, { terms }: Range): void {
    const parts = this.#parts[batch]!
    if (terms[0] === 0) parts.push(product)
    else addTo(parts.at(-1)!, product)
  }

  outputs(): readonly Tensor[] {
    const { node, samples } = this.#run
    const { outputAxis, batch } = node.slicing
    const outputs = this.#parts.map((tensors) => concatenate(tensors, outputAxis.output))
    if (outputs.length === samples.length) return outputs
    const sizes = samples.map(({ data }) => data.dims.at(batch.data)!)
    return apart(outputs[0]!, batch.output, sizes)
  }
}

/** What a slice of the weight adds to the output; the bias comes with the first terms. */
async function productOf(
  session: Session,
  { slicing, weight, names }: SlicedNode,
  slice: Tensor,
  { data, bias }: SlicedSample,
  { units, terms }: Range,
): Promise<Tensor> {
  const feeds: Record<string, Tensor> = {
    [names.weight]: slice,
    [names.data]: materialize(sliceAxis(data, slicing.contractedAxis.data, ...terms)),
  }
  if (bias) {
    const isWide = bias.dims.at(-1) === weight.dims[slicing.outputAxis.weight]
    const part = isWide ? materialize(sliceAxis(bias, -1, ...units)) : bias
    feeds[names.bias] = terms[0] === 0 ? part : zerosLike(part)
  }
  return (await session.run(feeds))[names.output]!
}

/** The runs with one tensor for all biases that have the same bits, as computed ones may. */
function withOneBias(runs: readonly SlicedRun[]): readonly SlicedRun[] {
  const bias = runs[0]!.samples[0]?.bias
  const shared = (sample: SlicedSample) =>
    bias && sample.bias && sameBits(bias, sample.bias) ? { ...sample, bias } : sample
  return runs.map((run) => ({ ...run, samples: run.samples.map(shared) }))
}

/**
 * The samples as one batch where that changes nothing but the time: a product with eight rows
 * takes little longer than one with two.
 */
const batchesOf = (
  samples: readonly SlicedSample[],
  slicing: WeightSlicing,
): readonly SlicedSample[] => {
  const batch = oneBatch(samples, slicing)
  return batch ? [batch] : samples
}

function oneBatch(
  samples: readonly SlicedSample[],
  { batch }: WeightSlicing,
): SlicedSample | undefined {
  const [first] = samples
  if (!first || samples.length === 1) return first
  const rank = first.data.dims.length
  const axis = batch.data < 0 ? rank + batch.data : batch.data
  const besides = ({ dims }: Tensor) => `${dims.with(axis, 0)}`
  const fits =
    axis >= 0 &&
    samples.every(
      ({ data, bias }) =>
        data.dims.length === rank &&
        besides(data) === besides(first.data) &&
        bias === first.bias &&
        elementCount(bias?.dims.slice(0, -1) ?? []) === 1,
    ) &&
    samples.reduce((sum, { data }) => sum + data.byteLength, 0) <= BATCH_BYTES
  if (!fits) return undefined
  const data = concatenate(
    samples.map(({ data }) => data),
    axis,
  )
  return { ...first, data }
}

/** The parts of a tensor that have these sizes along an axis. */
function apart(whole: Tensor, axis: number, sizes: readonly number[]): readonly Tensor[] {
  let start = 0
  return sizes.map((size) => {
    start += size
    return materialize(sliceAxis(whole, axis, start - size, start))
  })
}

/** The tensors of each step in turn, valid until the next are asked for: those are read meanwhile. */
async function* readAhead(
  steps: Iterable<readonly LazyTensor[]>,
  memory: Memory,
): AsyncGenerator<readonly Tensor[], void> {
  let before: Promise<readonly Tensor[]> | undefined
  for (const sources of steps) {
    const into = memory[0]
    memory.reverse()
    const reading = Promise.all(
      sources.map((source, i) => {
        // Fresh memory would have to be zeroed each time.
        if ((into[i]?.length ?? 0) < source.byteLength) into[i] = new Uint8Array(source.byteLength)
        return readTensor(source, into[i]!)
      }),
    )
    // A failure is thrown where it is awaited.
    reading.catch(() => undefined)
    if (before) yield await before
    before = reading
  }
  if (before) yield await before
}

async function readTensor(source: LazyTensor, memory: Uint8Array<ArrayBuffer>): Promise<Tensor> {
  const { dtype, dims, byteLength } = source
  await source.ready?.(0, byteLength)
  if (!isNumeric(dtype)) return materialize(source)
  const into = memory.subarray(0, byteLength)
  if (source.readAsync) await source.readAsync(0, into)
  else readInto(source, 0, into)
  return new Tensor(dtype, dims, viewAs(dtype, memory.buffer, elementCount(dims)))
}

const zerosLike = ({ dtype, dims }: Tensor) =>
  new Tensor(dtype, dims, allocate(dtype, elementCount(dims)))
