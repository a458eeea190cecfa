/** A column of texts as ids: cut or filled up to the length that the model takes. */
import { inputError } from '../../errors.ts'
import type { TextPreparation } from '../../model/preparation.ts'
import { quote } from '../../model/quote.ts'
import { dtypes } from '../../tensor/dtype.ts'
import type { NumericDType } from '../../tensor/tensor.ts'
import type { ModelInput } from '../model-input.ts'
import type { RowEncoder } from '../table/encoders.ts'
import type { Layout } from '../table/layout.ts'
import { PADDING, unitsOf } from './units.ts'

/**
 * Longer texts are cut at their end, shorter ones get padding (0) there.
 *
 * @param dtype the type of the model's input
 */
export function idsEncoder(
  column: number,
  preparation: TextPreparation,
  dtype: NumericDType,
  length: number,
  layout: Layout,
): RowEncoder {
  const units = unitsOf(preparation)
  return {
    dtype: dtypes[dtype].kind === 'integer' ? dtype : 'float32',
    dims: [length],
    storage: 'int32',
    lacks: ({ cells }) => cells[column] === '',
    encode({ cells, line }, into, at) {
      const text = cells[column]!
      if (text === '') throw layout.empty(column, text, line)
      const ids = units.ids(text, `${layout.in(column)}: line ${line}`)
      into.fill(PADDING, at, at + length)
      into.set(ids.length > length ? ids.subarray(0, length) : ids, at)
    },
  }
}

/** How many units the model takes at once. @throws input where its input is no sequence of a fixed length */
export function textLength(
  { name, dims }: ModelInput,
  source: string,
  asked?: number | undefined,
): number {
  const [length, ...more] = dims ?? []
  if (length !== undefined && more.length === 0) {
    if (asked === undefined || asked === length) return length
    throw inputError(`The model takes sequences of ${length}, not of ${asked}.`)
  }
  if (dims === undefined && asked !== undefined) return asked
  throw inputError(
    `${source} is text, but the model's input ${quote(name)} is not a sequence of ids of a fixed length: [batch, length].`,
    dims === undefined ? { hint: 'Give the length of the sequences.' } : {},
  )
}
