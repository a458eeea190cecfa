/**
 * The growth solver: one pass over the nodes in order. Every value gets its axes from its
 * operator's axes rule; what rules say of them is unified, contracted, frozen or tied to sizes.
 * The result knows which units exist and everything that must change when one of them grows.
 */
import { intAttribute, intsAttribute } from '../model/attributes.ts'
import { capturedValues, type Links, linksOf } from '../model/links.ts'
import { type Model, type Node, opsetOf } from '../model/model.ts'
import { nodeLabel } from '../model/names.ts'
import type { Axis } from '../operators/axis.ts'
import { constantElements } from '../operators/elements.ts'
import { operatorOf } from '../operators/index.ts'
import { inferContext, inferModel } from '../operators/inference.ts'
import type {
  AxesContext,
  AxesOutput,
  AxisElement,
  ElementOrigin,
  Operator,
  ValueInfo,
} from '../operators/operator.ts'
import type { LazyTensor } from '../tensor/tensor.ts'
import { regroup } from './regroup.ts'
import { AxisAlgebra } from './unify.ts'

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

/** A node with a weight of its own. */
export interface Layer {
  readonly node: Node
  readonly name: string
  /** Name of the constant that holds the weight. */
  readonly weight: string
  readonly weightDims: readonly number[]
  /** Input position of the weight. */
  readonly weightInput: number
  readonly axis: Axis
  readonly width: number | null
  readonly operator: Operator
}

export interface Solution {
  readonly model: Model
  readonly links: Links
  readonly values: ReadonlyMap<string, ValueInfo>
  readonly algebra: AxisAlgebra
  readonly axes: ReadonlyMap<string, readonly Axis[]>
  readonly parameters: readonly ParameterUse[]
  readonly sizes: readonly SizeRelation[]
  readonly attributes: readonly AttributeRelation[]
  readonly layers: readonly Layer[]
}

/** How a plan knows a node: by its first output. */
export const nodeKey = (node: Node): string => node.outputs.find((output) => output !== '') ?? ''

class Refusal extends Error {}

/** A value that is a rearranged constant, and which of the constant's axes each of its axes is. */
interface View {
  readonly use: ParameterUse
  readonly origin: readonly (number | undefined)[]
}

/** The axes context of one node, and what its rule did with it. */
interface NodeState {
  readonly context: AxesContext
  readonly uses: ReadonlyMap<number, ParameterUse>
  /** By input: the axes that the rule summed over. */
  readonly contracted: ReadonlyMap<number, ReadonlySet<number>>
  /** Inputs whose elements the rule looked at. */
  readonly looked: ReadonlySet<number>
}

type OperatorLookup = (node: Node) => Operator | undefined

/** Solves a model. Never fails for what it does not understand: that is frozen, with the reason. */
export function solve(model: Model, lookup: OperatorLookup = operatorOf): Solution {
  return new Solver(model, lookup).run()
}

class Solver {
  readonly #model: Model
  readonly #lookup: OperatorLookup
  readonly #algebra = new AxisAlgebra()
  readonly #values: ReadonlyMap<string, ValueInfo>
  readonly #links: Links
  readonly #axes = new Map<string, readonly Axis[]>()
  readonly #elements = new Map<string, readonly AxisElement[]>()
  readonly #views = new Map<string, View>()
  readonly #constants = new Map<string, LazyTensor>()
  readonly #parameters: ParameterUse[] = []
  readonly #sizes: SizeRelation[] = []
  readonly #attributes: AttributeRelation[] = []
  readonly #layers: Layer[] = []

  constructor(model: Model, lookup: OperatorLookup) {
    this.#model = model
    this.#lookup = lookup
    this.#values = inferModel(model)
    this.#links = linksOf(model.graph)
  }

  run(): Solution {
    const { graph } = this.#model
    for (const [name, { tensor }] of graph.initializers) this.#constants.set(name, tensor)
    for (const { name } of graph.inputs)
      if (!graph.initializers.has(name)) this.#fixValue(name, `graph input "${name}"`)
    graph.nodes.forEach((node, position) => {
      this.#algebra.node = position
      this.#visit(node)
    })
    this.#algebra.node = -1
    for (const { name } of graph.outputs) this.#freezeValue(name, `graph output "${name}"`)
    return {
      model: this.#model,
      links: this.#links,
      values: this.#values,
      algebra: this.#algebra,
      axes: this.#axes,
      parameters: this.#parameters,
      sizes: this.#sizes,
      attributes: this.#attributes,
      layers: this.#layers,
    }
  }

