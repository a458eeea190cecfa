/**
 * What a node requires of the tensor parts that it reads and computes, where some of them are split along a
 * variable: see splits.ts.
 */
import type { Node } from '../../model/model.ts'
import type { FactorAxis } from '../../operators/contract/axes.ts'
import type { ScalesWith } from '../../operators/contract/facets.ts'
import { movesElements, scalingOf } from '../../operators/helpers/scaling.ts'
import { dtypes, isFloat } from '../../tensor/dtype.ts'
import { elementCount, toNumbers } from '../../tensor/tensor.ts'
import type { SolvedAxes } from './axis-system.ts'
import type { Facts, Reading } from './facts.ts'
import type { Relations } from './relate.ts'
import type { Contraction, SelectedEntry } from './rule-context.ts'
import { agree, agreeInNumbers, isOnAxis, type TensorPart, TensorParts } from './tensor-parts.ts'

/** A sum of products of computed values, or of the entries of one value. */
export type OpenContraction = Contraction & { readonly factors: readonly FactorAxis[] }
export const isOpen = (contraction: Contraction): contraction is OpenContraction =>
  contraction.factors !== undefined

export interface Requirement {
  readonly part: TensorPart
  readonly isSplit: boolean
}

/** Alternatives at a node, of which one must hold. */
export interface Choice {
  readonly node: Node
  readonly options: readonly Option[]
}

export interface Option {
  readonly requirements: readonly Requirement[]
  readonly isLinear: boolean
}

/** What follows where a part is split. */
export interface Consequences {
  readonly requirements: readonly Requirement[]
  readonly choices: readonly Choice[]
}

export interface Failure {
  readonly node: Node
  readonly reason: string
}

export const isFailure = (result: object): result is Failure => 'reason' in result

/** Longer constants are not looked through for being 0. */
const MOST_ZEROS = 2 ** 16

const doesNotScale = 'does not scale with its input'
const notFollowed = 'composes it in a way that is not followed'
const nothing: ReadonlySet<number> = new Set()

/** The splitting graph: where factors may pass, for all variables alike. */
export class SplittingGraph {
  readonly facts: Facts
  readonly axes: SolvedAxes
  readonly relations: Relations
  readonly parts: TensorParts
  readonly #contractions = new Map<Node, Contraction[]>()
  readonly #selections: ReadonlyMap<Node, SelectedEntry>
  readonly #contracted = new Map<Node, ReadonlySet<number>>()

  constructor(facts: Facts, axes: SolvedAxes, relations: Relations) {
    this.facts = facts
    this.axes = axes
    this.relations = relations
    this.parts = new TensorParts(axes)
    this.#selections = new Map(relations.selections.map((each) => [each.node, each]))
    for (const each of relations.contractions) {
      const known = this.#contractions.get(each.node)
      if (known) known.push(each)
      else this.#contractions.set(each.node, [each])
    }
  }

  isView(node: Node): boolean {
    return movesElements(this.facts.operatorOf(node))
  }

  scalingOf(node: Node): ScalesWith | undefined {
    return scalingOf(this.facts.operatorOf(node))
  }

  contractionsOf(node: Node): readonly Contraction[] {
    return this.#contractions.get(node) ?? []
  }

  /** Does the node read one entry of an axis alone, and which variable is that? */
  selects(node: Node): { readonly entry: number | undefined } | undefined {
    const found = this.#selections.get(node)
    return found && { entry: this.axes.leaves(found.entry)[0] }
  }

  /** Elements of a value, an unknown size counted as one. */
  entriesOf(name: string): number {
    const shape = this.facts.values.get(name)?.shape ?? []
    return shape.reduce<number>((count, dim) => count * (typeof dim === 'number' ? dim : 1), 1)
  }

  /** Is an input the constant 0, which is a multiple of anything? */
  isZero(node: Node, input: number): boolean {
    const tensor = this.facts.readingAt(node, input)?.tensor
    if (tensor === undefined) return false
    // The zero points of quantized weights, one for each channel; other lists of zeros are learned.
    const count = elementCount(tensor.dims)
    const isList = dtypes[tensor.dtype].kind === 'integer' && count <= MOST_ZEROS
    return (count === 1 || isList) && toNumbers(tensor).every((number) => number === 0)
  }

  /** Numbers of the axes that a node contracts: the output may have them too, but not from there. */
  contractedAt(node: Node): ReadonlySet<number> {
    const known = this.#contracted.get(node)
    if (known) return known
    const axes = this.contractionsOf(node).map(({ axis }) => axis)
    const numbers = new Set(axes.flatMap((axis) => [...this.parts.numbersOf(axis)]))
    this.#contracted.set(node, numbers)
    return numbers
  }
}

