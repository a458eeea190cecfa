/** A long text as samples: windows of ids, and what comes next. */
import { inputError } from '../../errors.ts'
import type { TextPreparation } from '../../model/preparation.ts'
import type { NumericDType } from '../../tensor/tensor.ts'
import type { Elements } from '../stored/elements.ts'
import { StoredDataset } from '../stored/stored-dataset.ts'

export interface WindowsOptions {
  /** Units of a window: as many as the model takes at once. */
  readonly length: number
  /** Whether the model predicts what comes after each unit of a window, or what comes after the window. */
  readonly predicts: 'each' | 'last'
  /** Type of the model's input. */
  readonly dtype: NumericDType
  /** From the beginning of a window to that of the next. Default: the length, or 1 where only the last unit's next one is predicted. */
  readonly stride?: number | undefined
  readonly preparation: TextPreparation
  readonly source: string
}

/**
 * Samples whose input are `length` units and whose targets are those one place further on.
 *
 * @throws input where the text is shorter than one window and what comes next
 */
export function textWindows(ids: Elements, options: WindowsOptions): StoredDataset {
  const { length, predicts, dtype, preparation, source } = options
  const stride = options.stride ?? (predicts === 'each' ? length : 1)
  const count = Math.floor((ids.length - length - 1) / stride) + 1
  if (!(ids.length > length))
    throw inputError(
      `${source} has ${ids.length} ${preparation.units}, but one sample takes ${length} and the one that comes next.`,
      { where: source },
    )
  const input = { dtype, dims: [length], elements: ids, stride }
  const target =
    predicts === 'each'
      ? { dtype: 'int32' as const, dims: [length], elements: ids, stride, offset: 1 }
      : { dtype: 'int32' as const, dims: [], elements: ids, stride, offset: length }
  return new StoredDataset({ input }, target, count, {
    preparation,
    classes: preparation.vocabulary,
    isSequence: true,
  })
}

/** Rows of ids that were cut already: all but the last are the input, all but the first the targets. */
export function idRows(
  ids: Elements,
  width: number,
  options: Pick<WindowsOptions, 'predicts' | 'dtype' | 'preparation'>,
): StoredDataset {
  const { predicts, dtype, preparation } = options
  const length = width - 1
  const place = { elements: ids, stride: width }
  const target =
    predicts === 'each'
      ? { dtype: 'int32' as const, dims: [length], ...place, offset: 1 }
      : { dtype: 'int32' as const, dims: [], ...place, offset: length }
  const input = { dtype, dims: [length], ...place }
  return new StoredDataset({ input }, target, ids.length / width, { preparation })
}