  /** Gives a value axes that never grow, if its rank is known. */
  #fixValue(name: string, reason: string): void {
    const shape = this.#values.get(name)?.shape
    if (shape && name !== '')
      this.#axes.set(
        name,
        shape.map((size) => this.#algebra.fixed(size, reason)),
      )
  }

  #freezeValue(name: string, reason: string): void {
    for (const axis of this.#axes.get(name) ?? []) this.#algebra.freeze(axis, reason)
    for (const element of this.#elements.get(name) ?? [])
      if (element.kind === 'size') this.#algebra.freeze(element.axis, reason)
  }

  #visit(node: Node): void {
    const output = node.outputs[0]
    const constant = output === undefined ? undefined : this.#values.get(output)?.constant
    if (constant && output !== undefined && node.inputs.length === 0) {
      this.#constants.set(output, constant)
      return
    }
    for (const name of capturedValues(node)) this.#freezeValue(name, 'is read by a subgraph of it')
    const operator = this.#lookup(node)
    const rule = operator?.axes
    if (rule === undefined) this.#giveUp(node, 'is an operator that is not known')
    else if (typeof rule !== 'function') this.#giveUp(node, rule.unsupported)
    else {
      const context = this.#context(node)
      try {
        const outputs = rule(context.context)
        this.#accept(node, operator!, outputs, context)
      } catch (error) {
        if (!(error instanceof Refusal)) throw error
        this.#giveUp(node, error.message, context.uses)
      }
    }
    if (operator?.layer) this.#addLayer(node, operator)
  }

  #giveUp(node: Node, reason: string, uses: NodeState['uses'] = new Map()): void {
    for (const name of node.inputs) this.#freezeValue(name, reason)
    for (const use of uses.values()) for (const axis of use.axes) this.#algebra.freeze(axis, reason)
    for (const name of node.outputs) {
      if (this.#axes.has(name)) this.#freezeValue(name, reason)
      else this.#fixValue(name, reason)
    }
  }

  #accept(node: Node, operator: Operator, outputs: readonly AxesOutput[], state: NodeState): void {
    node.outputs.forEach((name, k) => {
      if (name === '') return
      const found = outputs[k]
      const rank = this.#values.get(name)?.shape?.length
      if (found === undefined || (rank !== undefined && rank !== found.axes.length)) {
        this.#fixValue(name, 'says nothing of the axes of this output')
        return
      }
      this.#axes.set(name, found.axes)
      if (found.elements) this.#elements.set(name, found.elements)
    })
    node.inputs.forEach((name, i) => {
      // A size that a rule did not look at went into its arithmetic.
      if (!state.looked.has(i))
        for (const element of this.#elements.get(name) ?? [])
          if (element.kind === 'size')
            this.#algebra.freeze(element.axis, 'computes with the size of the axis')
    })
    const source = operator.view ? node.inputs[0] : undefined
    node.inputs.forEach((name, i) => {
      const view = this.#views.get(name)
      if (view && !(operator.view && i === 0)) this.#checkRoles(view, state.contracted.get(i))
    })
    const target = node.outputs[0]
    if (source !== undefined && target !== undefined)
      this.#addView(source, target, state.uses.get(0))
  }

  /** A rearranged constant remembers which axes of the constant its own axes are. */
  #addView(source: string, target: string, use: ParameterUse | undefined): void {
    const from: View | undefined = use
      ? { use, origin: use.axes.map((_, k) => k) }
      : this.#views.get(source)
    const axes = this.#axes.get(target)
    if (!from || !axes) return
    const owners = new Map<number, number | undefined>()
    const before = use ? use.axes : (this.#axes.get(source) ?? [])
    before.forEach((axis, k) => {
      for (const leaf of this.#algebra.leaves(axis))
        owners.set(leaf, owners.has(leaf) && owners.get(leaf) !== k ? undefined : k)
    })
    const leafCount = before.map((axis) => this.#algebra.leaves(axis).length)
    const origin = axes.map((axis) => {
      const leaves = this.#algebra.leaves(axis)
      const k = leaves[0] === undefined ? undefined : owners.get(leaves[0])
      const whole =
        k !== undefined &&
        leaves.length === leafCount[k] &&
        leaves.every((leaf) => owners.get(leaf) === k)
      return whole ? from.origin[k] : undefined
    })
    this.#views.set(target, { use: from.use, origin })
  }

  readonly #roles = new Map<ParameterUse, ('carried' | 'summed' | undefined)[]>()

  /** An axis that one reader sums over and another carries cannot take shares. */
  #checkRoles(view: View, contracted: ReadonlySet<number> | undefined): void {
    let roles = this.#roles.get(view.use)
    if (!roles) {
      roles = view.use.axes.map(() => undefined)
      this.#roles.set(view.use, roles)
    }
    view.origin.forEach((axis, k) => {
      if (axis === undefined) return
      const role = contracted?.has(k) ? 'summed' : 'carried'
      if (roles[axis] !== undefined && roles[axis] !== role)
        this.#algebra.freeze(
          view.use.axes[axis]!,
          `reads the weight "${view.use.name}", which another node uses differently`,
        )
      roles[axis] = role
    })
  }

  #addLayer(node: Node, operator: Operator): void {
    const isParameter = (i: number) => this.#isParameter(node.inputs[i] ?? '')
    const facet = operator.layer?.weight(isParameter)
    const output = node.outputs[0] ?? ''
    const axes = this.#axes.get(output)
    if (!facet || !axes) return
    const axis = axes.at(facet.widthAxis)
    const read = node.inputs[facet.input] ?? ''
    const root = this.#views.get(read)?.use.name ?? read
    const dims = this.#values.get(read)?.shape ?? this.#constants.get(root)?.dims
    if (!axis || !dims) return
    const width = this.#values.get(output)?.shape?.at(facet.widthAxis)
    this.#layers.push({
      node,
      name: nodeLabel(node),
      weight: root,
      weightInput: facet.input,
      weightDims: dims.map((dim) => (typeof dim === 'number' ? dim : 0)),
      axis,
      width: typeof width === 'number' ? width : this.#algebra.sizeOf(axis),
      operator,
    })
  }

  #isParameter(name: string): boolean {
    return this.#constants.has(name) || this.#views.has(name)
  }

  #context(node: Node): NodeState {
    const algebra = this.#algebra
    const uses = new Map<number, ParameterUse>()
    const contracted = new Map<number, Set<number>>()
    const looked = new Set<number>()
    const refuse = (reason: string): never => {
      throw new Refusal(reason)
    }
    const name = (i: number) => node.inputs[i] ?? ''

    const useOf = (i: number): ParameterUse | undefined => {
      const known = uses.get(i)
      if (known) return known
      const tensor = this.#constants.get(name(i))
      if (!tensor) return undefined
      const use: ParameterUse = {
        name: name(i),
        tensor,
        node,
        input: i,
        axes: tensor.dims.map((size) => algebra.unit(size, `an axis of "${name(i)}"`)),
        summed: tensor.dims.map(() => false),
      }
      uses.set(i, use)
      this.#parameters.push(use)
      return use
    }
    const axes = (i: number): readonly Axis[] => {
      const found = useOf(i)?.axes ?? this.#axes.get(name(i))
      return (
        found?.map((axis) => algebra.expand(axis)) ??
        refuse(`reads "${name(i)}", whose rank is not known`)
      )
    }
    const axisElements = (i: number): readonly AxisElement[] | undefined => {
      looked.add(i)
      const propagated = this.#elements.get(name(i))
      if (propagated) return propagated
      const tensor = this.#constants.get(name(i))
      const use = { node: nodeKey(node), input: i }
      return (
        tensor &&
        constantElements(tensor)?.map((value, index) => ({
          kind: 'value',
          value,
          origin: { name: name(i), index, use },
        }))
      )
    }
    const contract = (i: number, k: number, axis: Axis): void => {
      const own = axes(i)[k] ?? refuse(`has no axis ${k} at input ${i}`)
      const use = useOf(i)
      const view = this.#views.get(name(i))
      const position = use ? k : view?.origin[k]
      if (position === undefined) {
        const reason =
          use || view
            ? 'sums over a part of an axis of its weight'
            : 'sums over it in a product of two computed values'
        algebra.freeze(own, reason)
        algebra.freeze(axis, reason)
      } else {
        ;(use ?? view!.use).summed[position] = true
        const marks = contracted.get(i) ?? new Set<number>()
        contracted.set(i, marks.add(k))
      }
      algebra.same(axis, own)
    }
    const sizeElement = (i: number, k: number, axis: Axis): void => {
      const element = axisElements(i)?.[k]
      const size = algebra.sizeOf(axis)
      if (element?.kind === 'size') algebra.same(element.axis, axis)
      else if (element?.kind === 'value' && element.origin && element.value > 0) {
        const { value, origin } = element
        if (size === null || size === value) this.#sizes.push({ origin, value, axis, node })
        else if (value < size) algebra.freeze(axis, `takes another size for it (${value})`)
      } else if (element?.kind !== 'value' || element.value > 0)
        algebra.freeze(axis, 'computes its size in a way that cannot be followed')
    }
    const sizeAttribute = (attribute: string, axis: Axis, index?: number): void => {
      const size = algebra.sizeOf(axis)
      const value =
        (index === undefined
          ? intAttribute(node, attribute, undefined)
          : intsAttribute(node, attribute)?.[index]) ?? size
      if (value === null || (size !== null && value > 0 && value < size))
        algebra.freeze(axis, `has another size for it in its attribute "${attribute}"`)
      else if (value > 0 && (size === null || size === value))
        this.#attributes.push({
          node,
          attribute,
          value,
          axis,
          ...(index !== undefined && { index }),
        })
    }

    const context: AxesContext = {
      ...inferContext(node, opsetOf(this.#model, node.domain), (n) => this.#values.get(n)),
      output: (k) => this.#values.get(node.outputs[k] ?? '') ?? {},
      isParameter: (i) => this.#isParameter(name(i)),
      axes,
      axisElements,
      unit: (size, what) => algebra.unit(size, what),
      fixed: (size, reason) => algebra.fixed(size, reason),
      same: (a, b) => algebra.expand(algebra.same(a, b)),
      contract,
      freeze: (axis, reason) => algebra.freeze(axis, reason),
      equalCopies: (axis, reason) => {
        algebra.equalCopies.push({ axis, reason, node: algebra.node })
      },
      slice: (axis, start, end) => algebra.slice(axis, start, end),
      regroup: (from, targets) => regroup(algebra, from, targets),
      sizeElement,
      sizeAttribute,
      refuse,
    }
    return { context, uses, contracted, looked }
  }
}
