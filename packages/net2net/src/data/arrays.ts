/** Named arrays (an NPZ file) as data sets. */
import { inputError, mustBeOneOf, usageError } from '../errors.ts'
import { float32, type Tensor, toNumbers } from '../tensor/tensor.ts'
import { type TargetKind, targetKinds } from './classes.ts'
import { ArrayDataset, type Column } from './dataset.ts'

export const targetNames = ['y', 'target', 'targets', 'label', 'labels']

export interface ArraysOptions {
  /** What integers in the target mean; default `class`. */
  readonly targetKind?: TargetKind | undefined
}

/**
 * Arrays whose first axis is the sample. Names are Keras's: `x_train`, `y_train`, `x_test`,
 * `y_test`, or plainly `x` and `y`; the target may also be called `target` or `labels`, and
 * several inputs have several names. Bytes of an input are divided by 255.
 *
 * @throws input where there is no target, or the arrays differ in length
 */
export function datasetOfArrays(
  arrays: ReadonlyMap<string, Tensor>,
  source = 'The data',
  options: ArraysOptions = {},
): { readonly train: ArrayDataset; readonly test?: ArrayDataset } {
  if (options.targetKind) mustBeOneOf('targetKind', options.targetKind, targetKinds)
  const part = (suffix: string): ArrayDataset | undefined => {
    const own = new Map(
      [...arrays]
        .filter(([name]) => name.endsWith(suffix))
        .map(([name, tensor]) => [name.slice(0, name.length - suffix.length), tensor]),
    )
    if (own.size === 0) return undefined
    const target = targetNames.find((name) => own.has(name))
    if (target === undefined || own.size < 2)
      throw inputError(
        `${source} needs inputs and a target: arrays x and y, or x_train, y_train, x_test and y_test; it has ${[...arrays.keys()].join(', ')}.`,
      )
    const inputs = [...own].filter(([name]) => name !== target)
    for (const [name, tensor] of own)
      if (tensor.dims[0] !== own.get(target)!.dims[0])
        throw inputError(
          `${source}: the arrays ${name} and ${target} have ${tensor.dims[0]} and ${own.get(target)!.dims[0]} samples.`,
        )
    return new ArrayDataset(
      Object.fromEntries(inputs.map(([name, tensor]) => [name, inputColumn(tensor)])),
      targetColumn(own.get(target)!, options.targetKind ?? 'class'),
    )
  }
  for (const [name, tensor] of arrays) {
    const { dims } = Object(tensor) as Partial<Tensor>
    if (!Array.isArray(dims)) throw usageError(`The array ${name} must be a Tensor.`)
    if (dims.length === 0 || dims.includes(0))
      throw inputError(`${source}: the array ${name} of shape [${dims}] holds no samples.`)
  }
  const train = part('_train')
  const test = part('_test') ?? part('_val')
  if (train) return test ? { train, test } : { train }
  return { train: part('') ?? missing(source) }
}

function missing(source: string): never {
  throw inputError(`${source} holds no arrays.`)
}

function inputColumn(tensor: Tensor): Column {
  const { dtype, dims, data } = withoutHalf(tensor)
  const row = dims.slice(1)
  if (dtype === 'uint8') return { dtype: 'float32', dims: row, data, divisor: 255 }
  if (dtype === 'float64') return { dtype: 'float32', dims: row, data }
  return { dtype, dims: row, data }
}

function targetColumn(tensor: Tensor, kind: TargetKind): Column {
  const { dtype, dims, data } = withoutHalf(tensor)
  const float = dtype === 'float32' || dtype === 'float64'
  if (!float && kind === 'class') return { dtype: 'int32', dims: dims.slice(1), data }
  return { dtype: 'float32', dims: dims.length === 1 ? [1] : dims.slice(1), data }
}

/** Half precision is stored as bit patterns, which no arithmetic of JavaScript reads. */
const withoutHalf = (tensor: Tensor): Tensor =>
  tensor.dtype === 'float16' ? float32(tensor.dims, toNumbers(tensor)) : tensor
