/**
 * Sums over the first axes as a product with a row of ones. On large matrices ONNX Runtime's kernels for reductions take 0.16 to 2.6 ns an
 * element there, depending on the shape, and its product of a row and a matrix takes 0.07 to 0.3, and 1.2 for rows of three
 * (docs/lab/steps-of-any-network.md, "An eleventh round"). Along other axes the kernels are fast.
 */
import { elementCount } from '../../tensor/tensor.ts'
import type { Emitter } from '../contract/gradient.ts'
import { positionsOf } from './costs.ts'
import { isStatic } from './elements.ts'
import { filled, range, reshape } from './emission.ts'
import { castLike, formula } from './formula.ts'

/** With fewer elements, the nodes beside the product cost what it saves. */
const fewestElements = 4096

/**
 * The sum or mean of a value [a, b, …, d] over its first axes, with the rest of its axes; undefined where the kernel of the reduction is as fast, or
 * cannot be done without.
 *
 * @param count how many axes are summed over
 * @param weights for a sum: what each row is multiplied by, with the sizes of the first axes
 */
export function overFirstAxes(
  emitter: Emitter,
  kind: 'Sum' | 'Mean',
  value: string,
  count: number,
  weights?: string,
): string | undefined {
  const { dtype, shape = [] } = emitter.info(value)
  const [first, rest] = [shape.slice(0, count), shape.slice(count)]
  if (dtype !== 'float32' || count === 0 || rest.length === 0 || !isStatic(rest)) return undefined
  const width = elementCount(rest)
  const height = elementCount(first.map(positionsOf))
  if (width < 2 || height < 2 || width * height < fewestElements) return undefined
  const rows = shape.length === 2 ? value : reshape(emitter, value, [-1, width])
  const sizes = range(count).map((axis) => ({ of: value, axis }))
  const factors = weights ?? filled(emitter, sizes, 1)
  const isVector = weights === undefined && count === 1
  const sums = emitter.op('MatMul', [isVector ? factors : reshape(emitter, factors, [-1]), rows])
  const terms = () =>
    isStatic(first) ? elementCount(first) : castLike(emitter, emitter.op('Size', [factors]), value)
  const found = kind === 'Sum' ? sums : formula(emitter, sums).div(sums, terms())
  return rest.length === 1 ? found : reshape(emitter, found, rest)
}
