/**
 * What differs between two models, cut out of both. A value that both compute from equal nodes and
 * from values that are equal is equal: nothing has to be run for that. The other nodes form regions.
 * A region takes values that are equal in both models (its borders) and gives values that should be
 * equal again (its points). If every region gives the same for the same borders, whatever these hold,
 * then by induction along the graph both models compute the same.
 */
import { tensorDeclaration } from '../model/builder.ts'
import {
  type Attribute,
  type Graph,
  type Initializer,
  type Model,
  type Node,
  requiredInputs,
} from '../model/model.ts'
import { nodeLabel } from '../model/names.ts'
import { operatorOf } from '../operators/table.ts'
import { isFloat } from '../tensor/dtype.ts'
import { elementCount, type LazyTensor } from '../tensor/tensor.ts'
import { readBy } from './out-of-core/segments.ts'
import { sameTensors } from './same-tensors.ts'
import type { Side } from './side.ts'
import { hasCopiedColumns } from './table-rows.ts'

const kindOf = ({ domain, opType }: Node): string => `${domain}:${opType}`

const constantOf = ({ values }: Side, name: string): LazyTensor | undefined =>
  values.get(name)?.constant

/** A node of the second model with weights that the first does not have. */
export interface ChangedLayer {
  readonly label: string
  readonly node: Node
  /** Its largest weight that differs; undefined where no change of it can be shown: it lies in a subgraph. */
  readonly weight: string | undefined
  /** It is a table, of which the rows that are looked up do not show the others. */
  readonly isTable?: boolean
}

export interface Cut {
  /** The regions of both models: points go out as `pointName`; the inputs are left to be declared. */
  readonly a: Model
  readonly b: Model
  /** What the regions take. */
  readonly borders: ReadonlySet<string>
  /** Values that both models compute, differently, and that are to be compared. */
  readonly points: readonly string[]
  readonly layers: readonly ChangedLayer[]
  /** Points and outputs of the model whose equality is not established by any region. */
  readonly open: readonly string[]
  /** The regions that lead to some of the points. */
  towards(points: readonly string[]): Cut
  /** The layers between the borders and a value of a region. */
  layersBefore(value: string): readonly ChangedLayer[]
  /** The points that a value of a region takes as borders. */
  pointsBefore(value: string): readonly string[]
  /**
   * Those of them that follow from values of which this one is also computed, as the mean before the variance: as
   * borders they hold what those values never give.
   */
  entangledWith(value: string): readonly string[]
}

/** The name under which a region gives a point: consumers of the point take it as a border. */
export const pointName = (value: string): string => `${value} (point)`

/** The value that is given under such a name. */
export const pointOf = (name: string): string => name.slice(0, -pointName('').length)

/** Finds and compares; what was compared once is not compared again in later cuts. */
export class Cutter {
  readonly #a: Side
  readonly #b: Side
  readonly #same = new Map<LazyTensor, Map<LazyTensor, boolean>>()
  readonly #shown = new Map<LazyTensor, boolean>()
  readonly #signal: AbortSignal | undefined

  constructor(a: Side, b: Side, signal?: AbortSignal) {
    this.#a = a
    this.#b = b
    this.#signal = signal
  }

