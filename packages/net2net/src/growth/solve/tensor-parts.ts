/**
 * Tensor parts: the parts of a tensor for which it is decided one by one whether they are split or
 * copied along a variable. A part takes one term of every concatenation: the columns of queries, keys and
 * values [q | k | v] are three parts, and so are the entries of an axis (q, k, v) that nodes select by
 * index.
 *
 * A part is known by its path: the numbers of the variables that it is made of and of those that have been
 * bound to them since. Nodes pass paths on or shorten them, so that the parts of two tensors
 * belong together where their paths agree in all numbers that both tensors have.
 */
import { type Axis, partsOf, product, sum } from '../../operators/contract/axis.ts'
import type { SolvedAxes } from './axis-system.ts'
import type { Reading } from './facts.ts'
import type { ReadingAxes } from './rule-context.ts'

/** Where a variable is in a tensor. */
interface Place {
  /** The numbers by which it was written on this axis, … */
  readonly written: readonly number[]
  /** … these and those that came after, … */
  readonly own: ReadonlySet<number>
  /** … and its numbers on the other axes that have it. */
  readonly elsewhere: ReadonlySet<number>
}

export interface TensorPart extends Place {
  /** The axis that the variable is a part of; undefined where that cannot be told. */
  readonly axis: number | undefined
  /** Several for a constant: its parts end with the variable, whatever comes behind it on the axis. */
  readonly paths: readonly ReadonlySet<number>[]
  /** All numbers of the tensor; for a constant, of this axis. */
  readonly numbers: ReadonlySet<number>
  /** Set where it cannot be split: why, as a verb phrase. */
  readonly onlyCopied?: string
  /** Set for a part of a constant: the path up to the variable. */
  readonly constant?: { readonly reading: Reading; readonly prefix: string }
}

/** Beyond this a tensor is concatenated along too many axes to look at its parts. */
const MOST_PARTS = 4096

type Path = readonly number[]

export class TensorParts {
  readonly #axes: SolvedAxes

  constructor(axes: SolvedAxes) {
    this.#axes = axes
  }

  /** All numbers in the paths of an axis. */
  numbersOf(axis: Axis): ReadonlySet<number> {
    return new Set(this.#paths(axis).flat())
  }

  /** None for an axis that has too many: it does not grow. */
  #paths(axis: Axis): readonly Path[] {
    return this.#axes.isIntricate(axis) ? [] : this.#pathsOf(axis)
  }

