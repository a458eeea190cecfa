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
): Promise<readonly Tensor[]> {
  const batches = batchesOf(samples, form)
  const parts: Tensor[][] = batches.map(() => [])
  // One memory for all slices: fresh memory would have to be zeroed for each.
  const memory = new Uint8Array(largestSlice(weight, carried, summed))
  const width = weight.dims[form.carried.weight]!
  for (const [from, to] of carried) {
    const rows = sliceAxis(weight, form.carried.weight, from, to)
    const sums: (Tensor | undefined)[] = batches.map(() => undefined)
    for (const [start, end] of summed) {
      const slice = readTensor(sliceAxis(rows, form.summed.weight, start, end), memory)
      for (const [i, { data, bias }] of batches.entries()) {
        const feeds: Record<string, Tensor> = {
          [names.weight]: slice,
          [names.data]: materialize(sliceAxis(data, form.summed.data, start, end)),
        }
        if (bias) {
          const part =
            bias.dims.at(-1) === width ? materialize(sliceAxis(bias, -1, from, to)) : bias
          feeds[names.bias] = start === 0 ? part : zerosLike(part)
        }
        const result = (await session.run(feeds))[names.output]!
        const sum = sums[i]
        if (sum) addTo(sum, result)
        else sums[i] = result
      }
    }
    sums.forEach((sum, i) => {
      parts[i]!.push(sum!)
    })
  }
  const outputs = parts.map((tensors) => concatenate(tensors, form.carried.output))
  return outputs.length === samples.length
    ? outputs
    : apart(
        outputs[0]!,
        form.batch.output,
        samples.map(({ data }) => data.dims.at(form.batch.data)!),
      )
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

function largestSlice({ byteLength }: LazyTensor, carried: Ranges, summed: Ranges): number {
  const longest = (ranges: Ranges) => Math.max(...ranges.map(([from, to]) => to - from))
  const all = (ranges: Ranges) => ranges.at(-1)![1]
  return Math.ceil((byteLength * longest(carried) * longest(summed)) / (all(carried) * all(summed)))
}

/** The tensor's elements in memory that is written over when the next one is read. */
function readTensor(source: LazyTensor, memory: Uint8Array<ArrayBuffer>): Tensor {
  const { dtype, dims, byteLength } = source
  if (!isNumeric(dtype)) return materialize(source)
  readInto(source, 0, memory.subarray(0, byteLength))
  return new Tensor(dtype, dims, viewAs(dtype, memory.buffer, elementCount(dims)))
}

const zerosLike = ({ dtype, dims }: Tensor) =>
  new Tensor(dtype, dims, allocate(dtype, elementCount(dims)))
