/**
 * Facts: what each value of a model is, found in one pass before any axis exists, and never revised.
 *
 * Weights are constants, and what nodes compute from constants alone (a transposed weight, a masked or
 * normalized one, a product of low rank). Numbers that follow from sizes count as constants, whatever
 * they were computed from: what grows need not change them, since a plan can make constants of them.
 */
import { type Links, linksOf } from '../../model/links.ts'
import type { Model, Node } from '../../model/model.ts'
import { moduleName, nodeKey, nodeLabel } from '../../model/names.ts'
import type { ValueInfo } from '../../operators/contract/infer.ts'
import type { Operator } from '../../operators/contract/operator.ts'
import { elementsOf } from '../../operators/helpers/elements.ts'
import { movesElements, scalingOf } from '../../operators/helpers/scaling.ts'
import { inferModel } from '../../operators/inference.ts'
import { operatorOf } from '../../operators/table.ts'
import { dtypes, isFloat } from '../../tensor/dtype.ts'
import type { KnownNumbers } from '../../tensor/known-numbers.ts'
import { elementCount, isNumeric, type LazyTensor } from '../../tensor/tensor.ts'

/** One use of one constant as a tensor that has axes. */
export interface Reading {
  readonly node: Node
  readonly input: number
  /** The initializer, or the output of the Constant node. */
  readonly name: string
  readonly tensor: LazyTensor
}

/** The elements of one constant, moved; computed from constants; computed with a product of two. */
export type Derivation = 'moved' | 'computed' | 'product'

export type Provenance =
  /** It depends on what the network is given, or is data that layers compute from constants. */
  | { readonly kind: 'activation' }
  | { readonly kind: 'constant'; readonly tensor: LazyTensor }
  /** It is filled with numbers and has no axes of a constant. */
  | { readonly kind: 'generated'; readonly readsSizes: boolean }
  | {
      readonly kind: 'weight'
      readonly readings: ReadonlySet<Reading>
      readonly derivation: Derivation
      readonly readsSizes: boolean
    }
  /** It follows from sizes, and every element is known. */
  | { readonly kind: 'size'; readonly numbers: KnownNumbers }

/** A node with a weight of its own. */
export interface LayerSite {
  readonly node: Node
  readonly name: string
  /** The module's name in the framework that wrote the file (`h.0.mlp.c_fc`), where it says that. */
  readonly module?: string
  readonly operator: Operator
  /** Name of the constant that holds the weight; of several that it is computed from, the largest. */
  readonly weight: string
  readonly weightDims: readonly number[]
  /** Input position of the weight. */
  readonly weightInput: number
  /** The output axis that is the layer's width, from the back where negative. */
  readonly widthAxis: number
}

export type OperatorLookup = (node: Node) => Operator | undefined

export interface Facts {
  readonly model: Model
  readonly links: Links
  readonly values: ReadonlyMap<string, ValueInfo>
  readonly operatorOf: OperatorLookup
  readonly layers: readonly LayerSite[]
  provenance(name: string): Provenance
  /** Does nothing of the node's result depend on the network's inputs? */
  isAlone(node: Node): boolean
  /** The reading of a constant at an input; undefined where there is none, or it is read as numbers. */
  readingAt(node: Node, input: number): Reading | undefined
  /** Readings of one constant that come together in the weight that a node computes. */
  tiesAt(node: Node): readonly (readonly [Reading, Reading])[]
  /** The readings of the same constant in the same weight, this one included: what one takes, all take. */
  tiedTo(reading: Reading): ReadonlySet<Reading>
  /** The constants that a value is computed from alone; none for an activation. */
  readingsIn(name: string): ReadonlySet<Reading>
}

/** The names of values that follow from sizes, with their numbers. */
export function* sizesIn({ model, provenance }: Facts): Generator<[string, KnownNumbers]> {
  for (const node of model.graph.nodes)
    for (const name of node.outputs) {
      const found = provenance(name)
      if (found.kind === 'size') yield [name, found.numbers]
    }
}

export const isWeight = ({ kind }: Provenance): boolean => kind === 'constant' || kind === 'weight'

/** Larger numbers mean "to the end": no size is that large. */
const MAX_NUMBER = 2 ** 31 - 1

/**
 * What is known of a value, if that is all of its elements: a number, or a list of integers. (A
 * matrix is data, and so is a list of floats, even of one: as a constant it would be a weight.)
 */
