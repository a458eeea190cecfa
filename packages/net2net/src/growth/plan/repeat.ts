/**
 * Repeating residual blocks: a copy behind the original that adds nothing to the residual stream yet. x + f(x) becomes
 * y + f′(y) with y = x + f(x) and f′ = 0, for every input and in training mode too.
 *
 * f′ starts at zero in one of two ways. `zero`: the last parameters to which the branch's result is proportional are zero (the
 * weight and bias of a last layer, γ and β of a last norm, a layer scale); all others are copies, so that the zeros have a
 * gradient. `identity`: every parameter is a copy, and the result is multiplied by a gate of zeros, one per channel (ReZero,
 * arXiv:2003.04887; LayerScale, arXiv:2103.17239), which serves branches with any end.
 */

import { mustBeOneOf, refusedError, usageError } from '../../errors.ts'
import { type ConstantUse, useKey } from '../../model/links.ts'
import type { Model, Node, Shape } from '../../model/model.ts'
import { describeNode, NameSupply, nodeKey, valueNames } from '../../model/names.ts'
import { scalingOf } from '../../operators/helpers/scaling.ts'
import { separateConstants } from '../../operators/shared-constants.ts'
import { operatorOf } from '../../operators/table.ts'
import { isUniform, storedStatistics, trainableConstants } from '../../operators/trainable.ts'
import { isFloat } from '../../tensor/dtype.ts'
import { toNumbers } from '../../tensor/tensor.ts'
import { markedParameter, markedPath } from '../copied-names.ts'
import { emptyPlan } from '../empty-plan.ts'
import {
  type CopyOrder,
  type CopyStart,
  type Gate,
  type GrowthPlan,
  growthChoices,
  type RepeatedParameter,
  type Repetition,
} from '../growth-plan.ts'
import { type Facts, isWeight } from '../solve/facts.ts'
import { type Solution, solutionOf } from '../solve/index.ts'
import { type BranchEnd, isChain, outermost, type ResidualBlock } from './residual-blocks.ts'
import { type NamedBlock, selectBlocks } from './select-blocks.ts'
import { isPattern } from './select-layers.ts'

export interface RepeatOptions {
  /** Seed that the plan bears (default 0); nothing of it is random. */
  readonly seed?: number
  /**
   * Where the copies of neighbouring blocks go: `interleave` (default) each behind its original (a a′ b b′), `stack` all
   * behind the last (a b a′ b′).
   */
  readonly copy?: CopyOrder
  /** How the copies add nothing: `zero` (default) or `identity`, see above. */
  readonly start?: CopyStart
}

/**
 * Plans to repeat residual blocks.
 *
 * @param from A model, or what has been solved of it.
 * @param names Modules (`h.3`: all residual blocks of its layers), layers (the smallest block that holds it) or patterns
 *   (`h.*`: every module that it fits and that can be repeated).
 * @throws Net2NetError (usage) for unknown names and blocks that overlap; (refused) where no residual block holds a
 *   layer, or its copy would not be exact, naming node and reason.
 */
export function planRepeat(
  from: Model | Solution,
  names: readonly string[],
  { seed = 0, copy = 'interleave', start = 'zero' }: RepeatOptions = {},
): GrowthPlan {
  mustBeOneOf('copy', copy, growthChoices.copy)
  mustBeOneOf('start', start, growthChoices.start)
  if (names.length === 0) throw usageError('No block to repeat was given.')
  const solution = solutionOf(from)
  const planner = new Repeating(solution, start)
  const chosen = new Map<string, NamedBlock>()
  for (const name of names)
    for (const block of planner.able(name))
      if (!chosen.has(keyOf(block))) chosen.set(keyOf(block), block)
  const inOrder = planner.ordered([...chosen.values()])
  const repeated = (copy === 'stack' ? stacked(inOrder) : inOrder.map((block) => [block])).map(
    (blocks) => planner.repetition(blocks),
  )
  return { ...emptyPlan(seed), repeated }
}

const keyOf = ({ parts }: NamedBlock): string => parts.map(({ to }) => to).join('\n')
const endOf = ({ parts }: NamedBlock): string => parts.at(-1)!.to

/** Blocks that follow one another directly, together. */
function stacked(blocks: readonly NamedBlock[]): readonly (readonly NamedBlock[])[] {
  const chains: NamedBlock[][] = []
  for (const block of blocks) {
    const chain = chains.find((each) => isChain([...each, block].flatMap(({ parts }) => parts)))
    if (chain) chain.push(block)
    else chains.push([block])
  }
  return chains
}

/** A use of a constant that becomes zero in the copy. */
type ZeroUses = readonly (ConstantUse & { readonly name: string })[]

