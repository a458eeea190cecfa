/** The sizes of a reshaped value when those of what is reshaped change. */
import type { Dim, Shape } from '../../model/model.ts'
import { productOf, quotient } from '../../operators/helpers/dims.ts'

/** What a list of sizes has become that is a changed product taken apart; undefined where that cannot be told. */
type Become = (sizes: readonly Dim[], product: Dim) => readonly number[] | undefined

/**
 * The sizes of a reshaped value. Row-major order takes both shapes apart into blocks of equal products: a block of which
 * no size changes stays; one that becomes a single axis has the product; one that is taken apart needs `become`.
 */
export function regrouped(
  old: Shape,
  now: Shape,
  target: Shape,
  become: Become,
): Shape | undefined {
  const result: Dim[] = []
  let [i, k] = [0, 0]
  while (i < old.length || k < target.length) {
    let [iEnd, kEnd] = [Math.min(i + 1, old.length), Math.min(k + 1, target.length)]
    for (;;) {
      const [from, to] = [old.slice(i, iEnd), target.slice(k, kEnd)]
      const ratio = quotient(from, to)
      if (ratio === 1) break
      const [a, b] = [productOf(from), productOf(to)]
      const isLess = typeof a === 'number' && typeof b === 'number' ? a < b : ratio === null
      if (isLess && iEnd < old.length) iEnd++
      else if (!isLess && kEnd < target.length) kEnd++
      else return undefined
    }
    // Ones at the end belong to the last block.
    const isRest = (dims: Shape) => dims.every((dim) => dim === 1)
    if (iEnd === old.length && isRest(target.slice(kEnd))) kEnd = target.length
    if (kEnd === target.length && isRest(old.slice(iEnd))) iEnd = old.length
    const block = regroupedBlock(
      old.slice(i, iEnd),
      now.slice(i, iEnd),
      target.slice(k, kEnd),
      become,
    )
    if (!block) return undefined
    result.push(...block)
    ;[i, k] = [iEnd, kEnd]
  }
  return result
}

function regroupedBlock(old: Shape, now: Shape, target: Shape, become: Become): Shape | undefined {
  if (String(old) === String(now)) return target
  const product = productOf(now)
  // What has changed and looks as before could not be told from what has not.
  if (product === productOf(old)) return undefined
  if (old.length === target.length && old.length === 1) return now
  const places = [...target.keys()].filter((k) => target[k] !== 1)
  if (target.length === 1) return [product]
  const sizes =
    places.length === 1
      ? [product]
      : become(
          places.map((k) => target[k]!),
          product,
        )
  return sizes && target.map((size, k) => (places.includes(k) ? sizes[places.indexOf(k)]! : size))
}
