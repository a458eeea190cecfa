/** How the nodes of a model use its constants: as weights of layers, as operands beside values of the network, or not at all. */
import { capturedValues } from '../model/links.ts'
import { type Model, type Node, requiredInputs } from '../model/model.ts'
import { isFloat } from '../tensor/dtype.ts'
import { elementCount, type LazyTensor } from '../tensor/tensor.ts'
import type { ValueInfo } from './contract/infer.ts'
import { inferModel } from './inference.ts'
import { operatorOf } from './table.ts'

/** How a constant meets a value of the network. */
export interface OperandUse {
  readonly kind: 'bias' | 'scale' | 'entries'
  /** Of the value that it meets, where it is known. */
  readonly rank: number | undefined
  /** Is it the scale or the shift of a normalization that has none of its own? */
  readonly isAffine: boolean
  /** Is it added to what a layer computes with a single unit? */
  readonly isOfOneUnit: boolean
}

/** What a node reads. */
interface Reading {
  /** Values that depend on what the model is given. */
  readonly given: readonly string[]
  /** Those of them that are signals. */
  readonly met: readonly string[]
  /** Where the parameters of its operator are fixed: numbers of its inputs. */
  readonly weights: readonly number[]
}

export class UsesOfConstants {
  readonly #constants: ReadonlyMap<string, LazyTensor>
  readonly #isFiller: (name: string) => boolean
  readonly #infos: ReadonlyMap<string, ValueInfo>
  readonly #producers = new Map<string, Node>()
  /** Values that depend on nothing that the model is given, but for sizes that they are cut or repeated to. */
  readonly #fixed: Set<string>
  /** Integers that follow from the sizes of values. */
  readonly #sizes = new Set<string>()
  /** Values that carry what the model computes with: its float inputs, and what was looked up. */
  readonly #signals = new Set<string>()
  /** Signals that no layer has touched. */
  readonly #raw = new Set<string>()
  /** What an operator makes probabilities of. */
  readonly #toProbabilities: ReadonlySet<string>
  /** Tables that are looked up at places that the file says: those of relative positions. */
  readonly #inPlace = new Set<string>()
  /** What layers compute with weights of their own, moved, scaled or added up since. */
  readonly #ofLayers = new Set<string>()
  /** What normalizations compute with ones and zeros in the place of a scale and a shift, moved or scaled since. */
  readonly #plain = new Set<string>()

  /** Constants that are parameters of operators, or that such are computed from. */
  readonly own = new Set<string>()
  /** Of these, the tables of which entries are looked up. */
  readonly lookedUp = new Set<string>()
  /** Constants that recurrences begin with. */
  readonly states = new Set<string>()
  /** Constants that meet values of the network otherwise. */
  readonly operands = new Map<string, OperandUse>()

