/**
 * Relates axes: one pass over the nodes in order. Every value gets its axes from its operator's axes
 * rule; what rules say of them is unified, contracted, fixed or tied to sizes.
 */
import { capturedValues } from '../../model/links.ts'
import { type Node, opsetOf } from '../../model/model.ts'
import { nodeKey } from '../../model/names.ts'
import { brokenNode } from '../../operators/broken-node.ts'
import type { AxesOutput, AxisElement } from '../../operators/contract/axes.ts'
import type { Axis } from '../../operators/contract/axis.ts'
import { MAX_ELEMENTS } from '../../operators/helpers/elements.ts'
import {
  AxisSystem,
  type Extensible,
  OUTSIDE,
  type Position,
  Refusal,
  type SolvedAxes,
} from './axis-system.ts'
import type { Facts, LayerSite, Reading } from './facts.ts'
import {
  type AttendingNode,
  type AttributeRelation,
  type BalancedAxis,
  type Contraction,
  type DefaultAttribute,
  mustBeThere,
  type PositionList,
  type ReadingAxes,
  type Relating,
  RuleContext,
  type SelectedEntry,
  type SizeRelation,
} from './rule-context.ts'
import { unify } from './unify.ts'

export interface Layer extends LayerSite {
  readonly axis: Axis
  readonly width: number | null
}

/** What the rules of all nodes say, as it was said. */
export interface Relations {
  /** The axes of values, by name. */
  readonly axes: ReadonlyMap<string, readonly Axis[]>
  readonly readings: ReadonlyMap<Reading, ReadingAxes>
  readonly contractions: readonly Contraction[]
  readonly selections: readonly SelectedEntry[]
  readonly sizes: readonly SizeRelation[]
  readonly attributes: readonly AttributeRelation[]
  readonly balanced: readonly BalancedAxis[]
  readonly positions: readonly PositionList[]
  readonly defaults: readonly DefaultAttribute[]
  /** Nodes that compute attention as a whole; see attentions.ts for what other nodes compute together. */
  readonly attending: readonly AttendingNode[]
  readonly layers: readonly Layer[]
}

/**
 * Runs every rule once. Never fails for what it does not understand: that is fixed, with the reason.
 *
 * @param open Graph inputs whose axes are not fixed by being those of an input.
 */
export function relate(
  facts: Facts,
  open: ReadonlySet<string> = new Set(),
): {
  readonly axes: SolvedAxes
  readonly relations: Relations
} {
  const relating = new RelatingAll(facts, open)
  const relations = relating.run()
  return { axes: relating.system.close(), relations }
}

const tooIntricate = 'has an axis of more parts than can be followed'

class RelatingAll implements Relating {
  readonly facts: Facts
  readonly system = new AxisSystem()
  readonly axes = new Map<string, readonly Axis[]>()
  readonly elements = new Map<string, readonly AxisElement[]>()
  readonly readings = new Map<Reading, ReadingAxes>()
  readonly contractions: Contraction[] = []
  readonly selections: SelectedEntry[] = []
  readonly sizes: SizeRelation[] = []
  readonly attributes: AttributeRelation[] = []
  readonly balanced: BalancedAxis[] = []
  readonly positions: PositionList[] = []
  readonly defaults: DefaultAttribute[] = []
  readonly attending: AttendingNode[] = []

  readonly #open: ReadonlySet<string>

  constructor(facts: Facts, open: ReadonlySet<string>) {
    this.facts = facts
    this.#open = open
  }

  run(): Relations {
    const { model, layers } = this.facts
    const { graph } = model
    const places = new Map(graph.nodes.map((node, at) => [node, at]))
    for (const { name } of graph.inputs) if (!graph.initializers.has(name)) this.#setInput(name)
    graph.nodes.forEach((node, at) => {
      this.#visit(node, at)
    })
    this.#fixUnlike(places)
    for (const { name } of graph.outputs)
      this.#fixValue(name, `graph output "${name}"`, OUTSIDE, 'output')
    const related = layers.flatMap((site) => this.#layerOf(site) ?? [])
    this.#fixIntricate(places)
    const { axes, readings, contractions, selections, sizes, attributes, balanced } = this
    const { positions, defaults, attending } = this
    return {
      axes,
      readings,
      contractions,
      selections,
      sizes,
      attributes,
      balanced,
      positions,
      defaults,
      attending,
      layers: related,
    }
  }

  #visit(node: Node, at: Position): void {
    const { facts } = this
    const first = nodeKey(node)
    const provenance = facts.provenance(first)
    if (provenance.kind === 'constant') return
    for (const name of capturedValues(node)) this.#fixValue(name, 'reads them in a subgraph', at)
    if (provenance.kind === 'size') {
      this.#setFixed(first, 'lists numbers that are computed from sizes', at)
      return
    }
    const rule = facts.operatorOf(node)?.axes
    const context = new RuleContext(node, opsetOf(facts.model, node.domain), at, this)
    if (rule === undefined) this.#giveUp(context, 'is an operator that is not known')
    else if (typeof rule !== 'function') this.#giveUp(context, rule.unsupported)
    else
      try {
        this.#accept(context, rule(context))
        for (const [a, b] of facts.tiesAt(node)) this.#tie(a, b, at)
      } catch (error) {
        if (!(error instanceof Refusal)) throw brokenNode(node, error)
        this.#giveUp(context, error.message)
      }
  }

