/** Sizes as config files give them: products of fields and numbers, and sums of such products. */

/** A field, as a path (`text_config.hidden_size`), or a number; from `hidden_size/2` the second is a divisor. */
interface Factor {
  readonly of: string | number
  readonly divides: boolean
}

/** `3*n_head*head_dim`, `hidden_size/num_attention_heads`, `n_head*head_dim + 2*n_kv*head_dim`. */
export interface SizeExpression {
  readonly text: string
  readonly terms: readonly (readonly Factor[])[]
}

/** What a field is; undefined where nothing says it. */
export type SizeOf = (field: string) => number | undefined

/** Reads an expression; undefined where the text is none. */
export function parseSize(text: string): SizeExpression | undefined {
  const terms: Factor[][] = []
  for (const term of text.split('+')) {
    const factors: Factor[] = []
    for (const [i, part] of term.split(/([*/])/).entries()) {
      if (i % 2 === 1) continue
      const name = part.trim()
      const divides = i > 0 && term.split(/([*/])/)[i - 1] === '/'
      if (/^[1-9]\d{0,8}$/.test(name)) factors.push({ of: Number(name), divides })
      else if (/^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$/.test(name)) factors.push({ of: name, divides })
      else return undefined
    }
    terms.push(factors)
  }
  return { text: text.trim(), terms }
}

/** The fields of an expression, each once. */
export const fieldsOf = ({ terms }: SizeExpression): readonly string[] => [
  ...new Set(terms.flat().flatMap(({ of }) => (typeof of === 'string' ? [of] : []))),
]

/** The value of an expression; undefined where a field is not known or the result is no whole number. */
export function evaluate({ terms }: SizeExpression, sizeOf: SizeOf): number | undefined {
  let sum = 0
  for (const term of terms) {
    let product = 1
    for (const { of, divides } of term) {
      const value = typeof of === 'number' ? of : sizeOf(of)
      if (value === undefined) return undefined
      product = divides ? product / value : product * value
    }
    sum += product
  }
  return Number.isSafeInteger(sum) ? sum : undefined
}

/**
 * Whether a gather keeps the layout of an axis: each factor of a product that stays the same stays in its place, and
 * of each one that grows every new index copies one old index, wherever the others stand.
 *
 * @param index for each new place along the axis the old place that it copies
 */
export function keepsLayout(
  { terms }: SizeExpression,
  before: SizeOf,
  after: SizeOf,
  index: Uint32Array,
): boolean {
  const extents = (term: readonly Factor[], sizeOf: SizeOf) =>
    term.map(({ of }) => (typeof of === 'number' ? of : (sizeOf(of) ?? 0)))
  const product = (sizes: readonly number[]) => sizes.reduce((a, b) => a * b, 1)
  let at = 0
  let oldStart = 0
  for (const term of terms) {
    const old = extents(term, before)
    const next = extents(term, after)
    const maps = next.map(() => new Map<number, number>())
    const count = product(next)
    for (let i = 0; i < count; i++, at++) {
      const from = index[at]! - oldStart
      if (at >= index.length || from < 0 || from >= product(old)) return false
      let place = i
      let source = from
      for (let k = next.length - 1; k >= 0; k--) {
        const here = place % next[k]!
        const there = source % old[k]!
        place = Math.floor(place / next[k]!)
        source = Math.floor(source / old[k]!)
        if (old[k] === next[k] ? here !== there : (maps[k]!.get(here) ?? there) !== there)
          return false
        maps[k]!.set(here, there)
      }
    }
    oldStart += product(old)
  }
  return at === index.length
}
