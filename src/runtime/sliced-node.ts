/** Computing a node that is linear in a large weight from slices of that weight. */
import type { LinearForm } from '../model/linear-form.ts'
import {
  allocate,
  elementCount,
  isNumeric,
  type LazyTensor,
  materialize,
  readInto,
  Tensor,
  viewAs,
} from '../tensor/tensor.ts'
import type { Session } from './runtime.ts'
import { addTo, concatenate, cuts, sliceAxis } from './slices.ts'

/** Samples run as one batch as long as they take no more bytes together. */
const BATCH_BYTES = 2 ** 22

export interface SlicedNode {
  readonly form: LinearForm
  readonly weight: LazyTensor
  /** Ranges along the two axes of the weight. */
  readonly carried: Ranges
  readonly summed: Ranges
  /** The names of what the node takes and gives; '' for a bias that it has not. */
  readonly names: Readonly<Record<'weight' | 'data' | 'bias' | 'output', string>>
}
type Ranges = ReturnType<typeof cuts>

/** Where to cut a weight into slices of no more than a block, and its sums into so many parts. */
export function rangesOf(
  { dims, byteLength, dtype }: LazyTensor,
  form: LinearForm,
  blockBytes: number,
  sumParts: number,
): Pick<SlicedNode, 'carried' | 'summed'> {
  // Half floats are not added up here: they would be rounded twice.
  const addable = dtype === 'float32' || dtype === 'float64'
  const blocks = Math.ceil(byteLength / blockBytes)
  // Slices of the first axis lie together in the file.
  const cutSum = addable && form.summed.weight === 0
  return {
    carried: cuts(dims[form.carried.weight]!, cutSum ? 1 : blocks),
    summed: cuts(dims[form.summed.weight]!, Math.max(cutSum ? blocks : 1, addable ? sumParts : 1)),
  }
}

/** What a node takes for one set of inputs. */
export interface SlicedSample {
  readonly data: Tensor
  readonly bias: Tensor | undefined
}

/** The node's output for each sample; each slice of the weight is read once. */
export async function runSlices(
  session: Session,
  { form, weight, carried, summed, names }: SlicedNode,
  samples: readonly SlicedSample[],
  signal: AbortSignal | undefined,
): Promise<readonly Tensor[]> {
  const batches = batchesOf(samples, form)
  const parts: Tensor[][] = batches.map(() => [])
  const width = weight.dims[form.carried.weight]!
  const ranges = carried.flatMap((units) => summed.map((terms) => ({ units, terms })))
  function* slices() {
    for (const { units, terms } of ranges)
      yield sliceAxis(
        sliceAxis(weight, form.carried.weight, ...units),
        form.summed.weight,
        ...terms,
      )
  }
  let next = 0
  for await (const slice of readAhead(slices())) {
    signal?.throwIfAborted()
    const { units, terms } = ranges[next++]!
    const isFirst = terms[0] === 0
    for (const [i, { data, bias }] of batches.entries()) {
      const feeds: Record<string, Tensor> = {
        [names.weight]: slice,
        [names.data]: materialize(sliceAxis(data, form.summed.data, ...terms)),
      }
      if (bias) {
        const part = bias.dims.at(-1) === width ? materialize(sliceAxis(bias, -1, ...units)) : bias
        feeds[names.bias] = isFirst ? part : zerosLike(part)
      }
      const result = (await session.run(feeds))[names.output]!
      if (isFirst) parts[i]!.push(result)
      else addTo(parts[i]!.at(-1)!, result)
    }
  }
  const outputs = parts.map((tensors) => concatenate(tensors, form.carried.output))
  if (outputs.length === samples.length) return outputs
  const sizes = samples.map(({ data }) => data.dims.at(form.batch.data)!)
  return apart(outputs[0]!, form.batch.output, sizes)
}

/**
 * The samples as one batch where that changes nothing but the time: a product with eight rows
 * takes little longer than one with two.
 */
function batchesOf(
  samples: readonly SlicedSample[],
  { batch }: LinearForm,
): readonly SlicedSample[] {
  const [first] = samples
  if (!first || samples.length === 1) return samples
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
  return fits
    ? [
        {
          ...first,
          data: concatenate(
            samples.map(({ data }) => data),
            axis,
          ),
        },
      ]
    : samples
}

/** The parts of a tensor that have these sizes along an axis. */
function apart(whole: Tensor, axis: number, sizes: readonly number[]): readonly Tensor[] {
  let start = 0
  return sizes.map((size) => {
    start += size
    return materialize(sliceAxis(whole, axis, start - size, start))
  })
}

/**
 * Each tensor in turn, read while the one before is used. They share memory, for fresh memory would
 * have to be zeroed: a tensor is valid until the next is asked for.
 */
async function* readAhead(sources: Iterable<LazyTensor>): AsyncGenerator<Tensor, void> {
  let memory = new Uint8Array(0)
  let spare = memory
  let before: Promise<Tensor> | undefined
  for (const source of sources) {
    if (spare.length < source.byteLength) spare = new Uint8Array(source.byteLength)
    const reading = readTensor(source, spare)
    // A failure is thrown where it is awaited.
    reading.catch(() => undefined)
    if (before) yield await before
    before = reading
    ;[memory, spare] = [spare, memory]
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