  /**
   * Cuts both models. `excluded` are values that may not serve as borders: their consumers belong to
   * the region that computes them.
   */
  async cut(excluded: ReadonlySet<string>): Promise<Cut> {
    const [a, b] = [this.#a, this.#b]
    const outputs = new Set(b.model.graph.outputs.map(({ name }) => name))
    const required = new Set(requiredInputs(a.model.graph).map(({ name }) => name))
    /** Values that are equal in both models. */
    const equal = new Set(required)
    const clean = new Set<Node>()
    /** Values that need no region. */
    const settled = new Set(required)
    const points: string[] = []
    const regions: Node[] = []
    const layers: ChangedLayer[] = []
    for (const node of b.model.graph.nodes) {
      const given = node.outputs.filter((name) => name !== '')
      if (given.every((name) => constantOf(b, name))) continue
      const counterpart = a.producers.get(given[0]!)
      if (counterpart && (await this.#isSame(counterpart, node, equal))) {
        clean.add(counterpart)
        // What is excluded is computed again in the region of its consumers.
        for (const name of given) {
          settled.add(name)
          if (!excluded.has(name)) equal.add(name)
        }
        if (given.some((name) => excluded.has(name))) regions.push(node)
        continue
      }
      regions.push(node)
      const changed = await this.#changedLayer(counterpart, node)
      if (changed) layers.push(changed)
      for (const name of given)
        if (a.producers.has(name) && (outputs.has(name) || this.#fits(name))) {
          points.push(name)
          if (!excluded.has(name)) equal.add(name)
        }
    }
    const open: string[] = []
    for (const name of outputs) {
      const [first, second] = [constantOf(a, name), constantOf(b, name)]
      const isEqual = first && second && (await this.#sameBits(first, second))
      if (!isEqual && !settled.has(name) && !points.includes(name)) open.push(name)
    }
    const isOpen = (name: string) => !equal.has(name) || !clean.has(a.producers.get(name)!)
    const inRegion = (node: Node) =>
      node.outputs.some((name) => name !== '' && !constantOf(a, name) && isOpen(name))
    const nodes = a.model.graph.nodes.filter(inRegion)
    const towards = (chosen: readonly string[]): Cut => {
      const first = regionModel(a, nodes, chosen, equal)
      const second = regionModel(b, regions, chosen, equal)
      const known = new Map<string, ReadonlySet<Node>>()
      const before = (value: string) => {
        const found = known.get(value) ?? nodesBefore(second.nodes, value, equal)
        known.set(value, found)
        return found
      }
      const pointsBefore = (value: string) => {
        const read = new Set([...before(value)].flatMap(readBy))
        return points.filter((name) => equal.has(name) && read.has(name))
      }
      return {
        a: { ...a.model, graph: first.graph },
        b: { ...b.model, graph: second.graph },
        borders: new Set([...first.borders, ...second.borders]),
        points: chosen,
        layers: layers.filter(({ node }) => second.nodes.includes(node)),
        open,
        towards,
        layersBefore(value) {
          const found = before(value)
          return layers.filter(({ node }) => found.has(node))
        },
        pointsBefore,
        entangledWith(value) {
          const found = before(value)
          return pointsBefore(value).filter((point) =>
            [...before(point)].some((node) => found.has(node)),
          )
        },
      }
    }
    return towards(points)
  }

  /** Same operator, attributes and constants, and inputs that are equal? */
  async #isSame(a: Node, b: Node, equal: ReadonlySet<string>): Promise<boolean> {
    if (kindOf(a) !== kindOf(b)) return false
    if (`${a.outputs}` !== `${b.outputs}` || a.inputs.length !== b.inputs.length) return false
    const opsets = [this.#a, this.#b].map(({ model }) => model.opsets.get(a.domain))
    if (opsets[0] !== opsets[1]) return false
    const [read, others] = [readBy(a), readBy(b)]
    if (read.length !== others.length) return false
    for (const [i, name] of read.entries()) {
      const other = others[i]!
      const [first, second] = [constantOf(this.#a, name), constantOf(this.#b, other)]
      if (first && second) {
        if (!(await this.#sameBits(first, second))) return false
      } else if (first || second || name !== other || !equal.has(name)) return false
    }
    // An omitted input is none of those that are read.
    if (a.inputs.some((name, i) => (name === '') !== (b.inputs[i] === ''))) return false
    return this.#sameAttributes(a.attributes, b.attributes)
  }

  async #sameAttributes(a: Node['attributes'], b: Node['attributes']): Promise<boolean> {
    if (a.size !== b.size) return false
    for (const [name, value] of a) {
      const other = b.get(name)
      if (!other || !(await this.#sameAttribute(value, other))) return false
    }
    return true
  }

  async #sameAttribute(a: Attribute, b: Attribute): Promise<boolean> {
    if (a.type !== b.type) return false
    if (a.type === 'tensor') return this.#sameBits(a.value, (b as typeof a).value)
    if (a.type === 'graph') return this.#sameGraph(a.value, (b as typeof a).value)
    if (a.type === 'graphs') {
      const others = (b as typeof a).value
      if (a.value.length !== others.length) return false
      for (const [i, graph] of a.value.entries())
        if (!(await this.#sameGraph(graph, others[i]!))) return false
      return true
    }
    // What is not interpreted cannot be compared, unless it is the same object.
    if (a.type === 'opaque') return a === b
    return `${a.value}` === `${(b as typeof a).value}`
  }

  async #sameGraph(a: Graph, b: Graph): Promise<boolean> {
    const names = (graph: Graph) =>
      JSON.stringify([
        graph.inputs.map(({ name }) => name),
        graph.outputs.map(({ name }) => name),
        [...graph.initializers.keys()],
        graph.nodes.map(({ opType, domain, inputs, outputs }) => [opType, domain, inputs, outputs]),
      ])
    if (names(a) !== names(b)) return false
    for (const [name, { tensor }] of a.initializers)
      if (!(await this.#sameBits(tensor, b.initializers.get(name)!.tensor))) return false
    for (const [i, node] of a.nodes.entries())
      if (!(await this.#sameAttributes(node.attributes, b.nodes[i]!.attributes))) return false
    return true
  }

  async #sameBits(a: LazyTensor, b: LazyTensor): Promise<boolean> {
    if (a === b) return true
    let known = this.#same.get(a)
    if (!known) {
      known = new Map()
      this.#same.set(a, known)
    }
    let same = known.get(b)
    if (same === undefined) {
      same = await sameTensors(a, b, this.#signal)
      known.set(b, same)
    }
    return same
  }

  /** The weight of a node that differs, if one does: the largest where several do. */
  async #changedLayer(a: Node | undefined, b: Node): Promise<ChangedLayer | undefined> {
    let weight: string | undefined
    let size = 0
    for (const [i, name] of b.inputs.entries()) {
      const tensor = constantOf(this.#b, name)
      if (!tensor || !isWeight(tensor)) continue
      const before = a && constantOf(this.#a, a.inputs[i] ?? '')
      if (before && (await this.#sameBits(before, tensor))) continue
      const count = elementCount(tensor.dims)
      if (count === 1 && !a && (await this.#isKnownNumber(name, tensor))) continue
      if (count <= size) continue
      weight = name
      size = count
    }
    // A bias follows the layer before it, and some move nothing: those of the keys of attention.
    if (operatorOf(b)?.growth?.bias && size === biggestAxis(this.#b, weight)) return undefined
    const label = nodeLabel(b)
    if (weight !== undefined) {
      const isTable = a !== undefined && !(await this.#showsAllRows(a, b, weight))
      return { label, node: b, weight, isTable }
    }
    const holdsGraphs = [...b.attributes.values()].some(({ type }) => type.startsWith('graph'))
    const differs = holdsGraphs && !(a && (await this.#sameAttributes(a.attributes, b.attributes)))
    return differs ? { label, node: b, weight: undefined } : undefined
  }

  /** A single number (an exponent, an epsilon) that the first model has under this name differs nowhere. */
  async #isKnownNumber(name: string, tensor: LazyTensor): Promise<boolean> {
    const known = constantOf(this.#a, name)
    return known !== undefined && this.#sameBits(known, tensor)
  }

  /** Follow the rows of a table that nobody looks up from those that somebody does? */
  async #showsAllRows(a: Node, b: Node, weight: string): Promise<boolean> {
    const of = operatorOf(b)?.reads?.positions?.of
    if (of === undefined || b.inputs[of] !== weight) return true
    const [before, after] = [constantOf(this.#a, a.inputs[of] ?? ''), constantOf(this.#b, weight)]
    if (!before || !after) return false
    let shows = this.#shown.get(after)
    if (shows === undefined) {
      shows = await hasCopiedColumns(before, after, this.#signal)
      this.#shown.set(after, shows)
    }
    return shows
  }

  /** May a value be a point: a tensor of numbers that has the same shape in both models? */
  #fits(name: string): boolean {
    const [a, b] = [this.#a.values.get(name), this.#b.values.get(name)]
    if (a?.constant || b?.constant) return false
    const dtype = a?.dtype ?? b?.dtype
    if (dtype === undefined || !(isFloat(dtype) || dtype === 'bool') || dtype === 'bfloat16')
      return false
    return !a?.shape || !b?.shape || `${a.shape}` === `${b.shape}`
  }
}

const biggestAxis = (side: Side, name: string | undefined): number =>
  Math.max(1, ...((name !== undefined && constantOf(side, name)?.dims) || []))

/** A constant that could be trained or quantized, and not one that holds sizes or indices. */
const isWeight = ({ dtype }: LazyTensor): boolean =>
  isFloat(dtype) || dtype === 'int8' || dtype === 'uint8'

/** The nodes of a model that lead to the points, and the borders that they take. */
function regionModel(
  side: Side,
  nodes: readonly Node[],
  points: readonly string[],
  equal: ReadonlySet<string>,
): { readonly graph: Graph; readonly nodes: readonly Node[]; readonly borders: readonly string[] } {
  const { model } = side
  const isPoint = new Set(points)
  const needed = new Set(points)
  const kept: Node[] = []
  for (const node of [...nodes].reverse()) {
    if (!node.outputs.some((name) => needed.has(name))) continue
    kept.push(node)
    for (const name of readBy(node)) if (!equal.has(name)) needed.add(name)
  }
  kept.reverse()
  const read = [...new Set(kept.flatMap(readBy))]
  const initializers = new Map<string, Initializer>()
  const borders: string[] = []
  for (const name of read) {
    const constant = constantOf(side, name)
    if (constant) initializers.set(name, model.graph.initializers.get(name) ?? { tensor: constant })
    else if (equal.has(name)) borders.push(name)
  }
  const renamed = (node: Node): Node => ({
    ...node,
    outputs: node.outputs.map((name) => (isPoint.has(name) ? pointName(name) : name)),
  })
  // A point that is not equal, such as an output, is read where it is made.
  const internal = new Set(points.filter((name) => !equal.has(name)))
  const aliases = [...internal].filter((name) => read.includes(name))
  const graph: Graph = {
    ...model.graph,
    nodes: kept.flatMap((node) => [
      renamed(node),
      ...aliases
        .filter((name) => node.outputs.includes(name))
        .map(
          (name): Node => ({
            name: '',
            opType: 'Identity',
            domain: '',
            inputs: [pointName(name)],
            outputs: [name],
            attributes: new Map(),
          }),
        ),
    ]),
    outputs: points.map((name) => tensorDeclaration(pointName(name), undefined, undefined)),
    values: [],
    initializers,
  }
  return { graph, nodes: kept, borders }
}

/** The nodes that compute a value from values that are equal. */
function nodesBefore(
  nodes: readonly Node[],
  value: string,
  equal: ReadonlySet<string>,
): ReadonlySet<Node> {
  const found = new Set<Node>()
  const wanted = new Set([value])
  for (const node of [...nodes].reverse()) {
    if (!node.outputs.some((name) => wanted.has(name))) continue
    found.add(node)
    for (const name of readBy(node)) if (!equal.has(name)) wanted.add(name)
  }
  return found
}