function knownNumbers(info: ValueInfo): KnownNumbers | undefined {
  const { dtype, shape } = info
  const elements = elementsOf(info)
  if (dtype === undefined || !isNumeric(dtype) || !shape || !elements || shape.length > 1)
    return undefined
  const float = isFloat(dtype)
  if (float && (shape.length > 0 || dtypes[dtype].bits < 32)) return undefined
  const isKnown = (element: unknown): element is number =>
    typeof element === 'number' &&
    Math.abs(element) <= MAX_NUMBER &&
    (float || Number.isInteger(element))
  return elements.every(isKnown)
    ? { dtype, dims: shape.map(() => elements.length), elements }
    : undefined
}

const activation: Provenance = { kind: 'activation' }
const noReadings: ReadonlySet<Reading> = new Set()
const noTies: readonly (readonly [Reading, Reading])[] = []

/** Never fails for what it does not understand: that is an activation. */
export const factsOf = (model: Model, lookup: OperatorLookup = operatorOf): Facts =>
  new FactFinder(model, lookup)

class FactFinder implements Facts {
  readonly model: Model
  readonly links: Links
  readonly values: ReadonlyMap<string, ValueInfo>
  readonly operatorOf: OperatorLookup
  readonly layers: readonly LayerSite[]
  readonly #provenance = new Map<string, Provenance>()
  readonly #readings = new Map<Node, Map<number, Reading>>()
  readonly #tiesAt = new Map<Node, (readonly [Reading, Reading])[]>()
  readonly #ties = new Map<Reading, ReadonlySet<Reading>>()
  /** Nodes whose results are parts of layers' weights: a product of constants is no layer there. */
  readonly #inWeights = new Set<Node>()

  constructor(model: Model, lookup: OperatorLookup) {
    this.model = model
    this.operatorOf = lookup
    this.links = linksOf(model.graph)
    this.values = inferModel(model, { nameSizes: true })
    for (const [name, { tensor }] of model.graph.initializers)
      this.#provenance.set(name, { kind: 'constant', tensor })
    const outputs = new Set(model.graph.outputs.map(({ name }) => name))
    const layers = model.graph.nodes.flatMap((node) => {
      this.#readConstants(node)
      this.#classify(node, outputs)
      return this.#layerAt(node) ?? []
    })
    this.layers = layers.filter(({ node }) => !this.#inWeights.has(node))
  }

  readonly provenance = (name: string): Provenance => this.#provenance.get(name) ?? activation

  readingAt(node: Node, input: number): Reading | undefined {
    return this.#readings.get(node)?.get(input)
  }

  tiesAt(node: Node): readonly (readonly [Reading, Reading])[] {
    return this.#tiesAt.get(node) ?? noTies
  }

  tiedTo(reading: Reading): ReadonlySet<Reading> {
    return this.#ties.get(reading) ?? new Set([reading])
  }

  readingsIn(name: string): ReadonlySet<Reading> {
    const found = this.provenance(name)
    return found.kind === 'weight' ? found.readings : noReadings
  }

  /** What stands at an input, the constant or the weight that is read there. */
  #readingsAt(node: Node, input: number): ReadonlySet<Reading> {
    const reading = this.readingAt(node, input)
    return reading ? new Set([reading]) : this.readingsIn(node.inputs[input] ?? '')
  }

