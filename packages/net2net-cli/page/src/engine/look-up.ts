/** Finds nodes of what is drawn, and says in which boxes they are. */
import { collapsed, type Expansion } from './collapse.ts'
import type { Diff, NodeDiff, Status } from './diff.ts'
import { type Drawing, drawingOf } from './drawing.ts'

/** A node, and the box in which it is drawn: its own, or that of a block. */
export interface FoundNode {
  readonly key: string
  readonly op: string
  readonly name: string
  readonly home: string
}

/** What is drawn of a diff, and which of its blocks are open. */
export interface Drawn {
  readonly diff: Diff
  readonly open: Expansion
  readonly drawing: Drawing
  /** The blocks that nodes are drawn in. */
  readonly homes: ReadonlyMap<string, string>
}

export function draw(diff: Diff, open: Expansion): Drawn {
  const drawn = collapsed(diff, open)
  const homes = new Map<string, string>()
  for (const { key, members } of drawn.nodes)
    for (const member of members ?? []) homes.set(member, key)
  return { diff, open, drawing: drawingOf(diff, drawn), homes }
}

const found = ({ homes }: Drawn, { key, op, name }: NodeDiff): FoundNode => ({
  key,
  op,
  name,
  home: homes.get(key) ?? key,
})

/** More are not offered. */
const most = 12

/** The first nodes whose operators, names or parameters hold a text. */
export function find(drawn: Drawn, text: string): readonly FoundNode[] {
  const wanted = text.trim().toLowerCase()
  const nodes: FoundNode[] = []
  if (wanted === '') return nodes
  for (const node of drawn.diff.nodes) {
    if (textOf(node).includes(wanted)) nodes.push(found(drawn, node))
    if (nodes.length === most) break
  }
  return nodes
}

const textOf = ({ op, name, parameters }: NodeDiff): string =>
  `${op} ${name} ${parameters.map(({ before, after }) => (after ?? before)!.name).join(' ')}`.toLowerCase()

/** One node: by its key, by its name, or by its number among those of a state, which begins anew where they end. */
export type Wanted =
  | { readonly key: string }
  | { readonly name: string }
  | { readonly status: Status; readonly number: number }

export function locate(drawn: Drawn, wanted: Wanted): FoundNode | undefined {
  const { nodes } = drawn.diff
  let node: NodeDiff | undefined
  if ('key' in wanted) node = nodes.find(({ key }) => key === wanted.key)
  else if ('name' in wanted)
    node = nodes.find(({ before, after }) => (before ?? after)?.name === wanted.name)
  else {
    const those = nodes.filter(({ status }) => status === wanted.status)
    node = those[wanted.number % those.length]
  }
  return node && found(drawn, node)
}
