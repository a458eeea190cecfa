/** Tensors of all types that other frameworks' files have, by name, for property tests. */
import fc from 'fast-check'
import { byteLengthOf } from '../src/tensor/dtype.ts'
import { elementCount, type NumericDType, Tensor, viewAs } from '../src/tensor/tensor.ts'

const dtypes: readonly NumericDType[] = [
  'float32',
  'float64',
  'float16',
  'bfloat16',
  'int64',
  'int32',
  'int16',
  'int8',
  'uint8',
]

const randomTensor = fc
  .record({
    dtype: fc.constantFrom(...dtypes),
    dims: fc.array(fc.integer({ min: 0, max: 5 }), { maxLength: 4 }),
  })
  .chain(({ dtype, dims }) => {
    const count = elementCount(dims)
    const length = byteLengthOf(dtype, count)
    return fc
      .uint8Array({ minLength: length, maxLength: length })
      .map((bytes) => new Tensor(dtype, dims, viewAs(dtype, bytes.slice().buffer, count)))
  })

export const randomTensors: fc.Arbitrary<ReadonlyMap<string, Tensor>> = fc
  .array(fc.tuple(fc.stringMatching(/^[a-z0-9_.]{1,12}$/), randomTensor), { maxLength: 6 })
  .map((entries) => new Map(entries))
