/**
 * Cells: the parts of a tensor for which it is decided one by one whether they hold copies of a unit
 * or shares of it. A cell takes one term of every concatenation: the columns of queries, keys and
 * values [q | k | v] are three cells, and so are the entries of an axis (q, k, v) that nodes pick by
 * index.
 *
 * A cell is known by its path: the numbers of the units that it is made of and of those that have been
 * bound to them since. Nodes pass paths on or shorten them, so that the parts of two tensors
 * belong together where their paths agree in all numbers that both tensors have.
 */
import { type Axis, partsOf, product, sum } from '../../operators/contract/axis.ts'
import { isFloat } from '../../tensor/dtype.ts'
import type { AxisAlgebra } from './unify.ts'
import type { ParameterUse } from './weights.ts'

/** Where a unit is in a tensor. */
interface Place {
  /** The numbers by which it was written on this axis, … */
  readonly written: readonly number[]
  /** … these and those that came after, … */
  readonly own: ReadonlySet<number>
  /** … and its numbers on the other axes that have it. */
  readonly elsewhere: ReadonlySet<number>
}

export interface Cell extends Place {
  /** The axis that the unit is a part of; undefined where that cannot be told. */
  readonly axis: number | undefined
  /** For a parameter several: its cells end with the unit, whatever comes behind it on the axis. */
  readonly paths: readonly ReadonlySet<number>[]
  /** All numbers of the tensor; for a parameter, of this axis. */
  readonly numbers: ReadonlySet<number>
  /** Set where it can only hold copies: why, as a verb phrase. */
  readonly onlyCopies?: string
  /** For a parameter: the use, and the path up to the unit. */
  readonly parameter?: { readonly use: ParameterUse; readonly prefix: string }
}

/** Beyond this a tensor is concatenated along too many axes to look at its parts. */
const MOST_CELLS = 4096

type Path = readonly number[]

export class CellAlgebra {
  readonly #algebra: AxisAlgebra

  constructor(algebra: AxisAlgebra) {
    this.#algebra = algebra
  }

