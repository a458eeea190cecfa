/** Arrays of pictures, normalized channel by channel. */
import { usageError } from '../errors.ts'
import type { Preparation } from '../model/preparation.ts'
import { elementCount, type TypedArray } from '../tensor/tensor.ts'
import {
  hasChannelsLast,
  movedDims,
  movedElements,
  movedRanges,
  withChannelsLast,
} from './channel-layout.ts'
import { ArrayDataset, type Column, type ColumnShape, type Normalization } from './dataset.ts'
import {
  ChannelSums,
  knownNormalization,
  type Normalize,
  normalizationOf,
  picturePreparation,
} from './normalize.ts'
import type { SampleSet } from './samples.ts'
import { type StoredColumn, StoredDataset } from './stored/stored-dataset.ts'

export interface Parts {
  readonly train: SampleSet
  readonly test?: SampleSet
}

/**
 * Bytes of arrays [samples, channels, height, width] (or, of 1 or 3 channels, [samples, height, width, channels]), normalized as asked for, or as
 * the model knows it; both parts by the training part's numbers.
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
  if (pictureColumns(parts.train).some(([, { dims }]) => hasChannelsLast(dims))) {
    const first = of(parts, withChannelsFirst)
    return of(normalizedArrays(first, normalize, known), withChannelsLast)
  }
  const channels = channelsOf(parts.train)
  const normalization =
    given ??
    (normalize === 'data' ? measured(parts.train, channels) : normalizationOf(normalize!, channels))
  return of(parts, (samples) => withNormalization(samples, normalization))
}

const of = ({ train, test }: Parts, change: (samples: SampleSet) => SampleSet): Parts =>
  test ? { train: change(train), test: change(test) } : { train: change(train) }

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
  const normalized = <C>(column: C): C => ({ ...column, normalization })
  return withPictures(samples, { inMemory: normalized, stored: normalized, preparation })
}

/** Pictures whose channels are last, with these first. */
const withChannelsFirst = (samples: SampleSet): SampleSet =>
  withPictures(samples, {
    inMemory: (column) => ({
      ...column,
      dims: movedDims(column.dims, 'channels-last'),
      data: movedElements(column.data, column.dims, 'channels-last'),
    }),
    stored: (column) => ({
      ...column,
      dims: movedDims(column.dims, 'channels-last'),
      elements: movedRanges(column.elements, column.dims, 'channels-last'),
    }),
  })

/** The samples with other pictures. */
function withPictures(
  samples: SampleSet,
  change: {
    inMemory(column: Column): Column
    stored(column: StoredColumn): StoredColumn
    readonly preparation?: Preparation
  },
): SampleSet {
  const names = new Set(pictureColumns(samples).map(([name]) => name))
  const changed = <C>(inputs: Readonly<Record<string, C>>, other: (column: C) => C) =>
    Object.fromEntries(
      Object.entries(inputs).map(([name, column]) => [
        name,
        names.has(name) ? other(column) : column,
      ]),
    )
  const { preparation = samples.preparation } = change
  if (samples instanceof ArrayDataset) {
    const { inputs, target, classes, columns, weights } = samples
    const pictures = changed(inputs, change.inMemory)
    return new ArrayDataset(pictures, target, classes, { columns, weights, preparation })
  }
  if (!(samples instanceof StoredDataset)) return samples
  const { inputs, target, length, classes, weights } = samples
  const pictures = changed(inputs, change.stored)
  return new StoredDataset(pictures, target, length, { classes, weights, preparation })
}