  /** The axes of a reading, which are its own, whatever other readers of the constant do with it. */
  axesOf(reading: Reading): ReadingAxes {
    const known = this.readings.get(reading)
    if (known) return known
    const { dims } = reading.tensor
    const what = `an axis of "${reading.name}"`
    const found = {
      axes: dims.map((size) => this.system.variable(size, what)),
      contracted: dims.map(() => false),
    }
    this.readings.set(reading, found)
    return found
  }

  /** Gives a value axes that never grow, if its rank is known. */
  #setFixed(name: string, reason: string, at: Position): void {
    const shape = this.facts.values.get(name)?.shape
    if (shape && name !== '')
      this.axes.set(
        name,
        shape.map((size) => this.system.fixed(size, reason, at)),
      )
  }

  #setInput(name: string): void {
    const shape = this.facts.values.get(name)?.shape
    if (shape && this.#open.has(name))
      this.axes.set(
        name,
        shape.map((size) => this.system.variable(size, `an axis of the input "${name}"`)),
      )
    else this.#setFixed(name, `graph input "${name}"`, OUTSIDE)
  }

  #fixValue(name: string, reason: string, at: Position, extensible?: Extensible): void {
    for (const axis of this.axes.get(name) ?? []) this.system.fix(axis, reason, at, extensible)
    this.#fixSizes(name, reason, at)
  }

  /** Fixes the axes whose sizes a value lists. */
  #fixSizes(name: string, reason: string, at: Position): void {
    for (const element of this.elements.get(name) ?? [])
      if (element.kind === 'size') this.system.fix(element.axis, reason, at)
  }

  #giveUp({ node, at, readings }: RuleContext, reason: string): void {
    const { facts } = this
    const isAlone = facts.isAlone(node)
    node.inputs.forEach((name, i) => {
      const reading = facts.readingAt(node, i)
      if (isAlone && reading) readings.set(i, this.axesOf(reading))
      this.#fixValue(name, reason, at)
    })
    for (const { axes } of readings.values())
      for (const axis of axes) this.system.fix(axis, reason, at)
    for (const [a, b] of facts.tiesAt(node)) this.#tie(a, b, at)
    for (const name of node.outputs) {
      if (this.axes.has(name)) this.#fixValue(name, reason, at)
      else this.#setFixed(name, reason, at)
    }
  }

  #accept({ node, at, looked }: RuleContext, outputs: readonly AxesOutput[]): void {
    node.outputs.forEach((name, k) => {
      if (name === '') return
      const found = outputs[k]
      const shape = this.facts.values.get(name)?.shape
      if (found === undefined || (shape && shape.length !== found.axes.length)) {
        this.#setFixed(name, 'says nothing of the axes of this output', at)
        return
      }
      mustBeThere(...found.axes)
      this.axes.set(
        name,
        found.axes.map((axis, i) => this.#bounded(axis, shape?.[i] ?? null, at)),
      )
      if (!found.elements) return
      this.elements.set(name, found.elements)
      // A longer list is data; its sizes went into something that is not followed.
      if (found.elements.length <= MAX_ELEMENTS) return
      this.#fixSizes(name, 'computes with the size of the axis', at)
      this.elements.delete(name)
    })
    // A size that a rule did not look at went into its arithmetic.
    node.inputs.forEach((name, i) => {
      if (!looked.has(i)) this.#fixSizes(name, 'computes with the size of the axis', at)
    })
  }

  /** The axis, or a fixed one in the place of one of too many parts. */
  #bounded(axis: Axis, size: number | string | null, at: Position): Axis {
    if (!this.system.isIntricate(axis)) return axis
    this.system.fix(axis, tooIntricate, at)
    return this.system.fixed(size, tooIntricate, at)
  }

  #tie(a: Reading, b: Reading, at: Position): void {
    const [left, right] = [this.axesOf(a), this.axesOf(b)]
    left.axes.forEach((axis, k) => {
      unify(this.system, axis, right.axes[k]!, at)
    })
  }

  /** A constant that a weight reads twice is not split where only one of the readings is contracted. */
  #fixUnlike(places: ReadonlyMap<Node, Position>): void {
    for (const [reading, { axes, contracted }] of this.readings)
      contracted.forEach((isContracted, k) => {
        const others = [...this.facts.tiedTo(reading)]
        if (!isContracted || others.every((other) => this.axesOf(other).contracted[k])) return
        this.system.fix(
          axes[k]!,
          `sums over it in "${reading.name}", which the same weight reads without a sum, too`,
          places.get(reading.node)!,
        )
      })
  }

  #layerOf(site: LayerSite): Layer | undefined {
    // A recurrent layer may give its last state alone: units are the last axis of all its outputs.
    const output = nodeKey(site.node)
    const axis = this.axes.get(output)?.at(site.widthAxis)
    if (!axis) return undefined
    const width = this.facts.values.get(output)?.shape?.at(site.widthAxis)
    return { ...site, axis, width: typeof width === 'number' ? width : this.system.sizeOf(axis) }
  }

  /** Axes that have come to have too many parts since they were related do not grow. */
  #fixIntricate(places: ReadonlyMap<Node, Position>): void {
    const check = (axis: Axis, at: Position) => {
      if (this.system.isIntricate(axis)) this.system.fix(axis, tooIntricate, at)
    }
    for (const [name, axes] of this.axes) {
      const producer = this.facts.links.producers.get(name)
      for (const axis of axes) check(axis, (producer && places.get(producer)) ?? OUTSIDE)
    }
    for (const [{ node }, { axes }] of this.readings)
      for (const axis of axes) check(axis, places.get(node)!)
    for (const { axis, node } of [...this.contractions, ...this.sizes, ...this.attributes])
      check(axis, places.get(node)!)
  }
}