  #readConstants(node: Node): void {
    const reads = this.operatorOf(node)?.reads
    if (reads?.shapes) return
    node.inputs.forEach((name, input) => {
      const found = this.provenance(name)
      if (found.kind !== 'constant' || reads?.numbers?.includes(input)) return
      const readings = this.#readings.get(node) ?? new Map<number, Reading>()
      this.#readings.set(node, readings.set(input, { node, input, name, tensor: found.tensor }))
    })
  }

  #classify(node: Node, outputs: ReadonlySet<string>): void {
    const first = nodeKey(node)
    const info = this.values.get(first)
    if (info?.constant && node.inputs.length === 0) {
      this.#provenance.set(first, { kind: 'constant', tensor: info.constant })
      return
    }
    const operator = this.operatorOf(node)
    // What nodes compute from the elements of constants is a weight; what they compute from sizes is not.
    const numbers =
      info && node.outputs.length === 1 && !outputs.has(first) ? knownNumbers(info) : undefined
    if (numbers && (operator?.reads?.shapes || !this.#isComputed(node))) {
      this.#provenance.set(first, { kind: 'size', numbers })
      return
    }
    const found = this.#weightAt(node, operator)
    if (!found) return
    for (const name of node.outputs) if (name !== '') this.#provenance.set(name, found)
    if (found.kind === 'weight') this.#tie(node, found.readings)
  }

  /** Does the node compute with constants alone, not with sizes? */
  #isComputed(node: Node): boolean {
    return node.inputs.every((name) => {
      if (name === '') return true
      const found = this.provenance(name)
      return found.kind === 'constant' || ('readsSizes' in found && !found.readsSizes)
    })
  }

  isAlone(node: Node): boolean {
    return node.inputs.every((name) => name === '' || this.provenance(name).kind !== 'activation')
  }

  /**
   * A product of products is no weight: there layers compute with constants (learned queries) as their
   * data. A single number is one (the norm of a weight, uᵀ·W·v).
   */
  #weightAt(node: Node, operator: Operator | undefined): Provenance | undefined {
    const isView = movesElements(operator) && this.#readingsAt(node, 0).size > 0
    const isAlone = this.isAlone(node)
    if (!isView && !isAlone) return undefined
    const isLayer = operator?.growth?.layer !== undefined
    const derivations = node.inputs.map((name) => this.#derivationOf(name))
    const isProduct = derivations.includes('product')
    const isNumber = this.values.get(node.outputs[0] ?? '')?.shape?.every((size) => size === 1)
    if (isLayer && isProduct && !isNumber) return undefined
    const readsSizes = !this.#isComputed(node)
    const from = isAlone ? [...node.inputs.keys()] : [0]
    const readings = new Set(from.flatMap((i) => [...this.#readingsAt(node, i)]))
    if (readings.size === 0) return { kind: 'generated', readsSizes }
    const derivation = isLayer || isProduct ? 'product' : isView ? derivations[0]! : 'computed'
    return { kind: 'weight', readings, derivation, readsSizes }
  }

  #derivationOf(name: string): Derivation {
    const found = this.provenance(name)
    return found.kind === 'weight' ? found.derivation : 'moved'
  }

  #tie(node: Node, readings: ReadonlySet<Reading>): void {
    const byName = new Map<string, Reading>()
    for (const reading of readings) {
      const first = byName.get(reading.name)
      if (!first) {
        byName.set(reading.name, reading)
        continue
      }
      if (this.tiedTo(first).has(reading)) continue
      const tied = new Set([...this.tiedTo(first), ...this.tiedTo(reading)])
      for (const each of tied) this.#ties.set(each, tied)
      this.#tiesAt.set(node, [...this.tiesAt(node), [first, reading]])
    }
  }

  #layerAt(node: Node): LayerSite | undefined {
    const operator = this.operatorOf(node)
    const facet = operator?.growth?.layer?.weight((i) => this.#isLayerWeight(node, i), node)
    if (!operator || !facet) return undefined
    const read = node.inputs[facet.input] ?? ''
    const weight = this.#largestIn(read) ?? read
    const found = this.provenance(weight)
    const dims =
      this.values.get(read)?.shape ?? (found.kind === 'constant' ? found.tensor.dims : undefined)
    if (!dims) return undefined
    // Of constants alone, whatever is computed may be data.
    if (!this.isAlone(node)) this.#markInWeight(read)
    else if (this.#derivationOf(read) !== 'moved') return undefined
    const module = moduleName(node)
    return {
      node,
      name: nodeLabel(node),
      ...(module !== undefined && { module }),
      operator,
      weight,
      weightDims: dims.map((dim) => (typeof dim === 'number' ? dim : 0)),
      weightInput: facet.input,
      widthAxis: facet.widthAxis,
    }
  }

  /** What is computed and comes first is data (queries for keys). */
  #isLayerWeight({ inputs }: Node, i: number): boolean {
    const found = this.provenance(inputs[i] ?? '')
    return (
      found.kind === 'constant' ||
      (found.kind === 'weight' && (i > 0 || found.derivation === 'moved'))
    )
  }

  /** Of a value computed from constants: the name of the largest (of v rather than g in g·v/‖v‖). */
  #largestIn(name: string): string | undefined {
    const readings = [...this.readingsIn(name)]
    const floats = readings.filter(({ tensor }) => isFloat(tensor.dtype))
    const candidates = floats.length > 0 ? floats : readings
    const sizes = candidates.map(({ tensor }) => elementCount(tensor.dims))
    return candidates[sizes.indexOf(Math.max(...sizes))]?.name
  }

  /** Marks the nodes that compute a weight from constants, as far back as factors pass. */
  #markInWeight(name: string): void {
    const names = [name]
    for (let next = names.pop(); next !== undefined; next = names.pop()) {
      const node = this.links.producers.get(next)
      if (!node || this.#inWeights.has(node) || !scalingOf(this.operatorOf(node))) continue
      this.#inWeights.add(node)
      names.push(...node.inputs)
    }
  }
}
