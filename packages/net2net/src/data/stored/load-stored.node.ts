/** Data sets in files that are read as their samples are asked for. */
import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { inputError } from '../../errors.ts'
import { Tensor, toNumbers } from '../../tensor/tensor.ts'
import {
  type ArraysOptions,
  arrangeArrays,
  type ColumnForm,
  inputForm,
  targetForm,
  weightsForm,
} from '../arrays.ts'
import { type ChannelLayout, movedDims, movedRanges } from '../channel-layout.ts'
import type { Elements } from './elements.ts'
import { type RangedArray, rangedNpy } from './stored-arrays.node.ts'
import { type StoredColumn, StoredDataset } from './stored-dataset.ts'

/** Arrays by their names, as `datasetOfArrays` reads those in memory. @throws input */
export function storedDataset(
  arrays: ReadonlyMap<string, RangedArray>,
  source: string,
  options: ArraysOptions,
): { readonly train: StoredDataset; readonly test?: StoredDataset } {
  const { train, test } = arrangeArrays(arrays, source, options)
  const dataset = ({ inputs, target, weights, moved }: typeof train) => {
    const column = (array: RangedArray, form: ColumnForm) =>
      storedColumn(array, form, moved.get(array))
    return new StoredDataset(
      Object.fromEntries(inputs.map(([name, array]) => [name, column(array, inputForm)])),
      column(target, targetForm(options.targetKind)),
      target.dims[0]!,
      { weights: weights && column(weights, weightsForm) },
    )
  }
  return test ? { train: dataset(train), test: dataset(test) } : { train: dataset(train) }
}

function storedColumn(
  array: RangedArray,
  form: ColumnForm,
  from: ChannelLayout | undefined,
): StoredColumn {
  const column = { ...form(array), elements: withoutHalf(array.elements) }
  if (from === undefined) return column
  const { dims, elements } = column
  return { ...column, dims: movedDims(dims, from), elements: movedRanges(elements, dims, from) }
}

/** Half precision is stored as bit patterns, which no arithmetic of JavaScript reads. */
function withoutHalf(elements: Elements): Elements {
  if (elements.dtype !== 'float16') return elements
  return {
    dtype: 'float32',
    length: elements.length,
    read(at, count) {
      const bits = new Tensor('float16', [count], elements.read(at, count) as Uint16Array)
      return Float32Array.from(toNumbers(bits))
    },
  }
}

/** Whether a folder holds arrays in files of their own: x.npy and y.npy, say. */
export const isArraysFolder = (folder: string): boolean =>
  existsSync(folder) &&
  statSync(folder).isDirectory() &&
  readdirSync(folder).some((name) => /\.npy$/i.test(name))

/** The arrays of a folder, by the names of their files. @throws input */
export function rangedFolder(folder: string): ReadonlyMap<string, RangedArray> {
  const files = readdirSync(folder).filter((name) => /\.npy$/i.test(name))
  return new Map(
    files.sort().map((name) => {
      const path = join(folder, name)
      const array = rangedNpy(path)
      if (array) return [name.slice(0, -'.npy'.length), array]
      throw inputError(
        `${path} is in Fortran order, of which no samples can be read one by one; save it in C order.`,
        { where: path },
      )
    }),
  )
}
