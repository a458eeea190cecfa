/** The solver's answers to the axes rule of one node, and a record of what the rule did. */
import { intAttribute, intsAttribute } from '../../model/attributes.ts'
import type { Dim, Node, Shape } from '../../model/model.ts'
import type {
  AxesContext,
  AxisElement,
  ElementOrigin,
  FactorAxis,
} from '../../operators/contract/axes.ts'
import type { Axis } from '../../operators/contract/axis.ts'
import type { ValueInfo } from '../../operators/contract/infer.ts'
import { followSizeElement } from '../../operators/helpers/axis-elements.ts'
import { constantElements, elementsOf } from '../../operators/helpers/elements.ts'
import type { DType } from '../../tensor/dtype.ts'
import type { LazyTensor } from '../../tensor/tensor.ts'
import type { HeldValue } from './held-value.ts'
import { regroup, type Target } from './regroup.ts'
import type { AxisAlgebra } from './unify.ts'
import type { ParameterUse, Weights } from './weights.ts'

/** A sum over an axis. */
export interface Contraction {
  readonly node: Node
  readonly axis: Axis
  /** Axes of computed values of which one must hold shares; undefined where a constant takes them. */
  readonly factors?: readonly FactorAxis[]
  /** What the node does, for messages. */
  readonly does: string
}

/** A node that reads one entry of an axis alone. */
export interface PickedEntry {
  readonly node: Node
  readonly entry: Axis
}

/** An element of an integer constant that is the size of an axis. */
export interface SizeRelation {
  readonly origin: ElementOrigin
  readonly value: number
  readonly axis: Axis
  readonly node: Node
}

/** A node attribute that is the size of an axis. */
export interface AttributeRelation {
  readonly node: Node
  readonly attribute: string
  readonly index?: number
  readonly value: number
  readonly axis: Axis
}

/** How a plan knows a node: by its first output. */
export const nodeKey = (node: Node): string => node.outputs.find((output) => output !== '') ?? ''

/** Thrown by `refuse`: the solver freezes the node. */
export class Refusal extends Error {}

/** What the solver knows when a node's turn comes. */
export interface SolverState {
  readonly algebra: AxisAlgebra
  readonly values: ReadonlyMap<string, ValueInfo>
  readonly axes: ReadonlyMap<string, readonly Axis[]>
  readonly elements: ReadonlyMap<string, readonly AxisElement[]>
  readonly weights: Weights
  readonly constants: ReadonlyMap<string, LazyTensor>
  readonly held: ReadonlyMap<string, HeldValue>
  readonly parameters: ParameterUse[]
  readonly sizes: SizeRelation[]
  readonly attributes: AttributeRelation[]
  readonly contractions: Contraction[]
  readonly picks: PickedEntry[]
}

const unknownValue: ValueInfo = {}

const isFactor = (each: FactorAxis | Axis): each is FactorAxis => !('kind' in each)

const withWeight = 'sums over it with a weight'

export class NodeContext implements AxesContext {
  readonly node: Node
  readonly opset: number
  readonly #state: SolverState
  readonly #uses = new Map<number, ParameterUse>()
  readonly #looked = new Set<number>()
  /** The axes of inputs whose rank the rule alone knows. */
  readonly #unranked = new Map<number, readonly Axis[]>()

  constructor(node: Node, opset: number, state: SolverState) {
    this.node = node
    this.opset = opset
    this.#state = state
  }

  // ------------------------------------------------- what the rule did

  /** Constants that the rule asked the axes of, by input. */
  get uses(): ReadonlyMap<number, ParameterUse> {
    return this.#uses
  }
  /** Inputs whose elements the rule looked at. */
  get looked(): ReadonlySet<number> {
    return this.#looked
  }

  // --------------------------------------------------------- inference

