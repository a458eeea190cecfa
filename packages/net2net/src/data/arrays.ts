/** Named arrays (an NPZ file) as data sets. */
import { inputError, mustBeOneOf, usageError } from '../errors.ts'
import { float32, type NumericDType, type Tensor, toNumbers } from '../tensor/tensor.ts'
import {
  type ChannelLayout,
  channelLayouts,
  movedDims,
  movedElements,
  mustMove,
} from './channel-layout.ts'
import { type TargetKind, targetKinds } from './classes.ts'
import { ArrayDataset, type Column } from './dataset.ts'
import type { ModelInput } from './model-input.ts'

export const targetNames = ['y', 'target', 'targets', 'label', 'labels']

export interface ArraysOptions {
  /** What integers in the target mean; default `class`. */
  readonly targetKind?: TargetKind | undefined
  /**
   * The array that says how much each sample counts, or each of its predictions: 0 masks it out. `weights` is that of `weights_train`, too.
   * Default: all the same.
   */
  readonly weights?: string | undefined
  /**
   * Where the channels of the samples are, where that is not where the model has them: they are moved, in targets and weights of as many
   * axes, too. Default: arrays stay as they are.
   */
  readonly layout?: ChannelLayout | undefined
  /** What the model takes: inputs that have its shape already stay as they are. */
  readonly inputs?: readonly ModelInput[] | undefined
}

/** The arrays of one part of the data, by what they are. */
interface Part<A> {
  readonly inputs: readonly (readonly [name: string, array: A])[]
  readonly target: A
  readonly weights: A | undefined
  /** The layout that these arrays are moved out of, each sample on its own. */
  readonly moved: ReadonlyMap<A, ChannelLayout>
}

type Sized = Pick<Tensor, 'dims'>

/**
 * Which of the arrays, whose first axis is the sample, are inputs and which targets, by their names.
 *
 * @throws input where there is no target, or the arrays differ in length
 */
export function arrangeArrays<A extends Sized>(
  arrays: ReadonlyMap<string, A>,
  source: string,
  options: ArraysOptions,
): { readonly train: Part<A>; readonly test?: Part<A> } {
  if (options.targetKind) mustBeOneOf('targetKind', options.targetKind, targetKinds)
  if (options.layout) mustBeOneOf('layout', options.layout, channelLayouts)
  for (const [name, array] of arrays) {
    const { dims } = Object(array) as Partial<Sized>
    if (!Array.isArray(dims)) throw usageError(`The array ${name} must be a Tensor.`)
    if (dims.length === 0 || dims.includes(0))
      throw inputError(`${source}: the array ${name} of shape [${dims}] holds no samples.`)
  }
  const part = (suffix: string) => partOf(arrays, suffix, source, options)
  const train = part('_train')
  const test = part('_test') ?? part('_val')
  if (train) return test ? { train, test } : { train }
  const all = part('')
  if (!all) throw inputError(`${source} holds no arrays.`)
  return { train: all }
}

function partOf<A extends Sized>(
  arrays: ReadonlyMap<string, A>,
  suffix: string,
  source: string,
  options: ArraysOptions,
): Part<A> | undefined {
  const { weights } = options
  const own = new Map(
    [...arrays]
      .filter(([name]) => name.endsWith(suffix))
      .map(([name, array]) => [name.slice(0, name.length - suffix.length), array]),
  )
  if (own.size === 0) return undefined
  const target = targetNames.find((name) => own.has(name))
  const inputs = [...own].filter(([name]) => name !== target && name !== weights)
  if (target === undefined || inputs.length === 0)
    throw inputError(
      `${source} needs inputs and a target: arrays x and y, or x_train, y_train, x_test and y_test; it has ${[...arrays.keys()].join(', ')}.`,
    )
  if (weights !== undefined && !own.has(weights))
    throw inputError(
      `${source} has no array ${weights}${suffix} of weights; it has ${[...arrays.keys()].join(', ')}.`,
    )
  for (const [name, array] of own)
    if (array.dims[0] !== own.get(target)!.dims[0])
      throw inputError(
        `${source}: the arrays ${name} and ${target} have ${array.dims[0]} and ${own.get(target)!.dims[0]} samples.`,
      )
  const part = {
    inputs,
    target: own.get(target)!,
    weights: weights === undefined ? undefined : own.get(weights),
  }
  return { ...part, moved: movedOf(part, options) }
}

/** Which arrays do not have the model's layout. */
function movedOf<A extends Sized>(
  { inputs, target, weights }: Omit<Part<A>, 'moved'>,
  { layout, inputs: known = [] }: ArraysOptions,
): Part<A>['moved'] {
  const moved = new Map<A, ChannelLayout>()
  if (layout === undefined) return moved
  for (const [name, array] of inputs) {
    const taken = inputs.length === 1 && known.length === 1 ? known[0] : undefined
    const { sizes } = taken ?? known.find((input) => input.name === name) ?? {}
    if (mustMove(array.dims.slice(1), layout, sizes)) moved.set(array, layout)
  }
  const axes = new Set([...moved.keys()].map(({ dims }) => dims.length))
  for (const array of [target, weights])
    if (array && array.dims.length > 2 && axes.has(array.dims.length)) moved.set(array, layout)
  return moved
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
  const { train, test } = arrangeArrays(arrays, source, options)
  const dataset = ({ inputs, target, weights, moved }: Part<Tensor>) => {
    const column = (tensor: Tensor, form: ColumnForm) =>
      inLayout(columnOf(tensor, form), moved.get(tensor))
    return new ArrayDataset(
      Object.fromEntries(inputs.map(([name, tensor]) => [name, column(tensor, inputForm)])),
      column(target, targetForm(options.targetKind)),
      undefined,
      { weights: weights && column(weights, weightsForm) },
    )
  }
  return test ? { train: dataset(train), test: dataset(test) } : { train: dataset(train) }
}

const inLayout = (column: Column, from: ChannelLayout | undefined): Column =>
  from === undefined
    ? column
    : {
        ...column,
        dims: movedDims(column.dims, from),
        data: movedElements(column.data, column.dims, from),
      }

/** How the elements of an array arrive in batches. */
export type ColumnForm = (
  array: Pick<Tensor, 'dims'> & { readonly dtype: NumericDType },
) => Omit<Column, 'data'>

export const inputForm: ColumnForm = ({ dtype, dims }) => {
  const row = dims.slice(1)
  if (dtype === 'uint8') return { dtype: 'float32', dims: row, divisor: 255 }
  return { dtype: isFloat(dtype) ? 'float32' : dtype, dims: row }
}

export const targetForm =
  (kind: TargetKind = 'class'): ColumnForm =>
  ({ dtype, dims }) =>
    !isFloat(dtype) && kind === 'class'
      ? { dtype: 'int32', dims: dims.slice(1) }
      : { dtype: 'float32', dims: dims.length === 1 ? [1] : dims.slice(1) }

export const weightsForm: ColumnForm = ({ dims }) => ({ dtype: 'float32', dims: dims.slice(1) })

const isFloat = (dtype: NumericDType) => ['float16', 'float32', 'float64'].includes(dtype)

function columnOf(tensor: Tensor, form: ColumnForm): Column {
  return { ...form(tensor), data: withoutHalf(tensor).data }
}

/** Half precision is stored as bit patterns, which no arithmetic of JavaScript reads. */
const withoutHalf = (tensor: Tensor): Tensor =>
  tensor.dtype === 'float16' ? float32(tensor.dims, toNumbers(tensor)) : tensor