  /**
   * @param constants the model's floating-point constants, by name
   * @param isFiller is this constant what an exporter puts in the place of a scale or a shift?
   */
  constructor(
    model: Model,
    constants: ReadonlyMap<string, LazyTensor>,
    isFiller: (name: string) => boolean,
  ) {
    const { graph } = model
    this.#constants = constants
    this.#isFiller = isFiller
    this.#infos = inferModel(model)
    this.#fixed = new Set(graph.initializers.keys())
    this.#toProbabilities = new Set(
      graph.nodes.filter((node) => operatorOf(node)?.training?.link).map((node) => node.inputs[0]!),
    )
    for (const { name, type } of requiredInputs(graph)) {
      const dtype = type.kind === 'tensor' ? type.dtype : undefined
      // Images come as bytes too; other integers count, name or place.
      const isSignal =
        dtype === undefined || isFloat(dtype) || dtype === 'uint8' || dtype === 'int8'
      if (!isSignal) continue
      this.#signals.add(name)
      this.#raw.add(name)
    }
    for (const node of graph.nodes) this.#visit(node)
  }

  /** Is it a value that a node computes? */
  isComputed(name: string): boolean {
    return this.#producers.has(name)
  }

  #visit(node: Node): void {
    const reading = this.#readingOf(node)
    for (const name of node.outputs) {
      this.#producers.set(name, node)
      if (this.#isSize(node, name)) this.#sizes.add(name)
      else if (reading.given.length === 0) this.#fixed.add(name)
    }
    this.#takeWeights(node, reading)
    this.#takeStates(node)
    this.#takeOperands(node, reading)
    this.#followLayers(node, reading)
    this.#followSignals(node, reading)
  }

  /** Does a value follow from the sizes of others? */
  #isSize(node: Node, name: string): boolean {
    const { dtype } = this.#infos.get(name) ?? {}
    if (dtype === undefined || isFloat(dtype)) return false
    if (node.opType === 'Shape' || node.opType === 'Size') return true
    const inputs = inputsOf(node)
    return (
      inputs.some((input) => this.#sizes.has(input)) &&
      inputs.every((input) => this.#sizes.has(input) || this.#fixed.has(input))
    )
  }

  #readingOf(node: Node): Reading {
    // The places at which a table is looked up are given, also where they are all places up to a size.
    const isLookup = operatorOf(node)?.growth?.layer !== undefined
    const given = inputsOf(node).filter(
      (name) => !this.#fixed.has(name) && (isLookup || !this.#sizes.has(name)),
    )
    const parameters = operatorOf(node)?.training?.parameters ?? []
    return {
      given,
      met: given.filter((name) => this.#signals.has(name)),
      weights: parameters.filter((i) => this.#fixed.has(node.inputs[i] ?? '')),
    }
  }

  /** The constants that the parameters of the node's operator are, or are computed from. */
  #takeWeights(node: Node, { given, met, weights }: Reading): void {
    for (const i of weights) {
      const name = node.inputs[i]!
      const dims = this.#infos.get(name)?.shape ?? []
      // What multiplies numbers that no signal gave (positions, say) is a weight only as a matrix.
      if (met.length === 0 && dims.filter((dim) => dim !== 1).length < 2) continue
      if (given.length === 0 && operatorOf(node)?.growth?.layer) {
        if (this.#constants.has(name)) this.#inPlace.add(name)
        continue
      }
      for (const source of this.#sources(name, isDifferentiable))
        if (source === name || this.#isLarge(source)) this.own.add(source)
      if (met.length === 0 && this.#constants.has(name)) this.lookedUp.add(name)
    }
  }

  #takeStates(node: Node): void {
    for (const i of operatorOf(node)?.training?.states ?? [])
      for (const source of this.#sources(node.inputs[i] ?? '', isMoved))
        if (this.#isLarge(source)) this.states.add(source)
  }

  /** The constants that the node adds to a signal, multiplies it by, or puts beside it. */
  #takeOperands(node: Node, { met }: Reading): void {
    const kind = operatorOf(node)?.training?.operand
    const [signal] = met
    if (!kind || signal === undefined || met.every((name) => this.#raw.has(name))) return
    // Of attention, say: what is added to the product of two signals. A layer's bias may come before a softmax, too.
    const isBiasOfScores =
      kind === 'bias' &&
      node.outputs.some((output) => this.#toProbabilities.has(output)) &&
      !met.every((name) => this.#ofLayers.has(name))
    const rank = isBiasOfScores ? undefined : this.#infos.get(signal)?.shape?.length
    const isAffine = met.length === 1 && this.#plain.has(signal)
    const isOfOneUnit = kind === 'bias' && met.length === 1 && this.#isOfOneUnit(signal)
    for (const name of node.inputs.filter((input) => this.#fixed.has(input)))
      for (const source of this.#sources(name, isMoved)) {
        if (!this.operands.has(source))
          this.operands.set(source, { kind, rank, isAffine, isOfOneUnit })
        if (kind !== 'bias' || !this.#inPlace.has(source)) continue
        this.own.add(source)
        this.lookedUp.add(source)
      }
  }

  /** Is it a product with a matrix of one column? */
  #isOfOneUnit(name: string): boolean {
    const node = this.#producers.get(name)
    const parameters =
      node && operatorOf(node)?.growth?.layer && operatorOf(node)?.training?.parameters
    const isColumn = (dims: ValueInfo['shape']) => dims?.length === 2 && dims[1] === 1
    return (
      this.#infos.get(name)?.shape?.at(-1) === 1 &&
      (parameters ?? []).some((i) => isColumn(this.#infos.get(node!.inputs[i] ?? '')?.shape))
    )
  }

  #followLayers(node: Node, { met, weights }: Reading): void {
    const operator = operatorOf(node)
    const isPassed = isMoved(node) || operator?.training?.operand !== undefined
    const isOwn = weights.length > 0 && met.length > 0
    const isFilled = isOwn && weights.every((i) => this.#isFiller(node.inputs[i]!))
    const isOfLayer =
      (isOwn && operator?.growth?.layer) ||
      (isPassed && met.length > 0 && met.every((name) => this.#ofLayers.has(name)))
    const isPlain = isFilled || (isPassed && met.length === 1 && this.#plain.has(met[0]!))
    for (const name of node.outputs) {
      if (isOfLayer) this.#ofLayers.add(name)
      if (isPlain) this.#plain.add(name)
    }
  }

  #followSignals(node: Node, { given, met, weights }: Reading): void {
    if (met.length === 0 && (weights.length === 0 || given.length === 0)) return
    for (const name of node.outputs) {
      const { dtype } = this.#infos.get(name) ?? {}
      if (dtype !== undefined && !isFloat(dtype)) continue
      this.#signals.add(name)
      if (weights.length === 0 && met.every((input) => this.#raw.has(input))) this.#raw.add(name)
    }
  }

  #isLarge(name: string): boolean {
    return elementCount(this.#constants.get(name)!.dims) > 1
  }

  /** The float constants that a value is computed from, `through` nodes for which that holds. */
  #sources(name: string, through: (node: Node) => boolean): readonly string[] {
    if (this.#constants.has(name)) return [name]
    const node = this.#producers.get(name)
    if (!node || !through(node)) return []
    const facet = operatorOf(node)?.growth?.normalization
    return node.inputs.flatMap((input, i) =>
      input === '' || i === facet?.mean || i === facet?.variance
        ? []
        : this.#sources(input, through),
    )
  }
}

const inputsOf = (node: Node): readonly string[] =>
  [...node.inputs, ...capturedValues(node)].filter((name) => name !== '')

const isDifferentiable = (node: Node): boolean =>
  typeof operatorOf(node)?.gradient === 'function' && node.inputs.length > 0

/** Does the node only move, repeat or scale the elements of its first input? */
const isMoved = (node: Node): boolean => {
  const { scaling, training } = operatorOf(node) ?? { scaling: 'none' }
  if (scaling === 'none' || training?.operand) return false
  return scaling === 'view' || scaling.linear
}
