/**
 * Arithmetic of dimensions. Products of symbols and numbers are symbols again, in one canonical
 * spelling (`8*batch`), so that what a Reshape joined another one can take apart.
 */
import type { Dim, Shape } from '../../model/model.ts'

/** Are both shapes known, and the same whatever their symbols stand for? */
export const areSame = (a: Shape | undefined, b: Shape | undefined): boolean =>
  a?.length === b?.length && a?.every((dim, k) => dim !== null && dim === b![k]) === true

/** A product: a number times symbols, these in alphabetical order. */
interface Monomial {
  readonly count: number
  readonly symbols: readonly string[]
}

/** undefined where a part is not known at all, or is a number that no size can be. */
function monomialOf(dims: readonly Dim[]): Monomial | undefined {
  let count = 1
  const symbols: string[] = []
  for (const dim of dims) {
    if (dim === null || (typeof dim === 'number' && !(Number.isInteger(dim) && dim >= 0)))
      return undefined
    if (typeof dim === 'number') count *= dim
    else
      for (const factor of dim.split('*'))
        if (/^\d+$/.test(factor)) count *= Number(factor)
        else symbols.push(factor)
  }
  return { count, symbols: symbols.sort() }
}

/** No size is a product of so many symbols, or so large: what is, is not followed. */
const MOST_SYMBOLS = 64

function dimOf({ count, symbols }: Monomial): Dim {
  if (symbols.length > MOST_SYMBOLS || count > Number.MAX_SAFE_INTEGER) return null
  if (symbols.length === 0) return count
  return count === 1 ? symbols.join('*') : [count, ...symbols].join('*')
}

/** The product of sizes; null where a part is not known. */
export function productOf(dims: readonly Dim[]): Dim {
  if (dims.includes(0)) return 0
  const product = monomialOf(dims)
  return product ? dimOf(product) : null
}

/** The size by which the product of `parts` becomes that of `whole`; null where there is none. */
export function quotient(whole: readonly Dim[], parts: readonly Dim[]): Dim {
  const [dividend, divisor] = [monomialOf(whole), monomialOf(parts)]
  if (!dividend || !divisor || divisor.count === 0 || dividend.count % divisor.count !== 0)
    return null
  const symbols = [...dividend.symbols]
  for (const symbol of divisor.symbols) {
    const at = symbols.indexOf(symbol)
    if (at < 0) return null
    symbols.splice(at, 1)
  }
  return dimOf({ count: dividend.count / divisor.count, symbols })
}

/** Sizes for a message; of a long list, which is no shape, what it begins with. */
export const shown = (shape: Shape): readonly (Dim | '…')[] =>
  shape.length > 8 ? [...shape.slice(0, 8), '…'] : shape