  #name(i: number): string {
    return this.node.inputs[i] ?? ''
  }
  #info(i: number): ValueInfo {
    return this.#state.values.get(this.#name(i)) ?? unknownValue
  }
  has(i: number): boolean {
    return this.#name(i) !== ''
  }
  dtype(i: number): DType | undefined {
    return this.#info(i).dtype
  }
  shape(i: number): Shape | undefined {
    return this.#info(i).shape
  }
  elements(i: number): readonly Dim[] | undefined {
    return elementsOf(this.#info(i))
  }
  constant(i: number): LazyTensor | undefined {
    return this.#info(i).constant
  }
  output(k: number): ValueInfo {
    return this.#state.values.get(this.node.outputs[k] ?? '') ?? unknownValue
  }

  // -------------------------------------------------------------- axes

  isParameter(i: number): boolean {
    const name = this.#name(i)
    return this.#state.constants.has(name) || this.#state.weights.has(name)
  }

  /** The use of the constant at input i, with axes of its own. */
  #use(i: number): ParameterUse | undefined {
    const known = this.#uses.get(i)
    if (known) return known
    const name = this.#name(i)
    const tensor = this.#state.constants.get(name)
    if (!tensor) return undefined
    const use: ParameterUse = {
      name,
      tensor,
      node: this.node,
      input: i,
      axes: tensor.dims.map((size) => this.#state.algebra.unit(size, `an axis of "${name}"`)),
      summed: tensor.dims.map(() => false),
    }
    this.#uses.set(i, use)
    this.#state.parameters.push(use)
    return use
  }

  axes(i: number, rank?: number): readonly Axis[] {
    const { algebra, axes } = this.#state
    const found = this.#use(i)?.axes ?? axes.get(this.#name(i)) ?? this.#unranked.get(i)
    if (found) return found.map((axis) => algebra.expand(axis))
    const reason = `reads "${this.#name(i)}", whose rank is not known`
    if (rank === undefined) return this.refuse(reason)
    const fixed = Array.from({ length: rank }, () => algebra.fixed(null, reason))
    this.#unranked.set(i, fixed)
    return fixed
  }

  axisElements(i: number): readonly AxisElement[] | undefined {
    this.#looked.add(i)
    const name = this.#name(i)
    const propagated = this.#state.elements.get(name)
    if (propagated) return propagated.map((element) => this.#expanded(element))
    const tensor = this.#state.constants.get(name)
    const values = this.#state.held.get(name)?.elements ?? (tensor && constantElements(tensor))
    const use = { node: nodeKey(this.node), input: i }
    return values?.map((value, index) => ({ kind: 'value', value, origin: { name, index, use } }))
  }

  #expanded(element: AxisElement): AxisElement {
    if (element.kind !== 'size') return element
    return { ...element, axis: this.#state.algebra.expand(element.axis) }
  }

  unit(size: Dim, what: string): Axis {
    return this.#state.algebra.unit(size, what)
  }
  fixed(size: Dim, reason: string): Axis {
    return this.#state.algebra.fixed(size, reason)
  }
  unify(a: Axis, b: Axis): Axis {
    const { algebra } = this.#state
    return algebra.expand(algebra.same(a, b))
  }
  fix(axis: Axis, reason: string): void {
    this.#state.algebra.freeze(axis, reason)
  }
  balanced(axis: Axis, reason: string): void {
    const { algebra } = this.#state
    algebra.equalCopies.push({ axis, reason, node: algebra.node })
  }
  slice(axis: Axis, start: number, end: number): Axis | undefined {
    return this.#state.algebra.slice(axis, start, end)
  }
  regroup(axes: readonly Axis[], targets: readonly Target[]): readonly Axis[] | undefined {
    return regroup(this.#state.algebra, axes, targets)
  }
  refuse(reason: string): never {
    throw new Refusal(reason)
  }

  contract(factors: readonly (FactorAxis | Axis)[], does = withWeight): void {
    const [axis, ...others] = factors.map((each) => (isFactor(each) ? this.#axisOf(each) : each))
    if (!axis) return
    for (const other of others) this.#state.algebra.same(axis, other)
    const inputs = factors.filter(isFactor)
    const weights = inputs.filter(({ input }) => this.isParameter(input))
    const values = inputs.filter((each) => !weights.includes(each))
    this.#sum(axis, [...weights.reverse(), ...values], weights.length > 0 ? withWeight : does)
  }

  #axisOf({ input, axis }: FactorAxis): Axis {
    return this.axes(input)[axis] ?? this.refuse(`has no axis ${axis} at input ${input}`)
  }

  /** A constant takes the shares itself; who else does is found out with all others. */
  #sum(axis: Axis, factors: readonly FactorAxis[], does: string): void {
    const { contractions } = this.#state
    const constant = factors.find(({ input }) => this.#use(input))
    const use = constant && this.#use(constant.input)
    if (use) use.summed[constant.axis] = true
    contractions.push({ node: this.node, axis, does, ...(use ? {} : { factors }) })
  }
  selectEntry(entry: Axis): void {
    this.#state.picks.push({ node: this.node, entry })
  }

  sizeElement(i: number, k: number, axis: Axis): void {
    const { algebra, sizes } = this.#state
    const element = this.axisElements(i)?.[k]
    if (element?.kind === 'size') {
      const whole = element.plus === undefined && element.divisor === undefined
      if (!whole || !algebra.sameSize(element.axis, axis)) followSizeElement(this, element, axis)
      return
    }
    if (element?.kind !== 'value' || (element.value > 0 && !element.origin)) {
      algebra.freeze(axis, 'computes its size in a way that cannot be followed')
      return
    }
    const { value, origin } = element
    if (value <= 0 || !origin) return
    const size = algebra.sizeOf(axis)
    if (size === null || size === value) sizes.push({ origin, value, axis, node: this.node })
    else if (value < size) algebra.freeze(axis, `takes another size for it (${value})`)
  }

  sizeAttribute(attribute: string, axis: Axis, index?: number): void {
    const { algebra, attributes } = this.#state
    const { node } = this
    const size = algebra.sizeOf(axis)
    const value =
      (index === undefined
        ? intAttribute(node, attribute, undefined)
        : intsAttribute(node, attribute)?.[index]) ?? size
    if (value === null || (size !== null && value > 0 && value < size))
      algebra.freeze(axis, `has another size for it in its attribute "${attribute}"`)
    else if (value > 0 && (size === null || size === value))
      attributes.push({ node, attribute, value, axis, ...(index !== undefined && { index }) })
  }
}