  #pathsOf(axis: Axis): readonly Path[] {
    const resolved = this.#axes.resolve(axis)
    const own = axis.kind === 'variable' ? this.#axes.lineage(axis.id) : []
    if (resolved.kind === 'variable') return [own]
    const paths =
      resolved.kind === 'sum'
        ? resolved.terms.flatMap((term) => this.#pathsOf(term))
        : crossed(resolved.factors.map((factor) => this.#pathsOf(factor)))
    return paths.map((path) => [...own, ...path])
  }

  /** The numbers of a variable in each place where an axis has it: its own, and those that it became. */
  #lineages(axis: Axis, variable: number): readonly (readonly number[])[] {
    const resolved = this.#axes.resolve(axis)
    if (resolved.kind !== 'variable')
      return partsOf(resolved).flatMap((part) => this.#lineages(part, variable))
    if (resolved.id !== variable) return []
    return [axis.kind === 'variable' ? this.#axes.lineage(axis.id) : [variable]]
  }

  /** The numbers of a variable on one of several axes, and on the others. */
  #place(axes: readonly Axis[], k: number, variable: number): Place {
    const has = (axis: Axis) => this.#axes.leaves(axis).includes(variable)
    const own = this.#lineages(axes[k]!, variable)
    const others = axes.filter((axis, i) => i !== k && has(axis))
    return {
      written: own.map(([first]) => first!),
      own: new Set(own.flat()),
      elsewhere: new Set(others.flatMap((axis) => this.#lineages(axis, variable).flat())),
    }
  }

  /** The parts of a value in which a variable occurs. */
  ofValue(axes: readonly Axis[], variable: number): readonly TensorPart[] {
    const lists = axes.map((each) => this.#paths(each))
    const numbers = new Set(lists.flat(2))
    const size = lists.reduce((count, list) => count * list.length, 1)
    const found = new Map<string, TensorPart>()
    axes.forEach((each, axis) => {
      if (!this.#axes.leaves(each).includes(variable)) return
      const place = this.#place(axes, axis, variable)
      const isHidden = [...place.own].every((number) => place.elsewhere.has(number))
      if (isHidden || size > MOST_PARTS || size === 0) {
        const onlyCopied = isHidden ? 'has it on two axes' : 'concatenates too many parts'
        found.set('', { axis: undefined, paths: [numbers], numbers, ...place, onlyCopied })
        return
      }
      const rests = crossed(lists.filter((_, k) => k !== axis))
      for (const own of lists[axis]!) {
        const count = own.filter((number) => number === variable).length
        if (count === 0) continue
        for (const rest of rests) {
          const path = new Set([...own, ...rest])
          const key = [axis, ...[...path].sort((a, b) => a - b)].join()
          // Equal parts, as in x + x, count as one: both are copied or both are split.
          found.set(key, { axis, paths: [path], numbers, ...place, ...(count > 1 && twice) })
        }
      }
    })
    return [...found.values()]
  }

  /** The parts of a constant in which a variable occurs. */
  ofConstant(
    reading: Reading,
    { axes, contracted }: ReadingAxes,
    variable: number,
  ): readonly TensorPart[] {
    const { name } = reading
    return axes.flatMap((own, axis) => {
      if (!this.#axes.leaves(own).includes(variable)) return []
      const place = this.#place(axes, axis, variable)
      const paths = this.#paths(own)
      const numbers = new Set(paths.flat())
      const byPrefix = new Map<string, Path[]>()
      for (const path of paths) {
        if (!path.includes(variable)) continue
        const prefix = path.slice(0, path.indexOf(variable) + 1).join()
        byPrefix.set(prefix, [...(byPrefix.get(prefix) ?? []), path])
      }
      return [...byPrefix].map(([prefix, list]): TensorPart => {
        const isTwice = list.some((path) => path.indexOf(variable) !== path.lastIndexOf(variable))
        return {
          axis,
          paths: list.map((path) => new Set(path)),
          numbers,
          ...place,
          constant: { reading, prefix },
          ...(isTwice && twice),
          ...(contracted[axis] && { onlyCopied: `sums over it in the weight "${name}"` }),
        }
      })
    })
  }

  /**
   * An axis of a constant in terms of free variables, those marked whose path up to them is among the
   * prefixes. Products are multiplied out as far as the parts differ: (a + b)·c = a·c + b·c.
   */
  marked(axis: Axis, prefixes: ReadonlySet<string>): Axis {
    return this.#mark([axis], [], prefixes)
  }

  #mark(factors: readonly Axis[], prefix: Path, prefixes: ReadonlySet<string>): Axis {
    const [first, ...rest] = factors
    if (first === undefined) return product([])
    const resolved = this.#axes.resolve(first)
    const own = first.kind === 'variable' ? [...prefix, ...this.#axes.lineage(first.id)] : prefix
    if (resolved.kind === 'product')
      return this.#mark([...resolved.factors, ...rest], own, prefixes)
    if (resolved.kind === 'sum') {
      const terms = resolved.terms.map((term) => this.#mark([term, ...rest], own, prefixes))
      return sum(terms)
    }
    const marked = prefixes.has(own.join()) ? { ...resolved, split: true as const } : resolved
    return product([marked, this.#mark(rest, own, prefixes)])
  }
}

const twice = { onlyCopied: 'has it twice on one axis' } as const

/** Every way to take one path of each list, the first list's slowest. */
const crossed = (lists: readonly (readonly Path[])[]): readonly Path[] =>
  lists.reduce<readonly Path[]>(
    (heads, list) => heads.flatMap((head) => list.map((path) => [...head, ...path])),
    [[]],
  )

/** Is the variable on this axis there, or may it be? */
export const isOnAxis = (part: TensorPart, axis: number): boolean =>
  part.axis === undefined || part.axis === axis

/**
 * Do the part of a node's input and that of its output belong together? In all numbers that both
 * tensors have but the ones left out; and where the variable is on several axes, the output's was written as
 * what the input's had become.
 */
export function agree(
  input: TensorPart,
  output: TensorPart,
  without: ReadonlySet<number>,
): boolean {
  const isOnOneAxis = input.elsewhere.size === 0 && output.elsewhere.size === 0
  if (!isOnOneAxis && !output.written.some((number) => input.own.has(number))) return false
  return agreeInNumbers(input, output, without)
}

/** The same of parts that are known to be on the same axis. */
export function agreeInNumbers(
  a: TensorPart,
  b: TensorPart,
  without: ReadonlySet<number>,
): boolean {
  const common = [...a.numbers].filter((number) => b.numbers.has(number) && !without.has(number))
  return a.paths.some((p) =>
    b.paths.some((q) => common.every((number) => p.has(number) === q.has(number))),
  )
}
