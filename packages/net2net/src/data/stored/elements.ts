/** Numbers one after the other, in memory or in a file, of which any range can be read. */
import type { NumericDType, TypedArray } from '../../tensor/tensor.ts'

export interface Elements {
  readonly dtype: NumericDType
  readonly length: number
  /** A range that lies within; it may share memory with others. */
  read(at: number, count: number): TypedArray
  /** All of them, where they are in memory. */
  readonly data?: TypedArray
}

export const elementsInMemory = (dtype: NumericDType, data: TypedArray): Elements => ({
  dtype,
  length: data.length,
  read: (at, count) => data.subarray(at, at + count),
  data,
})
