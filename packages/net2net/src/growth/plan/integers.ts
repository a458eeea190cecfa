/** The part of a plan that is about sizes that a model writes down, in constants and attributes. */
import { refusedError } from '../../errors.ts'
import type { NodeCopies } from '../../model/edit.ts'
import { type ConstantUse, useKey } from '../../model/links.ts'
import type { Node } from '../../model/model.ts'
import { describeNode, type NameSupply, nodeKey, nodeLabel } from '../../model/names.ts'
import type { ElementOrigin } from '../../operators/contract/axes.ts'
import type { IntegerChange } from '../growth-plan.ts'
import type { Facts } from '../solve/facts.ts'
import type { Solution } from '../solve/index.ts'
import type { Projection } from './project.ts'
import { variantsOf } from './variants.ts'

/** Changed integers, and the computations of sizes that are copied for it. */
export interface IntegerPlan {
  readonly copied: readonly NodeCopies[]
  readonly integers: readonly IntegerChange[]
}

export function integerChanges(
  solution: Solution,
  projection: Projection,
  names: NameSupply,
): IntegerPlan {
  const { copied, needs } = needsOf(solution, projection, names)
  const integers = [...needs].flatMap(([name, byUse]) => {
    const edits = new Map<string, readonly Edit[]>()
    const copies = [...byUse.values()].flatMap(({ use, isCopy }) => (isCopy ? [use] : []))
    for (const [key, { elements }] of byUse) {
      const changed = [...elements.values()].filter(({ from, to }) => from !== to)
      if (changed.length > 0) edits.set(key, changed)
    }
    return variantsOf(solution, name, edits, copies).flatMap(({ need, uses }) => {
      const clone = uses && { clone: names.fresh(`${name}_grown`), uses }
      return need.map((edit): IntegerChange => ({ constant: name, ...edit, ...clone }))
    })
  })
  return { copied, integers: [...integers, ...attributeChanges(solution, projection)] }
}

interface Edit {
  readonly index: number
  readonly from: number
  readonly to: number
}

/** What the elements of a constant must be where it is read. */
interface UseNeed {
  readonly use: ConstantUse
  readonly isCopy: boolean
  readonly elements: Map<number, Edit>
}

/** A node that takes elements of constants for sizes of axes, at one input. */
interface Reader {
  readonly node: Node
  readonly use: ConstantUse
  readonly wanted: { readonly origin: ElementOrigin; readonly edit: Edit }[]
}

/** Where an element is read: readers that want different numbers there cannot share what lies in between. */
const slotOf = ({ name, index, use }: ElementOrigin, reader: Reader): string =>
  JSON.stringify([name, index, use ?? reader.use])

/**
 * What each use of a constant needs, by constant and use. Readers that want different numbers of one element get
 * copies of the nodes that compute their sizes from it.
 */
function needsOf(solution: Solution, projection: Projection, names: NameSupply) {
  const needs = new Map<string, Map<string, UseNeed>>()
  const copied: NodeCopies[] = []
  const groups = compatibleReaders(readersOf(solution, projection))
  for (const [i, readers] of groups.entries()) {
    const copies = i === 0 ? undefined : copiesFor(solution, readers, names)
    if (copies) copied.push(copies)
    for (const reader of readers)
      for (const { origin, edit } of reader.wanted) {
        const { node, input } = origin.use ?? reader.use
        const use = { node: copies?.outputs[node] ?? node, input }
        const byUse = needs.get(origin.name) ?? new Map<string, UseNeed>()
        needs.set(origin.name, byUse)
        const isCopy = use.node !== node
        const need = byUse.get(useKey(use)) ?? { use, isCopy, elements: new Map<number, Edit>() }
        byUse.set(useKey(use), need)
        need.elements.set(edit.index, edit)
      }
  }
  return { needs, copied }
}

