import fc from 'fast-check'
import { expect, test } from 'vitest'
import { attributes } from '../model/attributes.ts'
import { GraphBuilder } from '../model/builder.ts'
import type { Graph, Node } from '../model/model.ts'
import { nearestFirst } from './order-nodes.ts'

const node = (name: string, inputs: readonly string[], body?: Graph): Node => ({
  name,
  opType: body ? 'If' : 'Sum',
  domain: '',
  inputs,
  outputs: [name],
  attributes: attributes(body === undefined ? {} : { then_branch: { type: 'graph', value: body } }),
})
const graphOf = (nodes: readonly Node[]): Graph => ({
  ...new GraphBuilder().graph(),
  nodes,
})
const namesOf = (graph: Graph) => graph.nodes.map(({ name }) => name)

/** Nodes 0, 1, … that read any of those before them. */
const graphs = fc
  .array(fc.array(fc.nat(), { maxLength: 3 }), { maxLength: 30 })
  .map((reads) =>
    graphOf(reads.map((from, i) => node(`${i}`, i === 0 ? [] : from.map((k) => `${k % i}`)))),
  )

test('keeps every node, each after what it reads', () => {
  fc.assert(
    fc.property(graphs, (graph) => {
      const sorted = nearestFirst(graph)
      expect(new Set(sorted.nodes)).toEqual(new Set(graph.nodes))
      expect(sorted.nodes.length).toBe(graph.nodes.length)
      const done = new Set<string>()
      for (const { inputs, outputs } of sorted.nodes) {
        for (const input of inputs) expect(done.has(input)).toBe(true)
        for (const output of outputs) done.add(output)
      }
    }),
  )
})

test('brings the update of a layer before the gradient of the layer below', () => {
  const nodes = [node('g3', ['x']), node('g2', ['g3']), node('g1', ['g2'])]
  const updates = [3, 2, 1].flatMap((i) => [node(`w${i}`, [`g${i}`]), node(`u${i}`, [`w${i}`])])
  const sorted = nearestFirst(
    graphOf([...nodes, node('g0', ['g1']), node('end', ['g0']), ...updates]),
  )
  expect(namesOf(sorted).join(' ')).toBe('g3 w3 u3 g2 w2 u2 g1 g0 end w1 u1')
})

test('values that only a subgraph reads count', () => {
  const body = graphOf([node('inner', ['late'])])
  const sorted = nearestFirst(
    graphOf([node('a', []), node('late', ['a']), node('z', ['late']), node('if', ['a'], body)]),
  )
  expect(namesOf(sorted)).toEqual(['a', 'late', 'z', 'if'])
})
