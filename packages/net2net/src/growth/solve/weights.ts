/**
 * Weights: constants, and what nodes compute from constants alone (a transposed weight, a masked or
 * normalized one, a product of low rank). Which of the constants takes the shares of a unit is decided
 * with all other shares (shares.ts); here is what they are.
 */
import type { Node } from '../../model/model.ts'
import type { Axis } from '../../operators/contract/axis.ts'
import { isFloat } from '../../tensor/dtype.ts'
import { elementCount, type LazyTensor } from '../../tensor/tensor.ts'
import type { AxisAlgebra } from './unify.ts'

/** One reading of a constant: its axes are its own, whatever other readers do with it. */
export interface ParameterUse {
  /** The initializer, or the output of the Constant node. */
  readonly name: string
  readonly tensor: LazyTensor
  readonly node: Node
  readonly input: number
  readonly axes: readonly Axis[]
  /** Which axes are summed over (their slices take shares); the others are carried. */
  readonly summed: boolean[]
}

/** The elements of one constant, moved; computed from constants; computed with a product of two. */
export type WeightForm = 'moved' | 'computed' | 'product'

export class Weights {
  readonly #algebra: AxisAlgebra
  /** By value: the constants that it is computed from. */
  readonly #uses = new Map<string, ReadonlySet<ParameterUse>>()
  readonly #forms = new Map<string, WeightForm>()
  readonly #ties = new Map<ParameterUse, ReadonlySet<ParameterUse>>()

  constructor(algebra: AxisAlgebra) {
    this.#algebra = algebra
  }

  /** Does the value depend on nothing that the network is given? */
  isFixed(name: string): boolean {
    return this.#uses.has(name)
  }

  /** Is the value computed from constants? (Others may be filled with a number, or with sizes.) */
  has(name: string): boolean {
    return this.usesIn(name).size > 0
  }

  usesIn(name: string): ReadonlySet<ParameterUse> {
    return this.#uses.get(name) ?? none
  }

  /** Of a value computed from constants: the name of the largest (of v rather than g in g·v/‖v‖). */
  largestIn(name: string): string | undefined {
    const uses = [...this.usesIn(name)]
    const floats = uses.filter(({ tensor }) => isFloat(tensor.dtype))
    const candidates = floats.length > 0 ? floats : uses
    const sizes = candidates.map(({ tensor }) => elementCount(tensor.dims))
    return candidates[sizes.indexOf(Math.max(...sizes))]?.name
  }

  /** The uses of the same constant in the same weight: what one takes, all take. */
  tiedTo(use: ParameterUse): ReadonlySet<ParameterUse> {
    return this.#ties.get(use) ?? new Set([use])
  }

  formOf(name: string): WeightForm {
    return this.#forms.get(name) ?? 'moved'
  }

  /** Takes note of a value and of the uses of constants that it is computed from. */
  add(name: string, uses: ReadonlySet<ParameterUse>, form: WeightForm): void {
    this.#uses.set(name, uses)
    this.#forms.set(name, form)
    const byName = new Map<string, ParameterUse>()
    for (const use of uses) {
      const first = byName.get(use.name)
      if (first) this.#tie(first, use)
      else byName.set(use.name, use)
    }
  }

  #tie(a: ParameterUse, b: ParameterUse): void {
    if (this.tiedTo(a).has(b)) return
    const tied = new Set([...this.tiedTo(a), ...this.tiedTo(b)])
    for (const use of tied) this.#ties.set(use, tied)
    a.axes.forEach((axis, k) => {
      this.#algebra.same(axis, b.axes[k]!)
    })
  }
}

const none: ReadonlySet<ParameterUse> = new Set()
