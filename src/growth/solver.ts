/**
 * The growth solver: one pass over the nodes in order. Every value gets its axes from its
 * operator's axes rule; what rules say of them is unified, contracted, frozen or tied to sizes.
 * The result knows which units exist and everything that must change when one of them grows.
 */
import { capturedValues, type Links, linksOf } from '../model/links.ts'
import { type Model, type Node, opsetOf } from '../model/model.ts'
import { nodeLabel } from '../model/names.ts'
import type { Axis } from '../operators/axis.ts'
import { operatorOf } from '../operators/index.ts'
import { inferModel } from '../operators/inference.ts'
import type { AxesOutput, AxisElement, Operator, ValueInfo } from '../operators/operator.ts'
import type { LazyTensor } from '../tensor/tensor.ts'
import { type HeldValue, heldValueOf } from './held-value.ts'
import {
  type AttributeRelation,
  type Contraction,
  NodeContext,
  type ParameterUse,
  type PickedEntry,
  Refusal,
  type SizeRelation,
  type SolverState,
  type View,
} from './node-context.ts'
import { AxisAlgebra } from './unify.ts'

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
  readonly contractions: readonly Contraction[]
  readonly picks: readonly PickedEntry[]
  readonly layers: readonly Layer[]
  /** By name: numbers that nodes compute from sizes. */
  readonly held: ReadonlyMap<string, HeldValue>
}

type OperatorLookup = (node: Node) => Operator | undefined

/** Solves a model. Never fails for what it does not understand: that is frozen, with the reason. */
export function solve(model: Model, lookup: OperatorLookup = operatorOf): Solution {
  return new Solver(model, lookup).run()
}

class Solver {
  readonly #model: Model
  readonly #lookup: OperatorLookup
  readonly #links: Links
  readonly #layers: Layer[] = []
  readonly #roles = new Map<ParameterUse, ('carried' | 'summed' | undefined)[]>()
  readonly #algebra = new AxisAlgebra()
  readonly #axes = new Map<string, readonly Axis[]>()
  readonly #elements = new Map<string, readonly AxisElement[]>()
  readonly #views = new Map<string, View>()
  readonly #constants = new Map<string, LazyTensor>()
  readonly #held = new Map<string, HeldValue>()
  /** Values that nodes compute from constants alone. */
  readonly #computed = new Set<string>()
  readonly #values: ReadonlyMap<string, ValueInfo>
  readonly #state: SolverState