/** The rules for one variable. */
export class SplitRules {
  readonly variable: number
  readonly graph: SplittingGraph
  readonly #inWhole: boolean
  readonly #ofValues = new Map<string, readonly TensorPart[]>()
  readonly #ofConstants = new Map<Reading, readonly TensorPart[]>()
  readonly #names = new Map<TensorPart, string>()
  readonly #members = new Map<TensorPart, readonly ReadonlySet<TensorPart>[]>()
  readonly #consequences = new Map<TensorPart, Consequences | Failure>()

  /** @param inWhole Integers may be split, too: the first copy takes all of them, and the others nothing. */
  constructor(graph: SplittingGraph, variable: number, inWhole: boolean) {
    this.graph = graph
    this.variable = variable
    this.#inWhole = inWhole
  }

  /** One factor of a contraction is split, the others are copied. */
  choiceOf({ node, factors }: OpenContraction): Choice {
    const parts = factors.map(({ input, axis }) =>
      this.#partsAt(node, input).filter((part) => isOnAxis(part, axis)),
    )
    const options = factors.map((_, i) => ({
      requirements: parts.flatMap((list, k) => list.map((part) => ({ part, isSplit: k === i }))),
      isLinear: true,
    }))
    return { node, options }
  }

  /** What follows for the nodes that compute and read a part that is split. */
  consequencesOf(part: TensorPart): Consequences | Failure {
    const known = this.#consequences.get(part)
    if (known) return known
    const found = part.constant
      ? this.#ofConstant(part, part.constant.reading)
      : this.#ofValue(part)
    this.#consequences.set(part, found)
    return found
  }

  /** That a part would have to be both. */
  conflictAt(part: TensorPart): Failure {
    const name = this.#names.get(part)
    const { producers, uses } = this.graph.facts.links
    const node = part.constant?.reading.node ?? producers.get(name!) ?? uses.get(name!)![0]!.node
    return { node, reason: 'would have to be copied and split at once' }
  }

