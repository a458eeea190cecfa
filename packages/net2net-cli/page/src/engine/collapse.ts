/**
 * Large drawings with blocks in the place of nodes. A block is a run of nodes that follow one another in the order of computation
 * and lie in one module (`/h.3` of `/h.3/attn/MatMul`), or, where names tell nothing, just so many in a row. Since blocks are
 * intervals of that order, no cycle comes of drawing each as one box.
 */
import type { Diff, EdgeDiff, NodeDiff, Status } from './diff.ts'

/** Up to so many nodes all are drawn. */
export const manyNodes = 1000
/** About so many boxes are a drawing that can be looked at. */
const goodNumber = 300
/** A run of fewer nodes is drawn as its nodes. */
const smallest = 4

/** Which blocks are drawn as their nodes: those with these keys, or all. */
export type Expansion = ReadonlySet<string> | 'all'

export function collapsed(diff: Diff, expanded: Expansion): Diff {
  if (diff.nodes.length <= manyNodes || expanded === 'all') return diff
  const blocks = blocksOf(diff).filter(({ key }) => !expanded.has(key))
  const home = new Map<string, string>()
  for (const { key, members } of blocks) for (const member of members) home.set(member.key, key)
  const nodes = [
    ...diff.nodes.filter(({ key }) => !home.has(key)),
    ...blocks.map(({ key, path, members }): NodeDiff => {
      const [first, last] = [members[0]!, members.at(-1)!]
      return {
        key,
        kind: 'block',
        op: path || `${first.name || first.op} … ${last.name || last.op}`,
        name: `${members.length}`,
        status: together(members),
        parameters: [],
        members: members.map((member) => member.key),
      }
    }),
  ]
  const edges = new Map<string, { -readonly [K in keyof EdgeDiff]: EdgeDiff[K] }>()
  for (const edge of diff.edges) {
    const [from, to] = [home.get(edge.from) ?? edge.from, home.get(edge.to) ?? edge.to]
    if (from === to) continue
    const id = `${from}\n${to}`
    const known = edges.get(id)
    if (known) {
      known.inBefore ||= edge.inBefore
      known.inAfter ||= edge.inAfter
    } else edges.set(id, { ...edge, from, to })
  }
  return { ...diff, nodes, edges: [...edges.values()] }
}

interface Block {
  readonly key: string
  readonly path: string
  readonly members: readonly NodeDiff[]
}

function blocksOf(diff: Diff): readonly Block[] {
  const order = inOrder(diff).filter(({ kind }) => kind !== 'input' && kind !== 'output')
  const paths = order.map(pathOf)
  const deepest = Math.min(8, Math.max(0, ...paths.map((path) => path.length)))
  let runs: readonly Run[] = []
  // As deep as leaves a drawing that can be looked at.
  for (let depth = deepest; depth > 0 && runs.length === 0; depth--) {
    const found = runsOf(order, (i) => paths[i]!.slice(0, depth).join('/'))
    if (found.length <= goodNumber && found.length > 1) runs = found
  }
  if (runs.length === 0) {
    const length = Math.ceil(order.length / goodNumber)
    runs = runsOf(order, (i) => `#${Math.floor(i / length)}`).map(({ members }) => ({
      path: '',
      members,
    }))
  }
  const seen = new Map<string, number>()
  return runs.flatMap(({ path, members }) => {
    const name = path || members[0]!.key
    const times = seen.get(name) ?? 0
    seen.set(name, times + 1)
    return members.length < smallest ? [] : [{ key: `block:${name}#${times}`, path, members }]
  })
}

type Run = Omit<Block, 'key'>

function runsOf(order: readonly NodeDiff[], pathAt: (i: number) => string): Run[] {
  const runs: { path: string; members: NodeDiff[] }[] = []
  order.forEach((node, i) => {
    const path = pathAt(i)
    const last = runs.at(-1)
    if (last?.path === path) last.members.push(node)
    else runs.push({ path, members: [node] })
  })
  return runs
}

/** The modules that a node's name tells, from the outermost: `/h.3/attn/MatMul` lies in h.3 and attn. */
function pathOf({ name, before, after }: NodeDiff): readonly string[] {
  const full = name || (after ?? before)?.id || ''
  const separator = full.includes('/') ? '/' : /[a-z_]\.\d/i.test(full) ? '.' : undefined
  return separator === undefined ? [] : full.split(separator).filter(Boolean).slice(0, -1)
}

/** Every node behind those that it reads from, and else as the file has them. */
function inOrder(diff: Diff): readonly NodeDiff[] {
  const waiting = new Map<string, number>()
  const next = new Map<string, string[]>()
  for (const { from, to } of diff.edges) {
    waiting.set(to, (waiting.get(to) ?? 0) + 1)
    const list = next.get(from)
    if (list) list.push(to)
    else next.set(from, [to])
  }
  const byKey = new Map(diff.nodes.map((node) => [node.key, node]))
  const order: NodeDiff[] = []
  const done = new Set<string>()
  // Depth first: what a module computes stays together.
  const stack = diff.nodes.filter(({ key }) => !waiting.get(key)).reverse()
  while (stack.length > 0) {
    const node = stack.pop()!
    if (done.has(node.key)) continue
    done.add(node.key)
    order.push(node)
    for (const to of (next.get(node.key) ?? []).toReversed()) {
      const left = waiting.get(to)! - 1
      waiting.set(to, left)
      if (left === 0) stack.push(byKey.get(to)!)
    }
  }
  // Two graphs on top of one another may have a cycle that none of them has.
  return order.length === diff.nodes.length
    ? order
    : [...order, ...diff.nodes.filter(({ key }) => !done.has(key))]
}

/** The state of a block: that of its nodes where all have one, and of those that changed otherwise. */
function together(members: readonly NodeDiff[]): Status {
  const found = new Set(members.map(({ status }) => status))
  found.delete('same')
  const [only] = found
  if (only === undefined) return 'same'
  if (found.size > 1) return 'changed'
  const isWhole = members.every(({ status }) => status === only)
  return (only === 'inserted' || only === 'removed') && !isWhole ? 'changed' : only
}