class Repeating {
  readonly #solution: Solution
  readonly #facts: Facts
  readonly #start: 'zero' | 'identity'
  readonly #names: NameSupply
  readonly #mark: string
  readonly #positions: ReadonlyMap<Node, number>
  /** Nodes that compute weights which nodes of the graph read, the last first. */
  readonly #weightNodes: readonly Node[]
  /** Constants that training changes, running statistics included, and who reads them, with those apart that an exporter merged. */
  readonly #own: OwnConstants

  constructor(solution: Solution, start: 'zero' | 'identity') {
    const { facts } = solution
    const { graph } = facts.model
    this.#solution = solution
    this.#facts = facts
    this.#start = start
    const names = [...valueNames(graph), ...graph.nodes.map((node) => node.name)]
    this.#names = new NameSupply(names)
    let count = 1
    while (names.some((name) => name.includes(`_copy${count}`))) count++
    this.#mark = `_copy${count}`
    this.#positions = new Map(graph.nodes.map((node, at) => [node, at]))
    const isOutput = new Set(graph.outputs.map(({ name }) => name))
    this.#weightNodes = graph.nodes
      .filter(
        ({ inputs, outputs }) =>
          inputs.length > 0 &&
          outputs.some((name) => isWeight(facts.provenance(name))) &&
          outputs.some((name) => facts.links.uses.has(name)) &&
          !outputs.some((name) => isOutput.has(name)),
      )
      .reverse()
    this.#own = new OwnConstants(facts.model)
  }

