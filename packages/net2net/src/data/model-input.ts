/** What a model takes, as far as data are made for it. */
import { type Model, requiredInputs } from '../model/model.ts'
import { isNumeric, type NumericDType } from '../tensor/tensor.ts'

export interface ModelInput {
  readonly name: string
  readonly dtype: NumericDType
  /** Shape of one sample; undefined where it is not fixed. */
  readonly dims: readonly number[] | undefined
  /** The same with `undefined` for each size that is not fixed; undefined where not even their number is known. */
  readonly sizes?: readonly (number | undefined)[] | undefined
}

/** The inputs of a model, each with the shape of one sample. */
export function inputsOf({ graph }: Model): readonly ModelInput[] {
  return requiredInputs(graph).map(({ name, type }) => {
    const { dtype, shape } = type.kind === 'tensor' ? type : {}
    const dims = shape?.slice(1)
    const isFixed = dims?.every((dim) => typeof dim === 'number') ?? false
    return {
      name,
      dtype: dtype !== undefined && isNumeric(dtype) ? dtype : 'float32',
      dims: isFixed ? (dims as readonly number[]) : undefined,
      sizes: dims?.map((dim) => (typeof dim === 'number' ? dim : undefined)),
    }
  })
}
