/** The solver's answers to the axes rule of one node, and a record of what the rule did. */
import { intAttribute, intsAttribute } from '../../model/attributes.ts'
import type { Dim, Node, Shape } from '../../model/model.ts'
import { nodeKey } from '../../model/names.ts'
import type {
  Appended,
  AttentionAxes,
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
import { type AxisSystem, type Position, Refusal } from './axis-system.ts'
import { type Facts, isWeight, type Reading } from './facts.ts'
import { regroup, type Target } from './regroup.ts'
import { slice, unify } from './unify.ts'

/** A sum over an axis. */
export interface Contraction {
  readonly node: Node
  readonly axis: Axis
  /** Axes of computed values of which one must be split; undefined where a constant is. */
  readonly factors?: readonly FactorAxis[]
  /** What the node does, for messages. */
  readonly does: string
}

/** A node that reads one entry of an axis and nothing else of it. */
export interface SelectedEntry {
  readonly node: Node
  readonly entry: Axis
}

/** An axis of which every unit must have equally many copies. */
export interface BalancedAxis {
  readonly axis: Axis
  readonly reason: string
  readonly at: Position
}

/** The axes of one reading of a constant. */
export interface ReadingAxes {
  readonly axes: readonly Axis[]
  /** Which of them are contracted: these are split, the others copied. */
  readonly contracted: boolean[]
}

/** An element of an integer constant that is the size of an axis. */
export interface SizeRelation {
  readonly origin: ElementOrigin
  readonly value: number
  readonly axis: Axis
  /** The node that takes it for the size, and the input where it does. */
  readonly node: Node
  readonly input: number
}

/** A node attribute that is the size of an axis. */
export interface AttributeRelation {
  readonly node: Node
  readonly attribute: string
  readonly index?: number
  readonly value: number
  readonly axis: Axis
}

/** A number that a node takes where it has no such attribute, and that would change with the axis. */
export interface DefaultAttribute {
  readonly node: Node
  readonly attribute: string
  readonly value: number
  readonly axis: Axis
}

/** A node that computes attention of the values at these inputs. */
export interface AttendingNode extends AttentionAxes {
  readonly node: Node
  readonly inputs: readonly number[]
}

/** A constant that lists all positions of axes, in row-major order. */
export interface PositionList {
  readonly node: Node
  readonly input: number
  readonly name: string
  readonly dims: readonly number[]
  readonly axes: readonly Axis[]
}

/** What is known when a node's turn comes, and what the rules of nodes say. */
export interface Relating {
  readonly facts: Facts
  readonly system: AxisSystem
  readonly axes: ReadonlyMap<string, readonly Axis[]>
  readonly elements: ReadonlyMap<string, readonly AxisElement[]>
  readonly contractions: Contraction[]
  readonly selections: SelectedEntry[]
  readonly sizes: SizeRelation[]
  readonly attributes: AttributeRelation[]
  readonly balanced: BalancedAxis[]
  readonly positions: PositionList[]
  readonly defaults: DefaultAttribute[]
  readonly attending: AttendingNode[]
  axesOf(reading: Reading): ReadingAxes
}

const unknownValue: ValueInfo = {}

const withWeight = 'sums over it with a weight'

const isFactor = (each: FactorAxis | Axis): each is FactorAxis => !('kind' in each)

/** Of a broken file an operand may have fewer axes than a rule reads of it. @throws TypeError, see `brokenNode` */
export function mustBeThere(...axes: readonly unknown[]): void {
  if (axes.includes(undefined)) throw new TypeError('axis')
}

export class RuleContext implements AxesContext {
  readonly node: Node
  readonly opset: number
  readonly at: Position
  /** The axes of constants that the rule asked for, by input. */
  readonly readings = new Map<number, ReadingAxes>()
  /** Inputs whose elements the rule looked at. */
  readonly looked = new Set<number>()
  readonly #state: Relating
  /** The axes of inputs whose rank the rule alone knows. */
  readonly #unranked = new Map<number, readonly Axis[]>()

  constructor(node: Node, opset: number, at: Position, state: Relating) {
    this.node = node
    this.opset = opset
    this.at = at
    this.#state = state
  }

  // --------------------------------------------------------- inference

  #name(i: number): string {
    return this.node.inputs[i] ?? ''
  }
  #info(i: number): ValueInfo {
    return this.#state.facts.values.get(this.#name(i)) ?? unknownValue
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
    return this.#state.facts.values.get(this.node.outputs[k] ?? '') ?? unknownValue
  }

  // -------------------------------------------------------------- axes

  isParameter(i: number): boolean {
    return isWeight(this.#state.facts.provenance(this.#name(i)))
  }

  #reading(i: number): ReadingAxes | undefined {
    const reading = this.#state.facts.readingAt(this.node, i)
    if (!reading) return undefined
    const found = this.#state.axesOf(reading)
    this.readings.set(i, found)
    return found
  }

  axes(i: number, rank?: number): readonly Axis[] {
    const { system, axes } = this.#state
    const found = this.#reading(i)?.axes ?? axes.get(this.#name(i)) ?? this.#unranked.get(i)
    if (found) return found.map((axis) => system.expand(axis))
    const reason = `reads "${this.#name(i)}", whose rank is not known`
    if (rank === undefined) return this.refuse(reason)
    const fixed = Array.from({ length: rank }, () => this.fixed(null, reason))
    this.#unranked.set(i, fixed)
    return fixed
  }

  axisElements(i: number): readonly AxisElement[] | undefined {
    this.looked.add(i)
    const name = this.#name(i)
    const propagated = this.#state.elements.get(name)
    if (propagated) return propagated.map((element) => this.#expanded(element))
    const use = { node: nodeKey(this.node), input: i }
    return this.#numbers(name)?.map((value, index) => ({
      kind: 'value',
      value,
      origin: { name, index, use },
    }))
  }

  #numbers(name: string): readonly number[] | undefined {
    const found = this.#state.facts.provenance(name)
    if (found.kind === 'size') return found.numbers.elements
    return found.kind === 'constant' ? constantElements(found.tensor) : undefined
  }

  #expanded(element: AxisElement): AxisElement {
    if (element.kind !== 'size') return element
    return { ...element, axis: this.#state.system.expand(element.axis) }
  }

  unit(size: Dim, what: string): Axis {
    return this.#state.system.variable(size, what)
  }
  fixed(size: Dim, reason: string): Axis {
    return this.#state.system.fixed(size, reason, this.at)
  }
  unify(a: Axis, b: Axis): Axis {
    const { system } = this.#state
    return system.expand(unify(system, a, b, this.at))
  }
  fix(axis: Axis, reason: string, appended?: Appended): void {
    this.#state.system.fix(axis, reason, this.at, appended)
  }
  balanced(axis: Axis, reason: string): void {
    mustBeThere(axis)
    this.#state.balanced.push({ axis, reason, at: this.at })
  }
  slice(axis: Axis, start: number, end: number): Axis | undefined {
    return slice(this.#state.system, axis, start, end, this.at)
  }
  regroup(axes: readonly Axis[], targets: readonly Target[]): readonly Axis[] | undefined {
    return regroup(this.#state.system, axes, targets, this.at)
  }
  listsPositions(input: number, axes: readonly Axis[]): void {
    const name = this.#name(input)
    const found = this.#state.facts.provenance(name)
    if (found.kind === 'constant')
      this.#state.positions.push({ node: this.node, input, name, dims: found.tensor.dims, axes })
    else for (const axis of axes) this.fix(axis, 'reads positions of it that are computed')
  }
  defaultAttribute(attribute: string, value: number, axis: Axis): void {
    this.#state.defaults.push({ node: this.node, attribute, value, axis })
  }
  attends(inputs: readonly number[], axes: AttentionAxes): void {
    this.#state.attending.push({ node: this.node, inputs, ...axes })
  }
  refuse(reason: string): never {
    throw new Refusal(reason)
  }

  contract(factors: readonly (FactorAxis | Axis)[], does = withWeight): void {
    mustBeThere(...factors)
    const [axis, ...others] = factors.map((each) => (isFactor(each) ? this.#axisOf(each) : each))
    if (!axis) return
    for (const other of others) unify(this.#state.system, axis, other, this.at)
    const inputs = factors.filter(isFactor)
    const weights = inputs.filter(({ input }) => this.isParameter(input))
    const values = inputs.filter((each) => !weights.includes(each))
    this.#sum(axis, [...weights.reverse(), ...values], weights.length > 0 ? withWeight : does)
  }

  #axisOf({ input, axis, part }: FactorAxis): Axis {
    return part ?? this.axes(input)[axis] ?? this.refuse(`has no axis ${axis} at input ${input}`)
  }

  /** A constant is split itself; who else is, is found out with all others. */
  #sum(axis: Axis, factors: readonly FactorAxis[], does: string): void {
    const { contractions } = this.#state
    const constant = factors.find(({ input, part }) => part === undefined && this.#reading(input))
    const reading = constant && this.#reading(constant.input)
    if (reading) reading.contracted[constant.axis] = true
    contractions.push({ node: this.node, axis, does, ...(reading ? {} : { factors }) })
  }
  selectEntry(entry: Axis): void {
    this.#state.selections.push({ node: this.node, entry })
  }

  sizeElement(i: number, k: number, axis: Axis): void {
    mustBeThere(axis)
    const { system, sizes } = this.#state
    const element = this.axisElements(i)?.[k]
    if (element?.kind === 'size') {
      const whole = element.plus === undefined && element.divisor === undefined
      if (!whole || !system.sameSize(element.axis, axis)) followSizeElement(this, element, axis)
      return
    }
    if (element?.kind !== 'value' || (element.value > 0 && !element.origin)) {
      this.fix(axis, 'computes its size in a way that cannot be followed')
      return
    }
    const { value, origin } = element
    if (value <= 0 || !origin) return
    const size = system.sizeOf(axis)
    if (size === null || size === value)
      sizes.push({ origin, value, axis, node: this.node, input: i })
    else if (value < size) this.fix(axis, `takes another size for it (${value})`)
  }

  sizeAttribute(attribute: string, axis: Axis, index?: number): void {
    mustBeThere(axis)
    const { system, attributes } = this.#state
    const { node } = this
    const size = system.sizeOf(axis)
    const value =
      (index === undefined
        ? intAttribute(node, attribute, undefined)
        : intsAttribute(node, attribute)?.[index]) ?? size
    if (value === null || (size !== null && value > 0 && value < size))
      this.fix(axis, `has another size for it in its attribute "${attribute}"`)
    else if (value > 0 && (size === null || size === value))
      attributes.push({ node, attribute, value, axis, ...(index !== undefined && { index }) })
  }
}
