/** Graphs that the standard forbids: refused, with the field named. */
import { expect, test } from 'vitest'
import { decodeModel } from '../src/onnx/decode.ts'
import {
  fine,
  type HostileCase,
  relu,
  testRefusals,
  withAttribute,
  withWeight,
  x,
  y,
} from '../testing/hostile.ts'
import * as w from '../testing/wire-writer.ts'

const cases: readonly HostileCase[] = [
  [
    'a cycle',
    w.model(x, w.node('Add', ['x', 'b'], ['a']), w.node('Relu', ['a'], ['b']), w.output('b')),
    /graph\.node\[\d\]: the graph has a cycle of 2 nodes \("b" \(Relu\) → "a" \(Add\)\)/,
  ],
  [
    'a node that feeds itself',
    w.model(x, w.node('Relu', ['y'], ['y']), y),
    /graph\.node\[0\]: .* cycle of 1 node/,
  ],
  [
    'a cycle through a subgraph',
    w.model(
      x,
      w.node(
        'If',
        ['x'],
        ['a'],
        w.attribute('then_branch', 5, w.block(6, w.node('Relu', ['y'], ['i']), w.output('i'))),
      ),
      w.node('Relu', ['a'], ['y']),
      y,
    ),
    /graph\.node\[\d\]: .* cycle of 2/,
  ],
  [
    'a cycle within a subgraph',
    w.model(
      x,
      w.node(
        'If',
        ['x'],
        ['y'],
        w.attribute(
          'then_branch',
          5,
          w.block(6, w.node('Relu', ['j'], ['i']), w.node('Relu', ['i'], ['j']), w.output('i')),
        ),
      ),
      y,
    ),
    /graph\.node\[0\]\.attribute "then_branch"\.g\.node\[\d\]: .* cycle/,
  ],
  [
    'an undefined node input',
    w.model(x, w.node('Add', ['x', 'ghost'], ['y']), y),
    /graph\.node\[0\] "y" \(Add\): input\[1\] "ghost" is not defined/,
  ],
  [
    'an undefined graph output',
    w.model(...fine, w.output('ghost')),
    /graph\.output\[1\]: "ghost" is not defined/,
  ],
  [
    'an undefined value in a subgraph',
    w.model(
      x,
      w.node(
        'If',
        ['x'],
        ['y'],
        w.attribute('then_branch', 5, w.block(6, w.node('Relu', ['ghost'], ['i']), w.output('i'))),
      ),
      y,
    ),
    /graph\.node\[0\] "y" \(If\): captured value "ghost" is not defined/,
  ],
  [
    'two nodes with one output',
    w.model(...fine, relu),
    /graph\.node\[1\] "y" \(Relu\): output\[0\] "y" is already defined/,
  ],
  [
    'a node that gives one name twice',
    w.model(x, w.node('Split', ['x'], ['y', 'y']), y),
    /graph\.node\[0\] .*output\[1\] "y" is already defined/,
  ],
  [
    'a node that redefines an input',
    w.model(x, w.node('Relu', ['x'], ['x']), w.output('x')),
    /graph\.node\[0\] .*output\[0\] "x" is already defined/,
  ],
  [
    'a node that redefines a weight',
    w.model(...fine, w.initializer('w', [1], [w.raw(4)]), w.node('Relu', ['x'], ['w'])),
    /graph\.node\[1\] .*output\[0\] "w" is already defined/,
  ],
  [
    'two inputs with one name',
    w.model(x, ...fine),
    /graph\.input\[1\]: another input is also called "x"/,
  ],
  [
    'two initializers with one name',
    w.model(...fine, w.initializer('w', [1], [w.raw(4)]), w.initializer('w', [1], [w.raw(4)])),
    /graph\.initializer\[1\] "w": another initializer has the same name/,
  ],
  [
    'an initializer without a name',
    withWeight('', [1], [w.raw(4)]),
    /graph\.initializer\[0\] "" has no name/,
  ],
  ['an input without a name', w.model(w.input('', 1), ...fine), /graph\.input\[0\] has no name/],
  [
    'a node without an operator',
    w.model(x, w.node('', ['x'], ['y']), y),
    /graph\.node\[0\] "y" has no op_type/,
  ],
  [
    'an attribute without a name',
    withAttribute('', 2, w.int(3, 1)),
    /graph\.node\[0\] "y"\.attribute\[0\] has no name/,
  ],
  [
    'an attribute given twice',
    w.model(
      x,
      w.node(
        'Relu',
        ['x'],
        ['y'],
        w.attribute('a', 2, w.int(3, 1)),
        w.attribute('a', 2, w.int(3, 2)),
      ),
      y,
    ),
    /attribute\[1\] "a": the node has this attribute twice/,
  ],
  [
    'a tensor attribute without its tensor',
    withAttribute('value', 4),
    /attribute\[0\] "value" has type TENSOR, but no tensor/,
  ],
  [
    'a graph attribute without its graph',
    withAttribute('body', 5),
    /attribute\[0\] "body" has type GRAPH, but no graph/,
  ],
  [
    'an integer attribute with a tensor',
    withAttribute('a', 2, w.int(3, 1), w.block(5, w.tensor('', [1], [w.raw(4)]))),
    /attribute\[0\] "a" gives t, but has type INT/,
  ],
]

testRefusals(cases)

test('nodes that are only out of order are sorted', () => {
  const bytes = w.model(
    x,
    w.node('Relu', ['b'], ['y']),
    w.node(
      'If',
      ['a'],
      ['b'],
      w.attribute(
        'then_branch',
        5,
        w.block(6, w.node('Relu', ['i'], ['j']), w.node('Relu', ['c'], ['i']), w.output('j')),
      ),
    ),
    w.node('Relu', ['x'], ['c']),
    w.node('Relu', ['x'], ['a']),
    y,
  )
  const { nodes } = decodeModel(bytes).graph
  expect(nodes.map(({ outputs }) => outputs[0])).toEqual(['a', 'c', 'b', 'y'])
  const branch = nodes[2]!.attributes.get('then_branch')
  expect(branch?.type === 'graph' && branch.value.nodes.map((node) => node.name)).toEqual([
    'i',
    'j',
  ])
})

test('deep graphs do not overflow the stack, in either order', () => {
  const chain = Array.from({ length: 20_000 }, (_, i) => w.node('Relu', [`v${i}`], [`v${i + 1}`]))
  for (const nodes of [chain, chain.toReversed()]) {
    const graph = w.concat(w.input('v0', 1), w.join(nodes), w.output('v20000', 1))
    expect(decodeModel(w.model(graph)).graph.nodes.map((node) => node.name)).toEqual(
      chain.map((_, i) => `v${i + 1}`),
    )
  }
})
