/** Arrays of pictures, normalized channel by channel. */
import { usageError } from '../errors.ts'
import type { Preparation } from '../model/preparation.ts'
import { elementCount, type TypedArray } from '../tensor/tensor.ts'
import { ArrayDataset, type ColumnShape, type Normalization } from './dataset.ts'
import {
  ChannelSums,
  knownNormalization,
  type Normalize,
  normalizationOf,
  picturePreparation,
} from './normalize.ts'
import type { SampleSet } from './samples.ts'
import { StoredDataset } from './stored/stored-dataset.ts'

export interface Parts {
  readonly train: SampleSet
  readonly test?: SampleSet
}

/**
 * Bytes of arrays [samples, channels, height, width], normalized as asked for, or as the model knows it; both parts by the training part's
 * numbers.
 *
 * @throws usage where there are no such arrays
 */
export function normalizedArrays(
  parts: Parts,
  normalize: Normalize | undefined,
  known: Preparation | undefined,
): Parts {
  const given = knownNormalization(known)
  if (known?.kind === 'pictures' ? !given : normalize === undefined) return parts
  const channels = channelsOf(parts.train)
  const normalization =
    given ??
    (normalize === 'data' ? measured(parts.train, channels) : normalizationOf(normalize!, channels))
  const of = (samples: SampleSet) => withNormalization(samples, normalization)
  return parts.test ? { train: of(parts.train), test: of(parts.test) } : { train: of(parts.train) }
}

type WithColumns = ArrayDataset | StoredDataset

function pictureColumns(samples: SampleSet): readonly (readonly [string, ColumnShape])[] {
  if (!(samples instanceof ArrayDataset || samples instanceof StoredDataset)) return []
  const isBytes = (column: WithColumns['inputs'][string]) =>
    'data' in column ? column.data instanceof Uint8Array : column.elements.dtype === 'uint8'
  return Object.entries(samples.inputs).filter(
    ([, column]) => column.dims.length === 3 && isBytes(column),
  )
}

function channelsOf(samples: SampleSet): number {
  const [column] = pictureColumns(samples).map(([, { dims }]) => dims)
  if (column) return column[0]!
  throw usageError('Only pictures are normalized: bytes [channels, height, width].')
}

/** Of all samples, some at a time. */
function measured(samples: SampleSet, channels: number): Normalization {
  const sums = new ChannelSums(channels)
  if (!(samples instanceof ArrayDataset || samples instanceof StoredDataset))
    return sums.normalization
  for (const [name, { dims }] of pictureColumns(samples)) {
    const row = elementCount(dims)
    const area = row / channels
    for (const bytes of bytesOf(samples.inputs[name]!, row))
      sums.add(Array.from(bytes, Number), area)
  }
  return sums.normalization
}

function* bytesOf(column: WithColumns['inputs'][string], row: number): Generator<TypedArray> {
  const step = Math.max(1, Math.floor(2 ** 20 / row)) * row
  const length = 'data' in column ? column.data.length : column.elements.length
  for (let at = 0; at < length; at += step) {
    const count = Math.min(step, length - at)
    yield 'data' in column ? column.data.subarray(at, at + count) : column.elements.read(at, count)
  }
}

function withNormalization(samples: SampleSet, normalization: Normalization): SampleSet {
  const preparation = picturePreparation('resize', normalization)
  const names = new Set(pictureColumns(samples).map(([name]) => name))
  const changed = <C>(inputs: Readonly<Record<string, C>>): Readonly<Record<string, C>> =>
    Object.fromEntries(
      Object.entries(inputs).map(([name, column]) => [
        name,
        names.has(name) ? { ...column, normalization } : column,
      ]),
    )
  if (samples instanceof ArrayDataset) {
    const { inputs, target, classes, columns, weights } = samples
    return new ArrayDataset(changed(inputs), target, classes, { columns, weights, preparation })
  }
  if (!(samples instanceof StoredDataset)) return samples
  const { inputs, target, length, classes, weights } = samples
  return new StoredDataset(changed(inputs), target, length, { classes, weights, preparation })
}