  /** The blocks that a name means; of a pattern those that can be repeated. */
  able(name: string): readonly NamedBlock[] {
    const refusals: string[] = []
    const able = selectBlocks(this.#solution, name).flatMap((candidate) => {
      const reason = 'unsupported' in candidate ? candidate.unsupported : this.#notZero(candidate)
      if (reason === undefined && 'parts' in candidate) return [candidate]
      refusals.push(`${candidate.name} cannot be repeated: ${reason}`)
      return []
    })
    const [refusal] = refusals
    if (able.length > 0 && isPattern(name))
      return outermost(able, ({ parts }) => parts.flatMap(({ nodes }) => nodes))
    if (refusal === undefined) return able
    const which = isPattern(name) ? `Of what "${name}" fits nothing can be repeated: ` : ''
    throw refusedError(`${which}${refusal}.`, {
      where: name,
      ...(this.#start === 'zero' &&
        refusal.includes(notZero) && {
          hint: 'A gate of zeros serves any branch (start: identity).',
        }),
    })
  }

  /** In the order of the graph. @throws Net2NetError (usage) where blocks overlap */
  ordered(blocks: readonly NamedBlock[]): readonly NamedBlock[] {
    const owners = new Map<Node, string>()
    for (const { name, parts } of blocks)
      for (const node of parts.flatMap(({ nodes }) => nodes)) {
        const other = owners.get(node) ?? name
        if (other !== name)
          throw usageError(`The blocks ${other} and ${name} overlap; repeat one after the other.`, {
            where: name,
          })
        owners.set(node, name)
      }
    const end = (block: NamedBlock) =>
      this.#positions.get(this.#facts.links.producers.get(endOf(block))!)!
    return [...blocks].sort((a, b) => end(a) - end(b))
  }

  /** Why the copy's branches cannot be zero; undefined if they can. */
  #notZero({ parts }: NamedBlock): string | undefined {
    const { values } = this.#facts
    const copied = this.#copiedNodes(parts)
    for (const { from, to, branches } of parts) {
      const [before, after] = [values.get(from), values.get(to)]
      if (before?.dtype === undefined || !isFloat(before.dtype))
        return `its stream "${from}" is not known to be floating-point`
      if (!mayBeOne(before.shape, after?.shape))
        return `its stream changes its shape from [${before.shape}] to [${after?.shape}]`
      if (this.#start === 'identity') continue
      const end = branches.find((branch) => !this.#zeroUses(endValue(branch), copied))
      const node = end && this.#facts.links.producers.get(endValue(end))
      if (end)
        return `${node ? describeNode(node) : endValue(end)}, the end of its branch, ${notZero}`
    }
    return undefined
  }

  /** The constants that are zero where a value is to be, if it is linear in such of the copy. */
  #zeroUses(name: string, copied: ReadonlySet<Node>): ZeroUses | undefined {
    const node = this.#facts.links.producers.get(name)
    if (!node || !copied.has(node)) return undefined
    const scaling = scalingOf(operatorOf(node))
    if (!scaling?.linear) return undefined
    const isConstant = (i: number) => isWeight(this.#facts.provenance(node.inputs[i] ?? ''))
    const sets = scaling.inputs(node)
    const nearest = sets.filter((set) => set.every((i) => !node.inputs[i] || isConstant(i)))
    for (const set of [...nearest, ...sets.filter((set) => !nearest.includes(set))]) {
      const found = set.map((i) => this.#zeroUsesAt(node, i, copied))
      if (found.every((uses) => uses !== undefined) && found.some((uses) => uses.length > 0))
        return found.flat()
    }
    return undefined
  }

  #zeroUsesAt(node: Node, input: number, copied: ReadonlySet<Node>): ZeroUses | undefined {
    const name = node.inputs[input] ?? ''
    if (name === '') return []
    const found = this.#facts.provenance(name)
    if (found.kind === 'constant') {
      if (this.#own.has(node, input) && isFloat(found.tensor.dtype))
        return [{ node: nodeKey(node), input, name }]
      const { tensor } = found
      return isFloat(tensor.dtype) && isUniform(tensor) && toNumbers(tensor)[0] === 0
        ? []
        : undefined
    }
    return this.#zeroUses(name, copied)
  }

  /** The copy of blocks that follow one another. */
  repetition(blocks: readonly NamedBlock[]): Repetition {
    const parts = blocks.flatMap((block) => block.parts)
    const [first, last] = [parts[0]!, parts.at(-1)!]
    const zeros = this.#start === 'zero' ? blocks.flatMap((block) => this.#zerosOf(block)) : []
    const { nodes, uses } = this.#copied(parts, zeros)
    const names = blocks.map(({ name }) => name)
    const mark = this.#mark
    const inner = nodes.flatMap(({ outputs }) => outputs.filter((name) => name !== ''))
    return {
      blocks: names,
      mark,
      value: last.to,
      source: this.#names.fresh(`${last.to}_before`),
      input: first.from,
      nodes: nodes.map((node) => ({
        node: nodeKey(node),
        name: node.name === '' ? '' : this.#fresh(node.name, names),
      })),
      values: Object.fromEntries(
        inner.map((name) => [name, name === last.to ? name : this.#fresh(name, names)]),
      ),
      parameters: this.#parameters(uses, zeros, names),
      gates: this.#start === 'zero' ? [] : this.#gates(parts, names),
    }
  }

  #zerosOf({ parts }: NamedBlock): ZeroUses {
    const copied = this.#copiedNodes(parts)
    const ends = parts.flatMap(({ branches }) => branches)
    return ends.flatMap((branch) => this.#zeroUses(endValue(branch), copied)!)
  }

  #marked(name: string, blocks: readonly string[]): string {
    return markedPath(name, blocks, this.#mark) ?? `${name}${this.#mark}`
  }

  #fresh(name: string, blocks: readonly string[]): string {
    return this.#names.fresh(this.#marked(name, blocks))
  }

  /** The nodes of which a copy has its own: those of the blocks, and those that compute weights for them alone. */
  #copiedNodes(parts: readonly ResidualBlock[]): ReadonlySet<Node> {
    const { uses } = this.#facts.links
    const copied = new Set(parts.flatMap(({ nodes }) => nodes))
    const isOnlyTheirs = (name: string) =>
      (uses.get(name) ?? []).every(({ node }) => copied.has(node))
    for (const node of this.#weightNodes) if (node.outputs.every(isOnlyTheirs)) copied.add(node)
    return copied
  }

  /** The copied nodes, and which of their uses of constants get constants of their own. */
  #copied(parts: readonly ResidualBlock[], zeros: ZeroUses) {
    const { model, provenance } = this.#facts
    const copied = this.#copiedNodes(parts)
    const blocks = new Set(parts.flatMap(({ nodes }) => nodes))
    const keys = new Set([...copied].map(nodeKey))
    const zero = new Set(zeros.map(useKey))
    const nodes: Node[] = []
    const changed = new Set<string>()
    const uses: (ConstantUse & { readonly name: string })[] = []
    for (const node of model.graph.nodes) {
      if (!copied.has(node)) continue
      const own = node.inputs.flatMap((name, input) => {
        const use = { node: nodeKey(node), input, name }
        if (provenance(name).kind !== 'constant') return []
        return zero.has(useKey(use)) || this.#own.isOnlyOf(keys, node, input) ? [use] : []
      })
      uses.push(...own)
      if (!blocks.has(node) && own.length === 0 && !node.inputs.some((name) => changed.has(name)))
        continue
      nodes.push(node)
      for (const name of node.outputs) changed.add(name)
    }
    return { nodes, uses }
  }

  #parameters(
    uses: ZeroUses,
    zeros: ZeroUses,
    blocks: readonly string[],
  ): readonly RepeatedParameter[] {
    const zero = new Set(zeros.map(useKey))
    const kinds = new Map<
      string,
      { name: string; called: string; start: 'copied' | 'zero'; uses: ConstantUse[] }
    >()
    for (const { name, ...use } of uses) {
      const start = zero.has(useKey(use)) ? 'zero' : 'copied'
      const called = this.#own.nameOf(use) ?? name
      const key = `${start}\n${name}\n${called}`
      const kind = kinds.get(key) ?? { name, called, start, uses: [] }
      kind.uses.push(use)
      kinds.set(key, kind)
    }
    return [...kinds.values()].map(({ name, called, start, uses: those }) => {
      const found = this.#facts.provenance(name)
      return {
        name,
        to: this.#names.fresh(markedParameter(called, blocks, this.#mark)),
        dims: found.kind === 'constant' ? found.tensor.dims : [],
        start,
        uses: those,
      }
    })
  }

  #gates(parts: readonly ResidualBlock[], blocks: readonly string[]): readonly Gate[] {
    return parts.flatMap((part) => {
      const { dtype = 'float32', shape = [] } = this.#facts.values.get(part.to) ?? {}
      const axis = this.#widthOf(part) ?? shape.length - 1
      const width = shape[axis]
      const dims = typeof width === 'number' ? [width, ...shape.slice(axis + 1).map(() => 1)] : [1]
      return part.branches.map(({ sum, input }): Gate => {
        const branch = this.#marked(sum.inputs[input]!, blocks)
        const name = this.#names.fresh(`${branch}.gate`)
        const value = this.#names.fresh(`${branch}.gated`)
        return { use: { node: nodeKey(sum), input }, name, value, dims, dtype }
      })
    })
  }

  /** The axis of the stream that is the width of a branch's last layer. */
  #widthOf({ to, layers }: ResidualBlock): number | undefined {
    const { axes, relations } = this.#solution
    const stream = relations.axes.get(to) ?? []
    for (const { node } of [...layers].reverse()) {
      const layer = relations.layers.find((each) => each.node === node)
      const own = new Set(layer && axes.leaves(layer.axis))
      const axis = stream.findIndex((each) => axes.leaves(each).some((leaf) => own.has(leaf)))
      if (axis >= 0) return axis
    }
    return undefined
  }
}

