/** Sizes of axes as polynomials in the sizes of their units, which say more than numbers. */
import { type Axis, type AxisVariable, partsOf } from './axis.ts'

/** The units of an axis, by id. */
export function unitsOf(
  axis: Axis,
  into = new Map<number, AxisVariable>(),
): Map<number, AxisVariable> {
  if (axis.kind === 'variable') into.set(axis.id, axis)
  else for (const part of partsOf(axis)) unitsOf(part, into)
  return into
}

/**
 * The size as a polynomial over units, spelled canonically: two axes with one key have the same size
 * whatever grows. `constants`: units that count as the number that they are.
 */
export function sizeKey(axis: Axis, constants: ReadonlyMap<number, number>): string {
  const terms = [...polynomial(axis, constants)].filter(([, count]) => count !== 0)
  return terms
    .map(([units, count]) => `${count}*${units}`)
    .sort()
    .join('+')
}

type Polynomial = ReadonlyMap<string, number>

function polynomial(axis: Axis, constants: ReadonlyMap<number, number>): Polynomial {
  switch (axis.kind) {
    case 'variable': {
      const size = constants.get(axis.id)
      return size === undefined ? new Map([[`${axis.id}`, 1]]) : new Map([['', size]])
    }
    case 'sum': {
      const total = new Map<string, number>()
      for (const term of axis.terms)
        for (const [units, count] of polynomial(term, constants))
          total.set(units, (total.get(units) ?? 0) + count)
      return total
    }
    case 'product':
      return axis.factors
        .map((factor) => polynomial(factor, constants))
        .reduce(multiply, new Map([['', 1]]))
  }
}

function multiply(a: Polynomial, b: Polynomial): Polynomial {
  const result = new Map<string, number>()
  for (const [x, m] of a)
    for (const [y, n] of b) {
      const units = [...x.split('.'), ...y.split('.')].filter((unit) => unit !== '')
      const key = units.sort().join('.')
      result.set(key, (result.get(key) ?? 0) + m * n)
    }
  return result
}
