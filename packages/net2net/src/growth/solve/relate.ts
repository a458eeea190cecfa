/**
 * The growth solver: one pass over the nodes in order. Every value gets its axes from its
 * operator's axes rule; what rules say of them is unified, contracted, frozen or tied to sizes.
 * The result knows which units exist and everything that must change when one of them grows.
 */
import { capturedValues, type Links, linksOf } from '../../model/links.ts'
import { type Model, type Node, opsetOf } from '../../model/model.ts'
import { nodeLabel } from '../../model/names.ts'
import type { AxesOutput, AxisElement } from '../../operators/contract/axes.ts'
import type { Axis } from '../../operators/contract/axis.ts'
import type { ValueInfo } from '../../operators/contract/infer.ts'
import type { Operator } from '../../operators/contract/operator.ts'
import { movesElements, scalingOf } from '../../operators/helpers/scaling.ts'
import { inferModel } from '../../operators/inference.ts'
import { operatorOf } from '../../operators/table.ts'
import type { LazyTensor } from '../../tensor/tensor.ts'
import { type HeldValue, heldValueOf } from './held-value.ts'
import {
  type AttributeRelation,
  type Contraction,
  NodeContext,
  type PickedEntry,
  Refusal,
  type SizeRelation,
  type SolverState,
} from './rule-context.ts'
import { AxisAlgebra } from './unify.ts'
import { type ParameterUse, Weights } from './weights.ts'

/** A node with a weight of its own. */
export interface Layer {
  readonly node: Node
  readonly name: string
  /** Name of the constant that holds the weight; of several that it is computed from, the largest. */
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
  readonly weights: Weights
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
  readonly #algebra = new AxisAlgebra()
  readonly #axes = new Map<string, readonly Axis[]>()
  readonly #elements = new Map<string, readonly AxisElement[]>()
  readonly #weights = new Weights(this.#algebra)
  /** Nodes whose results are parts of layers' weights: a product of constants is no layer there. */
  readonly #inWeights = new Set<Node>()
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
      weights: this.#weights,
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
    this.#freezeUnlike()
    this.#algebra.node = -1
    for (const { name } of graph.outputs) this.#freezeValue(name, `graph output "${name}"`)
    return {
      model: this.#model,
      links: this.#links,
      values: this.#values,
      algebra: this.#algebra,
      axes: this.#axes,
      parameters: this.#state.parameters,
      weights: this.#weights,
      sizes: this.#state.sizes,
      attributes: this.#state.attributes,
      contractions: this.#state.contractions,
      picks: this.#state.picks,
      layers: this.#layers.filter(({ node }) => !this.#inWeights.has(node)),
      held: this.#held,
    }
  }

  /** A constant that a weight reads twice takes no shares where only one of the readings is summed over. */
  #freezeUnlike(): void {
    for (const use of this.#state.parameters)
      use.summed.forEach((summed, k) => {
        if (!summed || [...this.#weights.tiedTo(use)].every((other) => other.summed[k])) return
        this.#algebra.node = this.#model.graph.nodes.indexOf(use.node)
        this.#algebra.freeze(
          use.axes[k]!,
          `sums over it in "${use.name}", which the same weight reads without a sum, too`,
        )
      })
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
    const context = new NodeContext(node, opsetOf(this.#model, node.domain), this.#state)
    if (rule === undefined) this.#giveUp(node, 'is an operator that is not known', context)
    else if (typeof rule !== 'function') this.#giveUp(node, rule.unsupported, context)
    else
      try {
        this.#accept(node, rule(context), context)
        this.#addWeights(node, context.uses)
      } catch (error) {
        if (!(error instanceof Refusal)) throw error
        this.#giveUp(node, error.message, context)
      }
    if (operator?.growth?.layer) this.#addLayer(node, operator)
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

  /** Nothing of its result depends on the network's inputs; numbers that are held count as constants. */
  #readsWeightsAlone(node: Node): boolean {
    return node.inputs.every(
      (name) =>
        name === '' ||
        this.#constants.has(name) ||
        this.#weights.isFixed(name) ||
        this.#held.has(name),
    )
  }

  #giveUp(node: Node, reason: string, context: NodeContext): void {
    const isWeight = this.#readsWeightsAlone(node)
    node.inputs.forEach((name, i) => {
      if (isWeight && this.#constants.has(name)) context.axes(i)
      this.#freezeValue(name, reason)
    })
    for (const use of context.uses.values())
      for (const axis of use.axes) this.#algebra.freeze(axis, reason)
    this.#addWeights(node, context.uses)
    for (const name of node.outputs) {
      if (this.#axes.has(name)) this.#freezeValue(name, reason)
      else this.#fixValue(name, reason)
    }
  }

  #accept(node: Node, outputs: readonly AxesOutput[], state: NodeContext): void {
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
  }

  /**
   * Values that are computed from constants, and views of constants, are weights. A product of products
   * is none: there layers compute with constants (learned queries) as their data. A single
   * number is one (the norm of a weight, uᵀ·W·v).
   */
  #addWeights(node: Node, read: NodeContext['uses']): void {
    const operator = this.#lookup(node)
    const usesAt = (i: number): readonly ParameterUse[] => {
      const use = read.get(i)
      return use ? [use] : [...this.#weights.usesIn(node.inputs[i] ?? '')]
    }
    const isView = movesElements(operator) && usesAt(0).length > 0
    const isAlone = this.#readsWeightsAlone(node)
    if (!isView && !isAlone) return
    const forms = node.inputs.map((name) => this.#weights.formOf(name))
    const isNumber = this.#values.get(node.outputs[0] ?? '')?.shape?.every((size) => size === 1)
    const isProduct = forms.includes('product')
    if (operator?.growth?.layer && isProduct && !isNumber) return
    const form = operator?.growth?.layer || isProduct ? 'product' : isView ? forms[0]! : 'computed'
    const uses = new Set(isAlone ? node.inputs.flatMap((_, i) => usesAt(i)) : usesAt(0))
    for (const name of node.outputs) if (name !== '') this.#weights.add(name, uses, form)
  }

  #addLayer(node: Node, operator: Operator): void {
    const facet = operator.growth?.layer?.weight((i) => this.#isWeight(node, i), node)
    const output = node.outputs[0] ?? ''
    const axes = this.#axes.get(output)
    if (!facet || !axes) return
    const axis = axes.at(facet.widthAxis)
    const read = node.inputs[facet.input] ?? ''
    const root = this.#weights.largestIn(read) ?? read
    const dims = this.#values.get(read)?.shape ?? this.#constants.get(root)?.dims
    if (!axis || !dims) return
    // Of constants alone, whatever is computed may be data.
    if (!this.#readsWeightsAlone(node)) this.#markInWeight(read)
    else if (this.#weights.formOf(read) !== 'moved') return
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

  /** Marks the nodes that compute a weight from constants, as far back as shares pass. */
  #markInWeight(name: string): void {
    const names = [name]
    for (let next = names.pop(); next !== undefined; next = names.pop()) {
      const node = this.#links.producers.get(next)
      if (!node || this.#inWeights.has(node) || !scalingOf(this.#lookup(node))) continue
      this.#inWeights.add(node)
      names.push(...node.inputs)
    }
  }

  /** Is this a layer's weight? What is computed and comes first is data (queries for keys). */
  #isWeight({ inputs }: Node, i: number): boolean {
    const name = inputs[i] ?? ''
    if (this.#constants.has(name)) return true
    return this.#weights.has(name) && (i > 0 || this.#weights.formOf(name) === 'moved')
  }
}