  #ofConstant(part: TensorPart, { node, input, name, tensor }: Reading): Consequences | Failure {
    if (part.onlyCopied) return { node, reason: part.onlyCopied }
    const { kind, bits } = dtypes[tensor.dtype]
    const isWhole = kind === 'integer' && bits >= 8 && bits <= 32
    if (!isFloat(tensor.dtype) && !(this.#inWhole && isWhole))
      return { node, reason: `reads "${name}", which has no fractions` }
    const found = this.#reading(node, input, part)
    if (isFailure(found)) return found
    return { requirements: [...found, ...this.#tied(part)], choices: [] }
  }

  #ofValue(part: TensorPart): Consequences | Failure {
    const { links } = this.graph.facts
    const name = this.#names.get(part)!
    const producer = links.producers.get(name)
    const uses = links.uses.get(name) ?? []
    const node = producer ?? uses[0]?.node
    if (!producer || part.onlyCopied)
      return { node: node!, reason: part.onlyCopied ?? 'reads it from outside' }
    const choice = this.#producing(producer, producer.outputs.indexOf(name), part)
    if (isFailure(choice)) return choice
    const requirements: Requirement[] = []
    for (const use of uses) {
      const found = this.#reading(use.node, use.input, part)
      if (isFailure(found)) return found
      requirements.push(...found)
    }
    return { requirements, choices: [choice] }
  }

  /**
   * What is one constant in a weight is split everywhere in it. Its readings have the same axes, and so the same parts in the
   * same order, whatever variables their axes were written with.
   */
  #tied(part: TensorPart): readonly Requirement[] {
    const { reading } = part.constant!
    const partsOf = ({ node, input }: Reading) =>
      this.#partsAt(node, input).filter((each) => each.axis === part.axis)
    const own = partsOf(reading)
    return [...this.graph.facts.tiedTo(reading)].flatMap((other) => {
      if (other === reading) return []
      const parts = partsOf(other)
      const alike =
        parts.length === own.length
          ? [parts[own.indexOf(part)]!]
          : parts.filter((each) => agreeInNumbers(each, part, nothing))
      return alike.map((each) => ({ part: each, isSplit: true }))
    })
  }

  /** The ways in which a node's output can be split: by each set of inputs that take factors together. */
  #producing(node: Node, output: number, part: TensorPart): Choice | Failure {
    const scaling = this.graph.scalingOf(node)
    const sets = scaling?.inputs(node) ?? []
    if (!scaling || sets.length === 0 || (output > 0 && !this.graph.isView(node)))
      return { node, reason: doesNotScale }
    const members = this.#membersAt(node, part)
    if (members.every(({ size }) => size === 0)) return { node, reason: notFollowed }
    const { joins, linear } = scaling
    const options = this.#largestFirst(node, sets).flatMap((set): Option[] => {
      const given = set.filter((i) => (node.inputs[i] ?? '') !== '' && !this.graph.isZero(node, i))
      const found = given.filter((i) => members[i]!.size > 0)
      if (found.length === 0 || (!joins && found.length < given.length)) return []
      const requirements = members.flatMap((list, i) =>
        [...list].map((each) => ({ part: each, isSplit: set.includes(i) })),
      )
      return [{ requirements, isLinear: linear }]
    })
    return { node, options }
  }

  /** The weight rather than a scale of it. */
  #largestFirst(node: Node, sets: readonly (readonly number[])[]) {
    const size = (set: readonly number[]) =>
      Math.max(...set.map((i) => this.graph.entriesOf(node.inputs[i] ?? '')))
    return [...sets].sort((a, b) => size(b) - size(a))
  }

  /** What a node that reads a split part requires in turn. */
  #reading(node: Node, input: number, part: TensorPart): readonly Requirement[] | Failure {
    const { graph } = this
    if (graph.facts.operatorOf(node)?.reads?.shapes) return []
    for (const { axis, factors, does } of graph.contractionsOf(node)) {
      if (!graph.axes.leaves(axis).includes(this.variable)) continue
      if (!factors) return { node, reason: does }
      if (!factors.some((factor) => factor.input === input && isOnAxis(part, factor.axis))) continue
      return factors.flatMap((factor) =>
        factor.input === input
          ? []
          : this.#partsAt(node, factor.input)
              .filter((other) => isOnAxis(other, factor.axis))
              .map((other) => ({ part: other, isSplit: false })),
      )
    }
    if (!graph.scalingOf(node)) return { node, reason: doesNotScale }
    const outputs = node.outputs.slice(0, graph.isView(node) ? undefined : 1)
    const given = outputs.flatMap((name) => this.#partsOf(name))
    const isFollowed = given.every((each) =>
      this.#membersAt(node, each).some((list) => list.size > 0),
    )
    if (!isFollowed) return { node, reason: notFollowed }
    const members = given.filter((each) => this.#membersAt(node, each)[input]!.has(part))
    // Parts are left out by what takes elements from one place to another; nothing else may lose them.
    if (members.length === 0 && !graph.isView(node) && !graph.selects(node))
      return { node, reason: doesNotScale }
    return members.map((each) => ({ part: each, isSplit: true }))
  }

  /** The parts of each input of a node that go into a part of an output. */
  #membersAt(node: Node, output: TensorPart): readonly ReadonlySet<TensorPart>[] {
    let members = this.#members.get(output)
    if (!members) {
      members = node.inputs.map((_, i) => new Set(this.#findMembers(node, i, output)))
      this.#members.set(output, members)
    }
    return members
  }

  #findMembers(node: Node, input: number, output: TensorPart): readonly TensorPart[] {
    const { graph } = this
    const contracted = new Set(graph.contractedAt(node))
    contracted.delete(this.variable)
    const entry = input === 0 ? graph.selects(node)?.entry : undefined
    const factors = graph
      .contractionsOf(node)
      .flatMap(({ axis, factors = [] }) =>
        graph.axes.leaves(axis).includes(this.variable) ? factors : [],
      )
    return this.#partsAt(node, input).filter(
      (part) =>
        (entry === undefined || part.paths.some((path) => path.has(entry))) &&
        !factors.some((factor) => factor.input === input && factor.axis === part.axis) &&
        !this.#isContracted(part) &&
        agree(part, output, contracted),
    )
  }

  #isContracted({ constant, axis }: TensorPart): boolean {
    if (!constant || axis === undefined) return false
    return this.graph.relations.readings.get(constant.reading)?.contracted[axis] === true
  }

  #partsAt(node: Node, input: number): readonly TensorPart[] {
    const reading = this.graph.facts.readingAt(node, input)
    const axes = reading && this.graph.relations.readings.get(reading)
    if (!reading || !axes) return this.#partsOf(node.inputs[input] ?? '')
    let parts = this.#ofConstants.get(reading)
    if (!parts) {
      parts = this.graph.parts.ofConstant(reading, axes, this.variable)
      this.#ofConstants.set(reading, parts)
    }
    return parts
  }

  #partsOf(name: string): readonly TensorPart[] {
    let parts = this.#ofValues.get(name)
    if (!parts) {
      parts = this.graph.parts.ofValue(this.graph.relations.axes.get(name) ?? [], this.variable)
      for (const part of parts) this.#names.set(part, name)
      this.#ofValues.set(name, parts)
    }
    return parts
  }
}
