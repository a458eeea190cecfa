/**
 * Which node of one model is which node of another. Models that were made from one another share names; of others, exported
 * anew or by another tool, the numbers tell: weights that are the same, and where these differ, the place among neighbours that are
 * matched.
 */
import type { NodeView, ParameterView } from './view.ts'

/** after → before. */
export type Matches = Map<NodeView, NodeView>

/** A text that says what a parameter holds: equal ones hold the same numbers. */
export type ContentOf = (side: 'before' | 'after', parameter: ParameterView) => string

export function matched(
  before: readonly NodeView[],
  after: readonly NodeView[],
  contentOf?: ContentOf,
): Matches {
  const result: Matches = new Map()
  const taken = new Set<NodeView>()
  const pair = (a: NodeView, b: NodeView) => {
    result.set(a, b)
    taken.add(b)
  }
  const byKey = (
    keyBefore: (node: NodeView) => string | undefined,
    keyAfter: (node: NodeView) => string | undefined,
  ) => {
    const waiting = new Map<string, NodeView[]>()
    for (const node of before) {
      const key = taken.has(node) ? undefined : keyBefore(node)
      if (key === undefined) continue
      const list = waiting.get(key)
      if (list) list.push(node)
      else waiting.set(key, [node])
    }
    for (const node of after) {
      const key = result.has(node) ? undefined : keyAfter(node)
      const twin = key === undefined ? undefined : waiting.get(key)?.shift()
      if (twin !== undefined) pair(node, twin)
    }
  }
  for (const key of [
    (node: NodeView) => `${node.op}\n${node.name}\n${node.id}`,
    (node: NodeView) => (node.name === '' ? undefined : `${node.op}\n${node.name}`),
    (node: NodeView) => `${node.op}\n${node.id}`,
  ])
    byKey(key, key)
  if (contentOf) {
    const content = (side: 'before' | 'after') => (node: NodeView) =>
      node.parameters.length === 0
        ? undefined
        : `${node.op}\n${node.parameters.map((parameter) => contentOf(side, parameter)).join('\n')}`
    byKey(content('before'), content('after'))
    // Numbers differ by rounding, training or growth: what the parameters are called, too, may tell.
    const names = (node: NodeView) =>
      node.parameters.length === 0
        ? undefined
        : `${node.op}\n${node.parameters.map(({ name }) => name).join('\n')}`
    byKey(names, names)
    byNeighbours(before, after, result, taken, pair)
  }
  return result
}

/** Nodes of one operator that read from, or are read by, the same matched nodes; again, as long as that tells of more. */
function byNeighbours(
  before: readonly NodeView[],
  after: readonly NodeView[],
  result: Matches,
  taken: ReadonlySet<NodeView>,
  pair: (a: NodeView, b: NodeView) => void,
): void {
  const [linksBefore, linksAfter] = [linksOf(before), linksOf(after)]
  const inverse = () => new Map([...result].map(([a, b]) => [b, a]))
  for (let found = true; found; ) {
    found = false
    const ofBefore = inverse()
    for (const direction of ['sources', 'readers'] as const) {
      // A key of matched neighbours, in the terms of the model before.
      const candidates = new Map<string, NodeView[]>()
      for (const node of before) {
        if (taken.has(node)) continue
        const near = linksBefore[direction].get(node) ?? []
        if (near.length === 0 || near.some((one) => one !== 'end' && !ofBefore.has(one))) continue
        const key = `${node.op}\n${near.map((one) => (one === 'end' ? 'end' : one.id)).join('\n')}`
        const list = candidates.get(key)
        if (list) list.push(node)
        else candidates.set(key, [node])
      }
      for (const node of after) {
        if (result.has(node)) continue
        const near = linksAfter[direction].get(node) ?? []
        if (near.length === 0 || near.some((one) => one !== 'end' && !result.has(one))) continue
        const key = `${node.op}\n${near.map((one) => (one === 'end' ? 'end' : result.get(one)!.id)).join('\n')}`
        const twin = candidates.get(key)?.shift()
        if (twin === undefined) continue
        pair(node, twin)
        found = true
      }
    }
  }
}

type Neighbour = NodeView | 'end'

function linksOf(nodes: readonly NodeView[]) {
  const producer = new Map<string, NodeView>()
  for (const node of nodes) for (const output of node.outputs) producer.set(output, node)
  const sources = new Map<NodeView, Neighbour[]>()
  const readers = new Map<NodeView, Neighbour[]>()
  for (const node of nodes) {
    const from = node.inputs.map((input) => producer.get(input) ?? ('end' as const))
    sources.set(node, from)
    for (const source of from) {
      if (source === 'end') continue
      const list = readers.get(source)
      if (list) list.push(node)
      else readers.set(source, [node])
    }
  }
  for (const node of nodes) if (!readers.has(node)) readers.set(node, ['end'])
  return { sources, readers }
}
