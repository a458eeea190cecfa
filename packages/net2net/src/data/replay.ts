/** Samples of earlier data among new ones, so that a network does not forget while it learns. */
import { usageError } from '../errors.ts'
import { permutation, randomStream } from '../tensor/random.ts'
import { allocate, elementCount, float32, type NumericDType, Tensor } from '../tensor/tensor.ts'
import type { Batch, SampleSet } from './samples.ts'

/**
 * New samples, each once in an epoch, with so large a share of old ones in every batch (up to rounding), drawn anew in every epoch
 * (experience replay, Robins 1995; Rolnick et al., arXiv:1811.11682).
 *
 * A trainer asks for samples by their numbers in random order. Which place in an epoch takes an old sample is fixed, and the
 * samples that come are drawn by the epoch and the last of the asked numbers: so the rest of an epoch is the same when it is
 * asked for alone, as a training does that goes on from a checkpoint.
 *
 * @param share of old samples, above 0 and below 1
 * @throws usage for another share, or where one of the sets is empty
 */
export function replayed(fresh: SampleSet, old: SampleSet, share: number): SampleSet {
  if (!(share > 0 && share < 1))
    throw usageError(`The share of old samples must be above 0 and below 1, not ${share}.`)
  if (fresh.length === 0 || old.length === 0)
    throw usageError('Replay needs samples of both kinds, new and old ones.')
  /** Of the first so many places, those that take an old sample. */
  const oldBefore = (place: number) => Math.floor(place * share)
  let length = Math.ceil(fresh.length / (1 - share))
  while (length - 1 - oldBefore(length - 1) >= fresh.length) length--
  return {
    ...describing(fresh),
    ...weighted([fresh, old]),
    length,
    async *batches(size, order, epoch = 0) {
      const count = order?.length ?? length
      const last = order?.[count - 1] ?? 0
      const random = (what: string) => randomStream(epoch, 'replay', last, what)
      const freshOrder = order ? permutation(fresh.length, random('new')) : undefined
      const oldOrder = permutation(old.length, random('old'))
      const first = length - count
      for (let done = 0; done < count; done += size) {
        const places = Array.from(
          { length: Math.min(size, count - done) },
          (_, i) => first + done + i,
        )
        const rows = { fresh: Array.of<number>(), old: Array.of<number>() }
        for (const place of places) {
          const before = oldBefore(place)
          if (oldBefore(place + 1) > before) rows.old.push(oldOrder[before % old.length]!)
          else {
            const at = place - before
            rows.fresh.push(freshOrder?.[at] ?? at)
          }
        }
        yield await together(
          [
            [fresh, rows.fresh],
            [old, rows.old],
          ],
          epoch,
        )
      }
    },
  }
}

/** All samples of several sets, one set after the other. @throws usage where there is none */
export function joined(sets: readonly SampleSet[]): SampleSet {
  const [first] = sets
  if (!first) throw usageError('There are no sets to join.')
  const starts: number[] = []
  let length = 0
  for (const set of sets) {
    starts.push(length)
    length += set.length
  }
  return {
    ...describing(first),
    ...weighted(sets),
    length,
    async *batches(size, order, epoch = 0) {
      const count = order?.length ?? length
      for (let done = 0; done < count; done += size) {
        const rows = sets.map((): number[] => [])
        for (let i = done; i < Math.min(done + size, count); i++) {
          const row = order ? order[i]! : i
          const set = starts.findLastIndex((start) => start <= row)
          rows[set]!.push(row - starts[set]!)
        }
        yield await together(
          sets.map((set, i) => [set, rows[i]!]),
          epoch,
        )
      }
    },
  }
}

/** What a set says of its samples; that they are of one kind is the caller's business. */
const describing = ({ classes, columns, preparation, target }: SampleSet) => ({
  ...(preparation ? { preparation } : {}),
  ...(classes ? { classes } : {}),
  ...(columns ? { columns } : {}),
  ...(target
    ? { target: { dtype: target.dtype, ...(target.dims ? { dims: target.dims } : {}) } }
    : {}),
})

const weighted = (sets: readonly SampleSet[]): Pick<SampleSet, 'weights'> => {
  const weights = sets.find((set) => set.weights)?.weights
  return weights ? { weights } : {}
}

/** One batch of the rows of several sets, in their order. */
async function together(
  parts: readonly (readonly [SampleSet, readonly number[]])[],
  epoch: number,
): Promise<Batch> {
  const batches: Batch[] = []
  for (const [set, rows] of parts)
    if (rows.length > 0)
      // Buffers may be used again for the next batch.
      for await (const { inputs, target, weights } of set.batches(rows.length, rows, epoch))
        batches.push({
          inputs: Object.fromEntries(
            Object.entries(inputs).map(([name, tensor]) => [name, joinedTensors([tensor])]),
          ),
          target: joinedTensors([target]),
          ...(weights ? { weights: joinedTensors([weights]) } : {}),
        })
  const [first] = batches
  if (!first) throw usageError('A batch has no samples.')
  const names = Object.keys(first.inputs)
  return {
    // The one input of a one-input model may have any name.
    inputs: Object.fromEntries(
      names.map((name) => [
        name,
        joinedTensors(
          batches.map(({ inputs }) =>
            names.length === 1 ? Object.values(inputs)[0]! : inputs[name]!,
          ),
        ),
      ]),
    ),
    target: joinedTensors(batches.map(({ target }) => target)),
    ...weightsOf(batches),
  }
}

/** Samples of sets without weights count once. */
function weightsOf(batches: readonly Batch[]): Pick<Batch, 'weights'> {
  const weighted = batches.find(({ weights }) => weights)?.weights
  if (!weighted) return {}
  const ones = ({ target }: Batch) => {
    const dims = [target.dims[0]!, ...weighted.dims.slice(1)]
    return float32(dims, new Float32Array(elementCount(dims)).fill(1))
  }
  return { weights: joinedTensors(batches.map((batch) => batch.weights ?? ones(batch))) }
}

/** Along the first axis. @throws usage where types or shapes differ */
function joinedTensors(tensors: readonly Tensor[]): Tensor {
  const [first] = tensors
  const shape = String(first!.dims.slice(1))
  for (const { dtype, dims } of tensors)
    if (dtype !== first!.dtype || String(dims.slice(1)) !== shape)
      throw usageError(
        `Old and new samples differ: ${first!.dtype} of shape [${shape}] and ${dtype} of shape [${dims.slice(1)}].`,
      )
  const rows = tensors.reduce((sum, { dims }) => sum + dims[0]!, 0)
  const dims = [rows, ...first!.dims.slice(1)]
  const data = allocate(first!.dtype, elementCount(dims))
  const bytes = new Uint8Array(data.buffer)
  let at = 0
  for (const tensor of tensors) {
    bytes.set(tensor.read(0, tensor.byteLength), at)
    at += tensor.byteLength
  }
  return new Tensor<NumericDType>(first!.dtype, dims, data)
}