function readersOf({ relations }: Solution, projection: Projection): readonly Reader[] {
  const readers = new Map<string, Reader>()
  for (const { origin, value, axis, node, input } of relations.sizes) {
    const use = { node: nodeKey(node), input }
    const reader = readers.get(useKey(use)) ?? { node, use, wanted: [] }
    readers.set(useKey(use), reader)
    const to = projection.sizeAfter(axis, value)
    reader.wanted.push({ origin, edit: { index: origin.index, from: value, to } })
  }
  return [...readers.values()]
}

/** Groups of readers that want the same numbers of the elements that they share. */
function compatibleReaders(readers: readonly Reader[]): readonly (readonly Reader[])[] {
  const groups: { readers: Reader[]; wanted: Map<string, number> }[] = [
    { readers: [], wanted: new Map() },
  ]
  for (const reader of readers) {
    const wanted = new Map<string, number>()
    for (const { origin, edit } of reader.wanted) {
      const slot = slotOf(origin, reader)
      if ((wanted.get(slot) ?? edit.to) !== edit.to) throw differs(origin, reader)
      wanted.set(slot, edit.to)
    }
    let group = groups.find((each) =>
      [...wanted].every(([slot, to]) => (each.wanted.get(slot) ?? to) === to),
    )
    if (!group) {
      group = { readers: [], wanted: new Map() }
      groups.push(group)
    }
    group.readers.push(reader)
    for (const [slot, to] of wanted) group.wanted.set(slot, to)
  }
  return groups.map((group) => group.readers)
}

/** Copies of all nodes through which the readers get the elements that they want. */
function copiesFor({ facts }: Solution, readers: readonly Reader[], names: NameSupply): NodeCopies {
  const outputs: Record<string, string> = {}
  const uses: ConstantUse[] = []
  for (const reader of readers) {
    const sources = new Set(reader.wanted.map(({ origin }) => origin.use?.node))
    const nodes = nodesBetween(facts, sources, reader.node.inputs[reader.use.input] ?? '')
    if (nodes.size === 0) throw differs(reader.wanted[0]!.origin, reader)
    for (const node of nodes)
      for (const name of node.outputs)
        if (name !== '') outputs[name] ??= names.fresh(`${name}_grown`)
    uses.push(reader.use)
  }
  return { outputs, uses }
}

/** The nodes on the way from the nodes that are known by these keys to a value. */
function nodesBetween(
  { model, links, operatorOf }: Facts,
  sources: ReadonlySet<string | undefined>,
  value: string,
): ReadonlySet<Node> {
  // Numbers do not pass through the shape of a value.
  const inputsOf = (node: Node) => (operatorOf(node)?.reads?.shapes ? [] : node.inputs)
  const before = new Set<Node>()
  const names = [value]
  for (let name = names.pop(); name !== undefined; name = names.pop()) {
    const node = links.producers.get(name)
    if (!node || before.has(node)) continue
    before.add(node)
    names.push(...inputsOf(node))
  }
  const between = new Set<Node>()
  for (const node of model.graph.nodes) {
    if (!before.has(node)) continue
    const follows = inputsOf(node).some((name) => between.has(links.producers.get(name)!))
    if (follows || sources.has(nodeKey(node))) between.add(node)
  }
  return between
}

function differs({ index, name }: ElementOrigin, { node }: Reader) {
  return refusedError(
    `Element ${index} of "${name}" is a size for two axes of ${nodeLabel(node)}, which now differ.`,
    { where: name },
  )
}

function attributeChanges({ relations }: Solution, projection: Projection): IntegerChange[] {
  const changes = new Map<string, IntegerChange>()
  for (const { node, attribute, index, axis, value } of relations.attributes) {
    const to = projection.sizeAfter(axis, value)
    const key = JSON.stringify([nodeKey(node), attribute, index ?? null])
    const other = changes.get(key)
    if (other && other.to !== to)
      throw refusedError(
        `Attribute ${attribute} of ${describeNode(node)} would need two different values.`,
        { where: describeNode(node) },
      )
    changes.set(key, {
      node: nodeKey(node),
      attribute,
      ...(index !== undefined && { index }),
      from: value,
      to,
    })
  }
  return [...changes.values()].filter(({ from, to }) => from !== to)
}