  /** All numbers in the paths of an axis. */
  numbersOf(axis: Axis): ReadonlySet<number> {
    return new Set(this.#paths(axis).flat())
  }

  #paths(axis: Axis): readonly Path[] {
    const resolved = this.#algebra.resolve(axis)
    const own = axis.kind === 'unit' ? this.#algebra.lineage(axis.id) : []
    if (resolved.kind === 'unit') return [own]
    const parts =
      resolved.kind === 'sum'
        ? resolved.terms.flatMap((term) => this.#paths(term))
        : crossed(resolved.factors.map((factor) => this.#paths(factor)))
    return parts.map((path) => [...own, ...path])
  }

  /** The numbers of a unit in each part of an axis that is one: of itself and of those that it became. */
  #lineages(axis: Axis, unit: number): readonly (readonly number[])[] {
    const resolved = this.#algebra.resolve(axis)
    if (resolved.kind !== 'unit')
      return partsOf(resolved).flatMap((part) => this.#lineages(part, unit))
    if (resolved.id !== unit) return []
    return [axis.kind === 'unit' ? this.#algebra.lineage(axis.id) : [unit]]
  }

  /** The numbers of a unit on one of several axes, and on the others. */
  #place(axes: readonly Axis[], k: number, unit: number): Place {
    const own = this.#lineages(axes[k]!, unit)
    const others = axes.filter((_, i) => i !== k)
    return {
      written: own.map(([first]) => first!),
      own: new Set(own.flat()),
      elsewhere: new Set(others.flatMap((axis) => this.#lineages(axis, unit).flat())),
    }
  }

  /** The cells of a value in which a unit occurs. */
  ofValue(axes: readonly Axis[], unit: number): readonly Cell[] {
    const lists = axes.map((each) => this.#paths(each))
    const numbers = new Set(lists.flat(2))
    const size = lists.reduce((count, list) => count * list.length, 1)
    const cells = new Map<string, Cell>()
    axes.forEach((each, axis) => {
      if (!this.#algebra.leaves(each).includes(unit)) return
      const place = this.#place(axes, axis, unit)
      const isHidden = [...place.own].every((number) => place.elsewhere.has(number))
      if (isHidden || size > MOST_CELLS) {
        const onlyCopies = isHidden ? 'has it on two axes' : 'concatenates too many parts'
        cells.set('', { axis: undefined, paths: [numbers], numbers, ...place, onlyCopies })
        return
      }
      const rests = crossed(lists.filter((_, k) => k !== axis))
      for (const own of lists[axis]!) {
        const count = own.filter((number) => number === unit).length
        if (count === 0) continue
        for (const rest of rests) {
          const path = new Set([...own, ...rest])
          const key = [axis, ...[...path].sort((a, b) => a - b)].join()
          // Equal parts, as in x + x, count as one: both hold copies or both hold shares.
          cells.set(key, { axis, paths: [path], numbers, ...place, ...(count > 1 && twice) })
        }
      }
    })
    return [...cells.values()]
  }

  /** The cells of a parameter in which a unit occurs. */
  ofParameter(use: ParameterUse, unit: number): readonly Cell[] {
    return use.axes.flatMap((own, axis) => {
      if (!this.#algebra.leaves(own).includes(unit)) return []
      const place = this.#place(use.axes, axis, unit)
      const paths = this.#paths(own)
      const numbers = new Set(paths.flat())
      const cells = new Map<string, Path[]>()
      for (const path of paths) {
        if (!path.includes(unit)) continue
        const prefix = path.slice(0, path.indexOf(unit) + 1).join()
        cells.set(prefix, [...(cells.get(prefix) ?? []), path])
      }
      return [...cells].map(([prefix, list]): Cell => {
        const isTwice = list.some((path) => path.indexOf(unit) !== path.lastIndexOf(unit))
        return {
          axis,
          paths: list.map((path) => new Set(path)),
          numbers,
          ...place,
          parameter: { use, prefix },
          ...(isTwice && twice),
          ...(use.summed[axis] && { onlyCopies: `sums over it in the weight "${use.name}"` }),
          ...(!isFloat(use.tensor.dtype) && {
            onlyCopies: `reads "${use.name}", which has no fractions`,
          }),
        }
      })
    })
  }

  /**
   * An axis of a parameter in terms of free units, those marked whose path up to them is among the
   * prefixes. Products are multiplied out as far as the parts differ: (a + b)·c = a·c + b·c.
   */
  marked(axis: Axis, prefixes: ReadonlySet<string>): Axis {
    return this.#mark([axis], [], prefixes)
  }

  #mark(factors: readonly Axis[], prefix: Path, prefixes: ReadonlySet<string>): Axis {
    const [first, ...rest] = factors
    if (first === undefined) return product([])
    const resolved = this.#algebra.resolve(first)
    const own = first.kind === 'unit' ? [...prefix, ...this.#algebra.lineage(first.id)] : prefix
    if (resolved.kind === 'product')
      return this.#mark([...resolved.factors, ...rest], own, prefixes)
    if (resolved.kind === 'sum') {
      const terms = resolved.terms.map((term) => this.#mark([term, ...rest], own, prefixes))
      return sum(terms)
    }
    const marked = prefixes.has(own.join()) ? { ...resolved, shares: true as const } : resolved
    return product([marked, this.#mark(rest, own, prefixes)])
  }
}

const twice = { onlyCopies: 'has it twice on one axis' } as const

/** Every way to take one path of each list, the first list's slowest. */
const crossed = (lists: readonly (readonly Path[])[]): readonly Path[] =>
  lists.reduce<readonly Path[]>(
    (heads, list) => heads.flatMap((head) => list.map((path) => [...head, ...path])),
    [[]],
  )

/** Is the unit on this axis there, or may it be? */
export const isOnAxis = (cell: Cell, axis: number): boolean =>
  cell.axis === undefined || cell.axis === axis

/**
 * Do the cell of a node's input and that of its output belong together? In all numbers that both
 * tensors have but the ones left out; and where the unit is on several axes, the output's was written as
 * what the input's had become.
 */
export function agree(input: Cell, output: Cell, without: ReadonlySet<number>): boolean {
  const isOnOneAxis = input.elsewhere.size === 0 && output.elsewhere.size === 0
  if (!isOnOneAxis && !output.written.some((number) => input.own.has(number))) return false
  return agreeInNumbers(input, output, without)
}

/** The same of cells that are known to be on the same axis. */
export function agreeInNumbers(a: Cell, b: Cell, without: ReadonlySet<number>): boolean {
  const common = [...a.numbers].filter((number) => b.numbers.has(number) && !without.has(number))
  return a.paths.some((p) =>
    b.paths.some((q) => common.every((number) => p.has(number) === q.has(number))),
  )
}