const notZero = 'is not linear in parameters that could be zero'

const endValue = ({ sum, input }: BranchEnd): string => sum.inputs[input]!

/** May two values of the stream have one shape? Sizes that are not known do not tell. */
const mayBeOne = (before: Shape | undefined, after: Shape | undefined): boolean =>
  !before ||
  !after ||
  (before.length === after.length &&
    before.every((size, i) => {
      const areKnown = typeof size === 'number' && typeof after[i] === 'number'
      return areKnown ? size === after[i] : size !== 1
    }))

/** What of a model's constants is trained, and who reads each: with those apart that an exporter merged. */
class OwnConstants {
  readonly #names: ReadonlySet<string>
  readonly #inputs: ReadonlyMap<string, readonly string[]>
  readonly #readers = new Map<string, string[]>()

  constructor(model: Model) {
    const separate = separateConstants(model)
    this.#names = new Set([
      ...trainableConstants(separate).parameters,
      ...storedStatistics(separate),
      ...trainableConstants(model).parameters,
      ...storedStatistics(model),
    ])
    this.#inputs = new Map(separate.graph.nodes.map((node) => [nodeKey(node), node.inputs]))
    record(separate, this.#readers)
  }

  /** What the constant is called that a node reads. */
  nameOf({ node, input }: ConstantUse): string | undefined {
    const inputs = this.#inputs.get(node)
    // A node that gave a merged constant its own name back is that constant.
    return inputs ? inputs[input] : node
  }

  has(node: Node, input: number): boolean {
    const name = this.nameOf({ node: nodeKey(node), input })
    return name !== undefined && (this.#names.has(name) || this.#names.has(node.inputs[input]!))
  }

  /** Is it trained, and do these nodes alone read it? */
  isOnlyOf(keys: ReadonlySet<string>, node: Node, input: number): boolean {
    if (!this.has(node, input)) return false
    const name = this.nameOf({ node: nodeKey(node), input })!
    return (this.#readers.get(name) ?? []).every((reader) => keys.has(reader))
  }
}

function record({ graph }: Model, readers: Map<string, string[]>): void {
  for (const node of graph.nodes)
    for (const name of node.inputs) {
      const list = readers.get(name)
      if (list) list.push(nodeKey(node))
      else readers.set(name, [nodeKey(node)])
    }
}