  constructor(model: Model, lookup: OperatorLookup) {
    this.#model = model
    this.#lookup = lookup
    this.#values = inferModel(model, { nameSizes: true })
    this.#links = linksOf(model.graph)
    this.#state = {
      algebra: this.#algebra,
      values: this.#values,
      axes: this.#axes,
      elements: this.#elements,
      views: this.#views,
      constants: this.#constants,
      held: this.#held,
      parameters: [],
      sizes: [],
      attributes: [],
      contractions: [],
      picks: [],
    }
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
      parameters: this.#state.parameters,
      sizes: this.#state.sizes,
      attributes: this.#state.attributes,
      contractions: this.#state.contractions,
      picks: this.#state.picks,
      layers: this.#layers,
      held: this.#held,
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
    for (const name of capturedValues(node)) this.#freezeValue(name, 'reads them in a subgraph')
    const computed = this.#isComputed(node)
    if (!computed && this.#hold(node)) return
    const operator = this.#lookup(node)
    const rule = operator?.axes
    if (rule === undefined) this.#giveUp(node, 'is an operator that is not known')
    else if (typeof rule !== 'function') this.#giveUp(node, rule.unsupported)
    else {
      const context = new NodeContext(node, opsetOf(this.#model, node.domain), this.#state)
      try {
        const outputs = rule(context)
        this.#accept(node, operator!, outputs, context)
      } catch (error) {
        if (!(error instanceof Refusal)) throw error
        this.#giveUp(node, error.message, context.uses)
      }
    }
    if (operator?.layer) this.#addLayer(node, operator)
    const isSize = (name: string) =>
      this.#elements.get(name)?.some((element) => element.kind === 'size')
    if (!computed || (node.outputs.some(isSize) && this.#hold(node))) return
    for (const name of node.outputs) this.#computed.add(name)
  }

  /**
   * A number that follows from sizes need not follow them: a plan can make a constant of it. So it
   * counts as one, whatever it was computed from.
   */
  #hold(node: Node): boolean {
    const [name] = node.outputs
    const info = name === undefined ? undefined : this.#values.get(name)
    const held = info && node.outputs.length === 1 ? heldValueOf(info) : undefined
    const isOutput = this.#model.graph.outputs.some((output) => output.name === name)
    if (name === undefined || held === undefined || isOutput) return false
    this.#fixValue(name, 'lists numbers that are computed from sizes')
    this.#elements.delete(name)
    this.#held.set(name, held)
    return true
  }

  /** Does the node compute with constants alone, not with their sizes? */
  #isComputed(node: Node): boolean {
    return node.inputs.every(
      (name) => name === '' || this.#constants.has(name) || this.#computed.has(name),
    )
  }

  #giveUp(node: Node, reason: string, uses: NodeContext['uses'] = new Map()): void {
    for (const name of node.inputs) this.#freezeValue(name, reason)
    for (const use of uses.values()) for (const axis of use.axes) this.#algebra.freeze(axis, reason)
    for (const name of node.outputs) {
      if (this.#axes.has(name)) this.#freezeValue(name, reason)
      else this.#fixValue(name, reason)
    }
  }

  #accept(
    node: Node,
    operator: Operator,
    outputs: readonly AxesOutput[],
    state: NodeContext,
  ): void {
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
    if (source !== undefined)
      for (const target of node.outputs) this.#addView(source, target, state.uses.get(0))
  }

  /** A rearranged constant remembers which axes of the constant its own axes are made of. */
  #addView(source: string, target: string, use: ParameterUse | undefined): void {
    const from: View | undefined = use
      ? { use, origin: use.axes.map((_, k) => [k]) }
      : this.#views.get(source)
    const axes = this.#axes.get(target)
    if (!from || !axes) return
    const before = use ? use.axes : (this.#axes.get(source) ?? [])
    const leaves = before.map((axis) => this.#algebra.leaves(axis))
    const owners = new Map<number, number | undefined>()
    leaves.forEach((list, k) => {
      for (const leaf of list)
        owners.set(leaf, owners.has(leaf) && owners.get(leaf) !== k ? undefined : k)
    })
    const origin = axes.map((axis) => {
      const own = this.#algebra.leaves(axis)
      const parts = [...new Set(own.map((leaf) => owners.get(leaf)))]
      const whole = parts.filter((k) => k !== undefined)
      const size = whole.reduce((count, k) => count + leaves[k]!.length, 0)
      if (own.length === 0 || whole.length < parts.length || size !== own.length) return undefined
      const roots = whole.flatMap((k) => from.origin[k])
      return roots.every((root) => root !== undefined) ? roots : undefined
    })
    this.#views.set(target, { use: from.use, origin })
  }

  /** An axis that one reader sums over and another carries cannot take shares. */
  #checkRoles(view: View, contracted: ReadonlySet<number> | undefined): void {
    let roles = this.#roles.get(view.use)
    if (!roles) {
      roles = view.use.axes.map(() => undefined)
      this.#roles.set(view.use, roles)
    }
    view.origin.forEach((origin = [], k) => {
      const role = contracted?.has(k) ? 'summed' : 'carried'
      for (const axis of origin) {
        if (roles[axis] !== undefined && roles[axis] !== role)
          this.#algebra.freeze(
            view.use.axes[axis]!,
            `reads the weight "${view.use.name}", which another node uses differently`,
          )
        roles[axis] = role
      }
    })
  }

  #addLayer(node: Node, operator: Operator): void {
    const isParameter = (i: number) => this.#isParameter(node.inputs[i] ?? '')
    const facet = operator.layer?.weight(isParameter, node)
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
}
