/** Test cases of If, Loop and Scan; their shapes are tested in control-flow.test.ts. */
import { type Bench, refuses } from '../../../testing/bench.ts'
import type { DrawnNode, OperatorCases } from '../../../testing/cases.ts'
import { between } from '../../../testing/draws.ts'
import { normalTensor } from '../../../testing/gradient-check.ts'
import { GraphBuilder } from '../../model/builder.ts'
import type { Attribute, Shape } from '../../model/model.ts'
import type { RandomStream } from '../../tensor/random.ts'
import { int64, scalar } from '../../tensor/tensor.ts'

/** A body that gives its state plus what it reads, twice as long each time where it shall be, and twice its mean. */
function body(shape: Shape, counts: boolean, isLonger: boolean): Attribute {
  const b = new GraphBuilder()
  if (counts) {
    b.input('i', 'int64', [])
    b.input('more', 'bool', [])
  }
  b.input('state', 'float32', isLonger ? shape.map(() => null) : shape)
  if (!counts) b.input('entry', 'float32', shape.slice(1))
  const two = b.constant(scalar('float32', 2))
  const sum = b.node('Add', ['state', counts ? two : 'entry'])
  const next = isLonger ? b.node('Concat', [sum, sum], { axis: 0 }) : sum
  const kept = b.node('ReduceMean', [sum, b.constant(int64([0]))], { keepdims: 0 })
  const outputs = [
    ...(counts ? [b.node('Identity', ['more'])] : []),
    next,
    b.node('Mul', [kept, two]),
  ]
  for (const name of outputs) b.output(name)
  return { type: 'graph', value: b.graph('body') }
}

const someDims = (random: RandomStream) => Array.from({ length: 2 }, () => between(random, 1, 4))

export const loop = (random: RandomStream): DrawnNode => {
  const dims = someDims(random)
  return {
    inputs: [int64([between(random, 1, 3)], []), undefined, normalTensor(random, dims)],
    attributes: { body: body(dims, true, random.below(2) === 0) },
    outputs: 2,
  }
}

export const scan = (random: RandomStream): DrawnNode => {
  const dims = someDims(random)
  const axis = random.below(2)
  const sequence = [dims[1]!].toSpliced(axis, 0, between(random, 1, 4))
  return {
    inputs: [normalTensor(random, dims), normalTensor(random, sequence)],
    attributes: {
      body: body(dims, false, false),
      num_scan_inputs: 1,
      scan_input_axes: [axis],
      scan_output_axes: [random.below(2)],
    },
    outputs: 2,
  }
}
/** Branches of equal shapes, or not. */
export const choice = (random: RandomStream): DrawnNode => {
  const dims = someDims(random)
  const branch = (axis: number): Attribute => {
    const b = new GraphBuilder()
    const x = b.constant(normalTensor(random, dims))
    b.output(b.node('Concat', [x, x], { axis }))
    return { type: 'graph', value: b.graph('branch') }
  }
  return {
    inputs: [scalar('bool', random.below(2))],
    attributes: { then_branch: branch(random.below(2)), else_branch: branch(random.below(2)) },
  }
}

const reads = (b: Bench, node: (value: string) => string) => b.read(node(b.dense()), 1)

export const cases: OperatorCases = {
  If: {
    growth: [
      refuses('of units that a branch reads', /If .*reads them in a subgraph/, (b) =>
        reads(b, (value) => {
          const branch = (opType: string): Attribute => {
            const inner = new GraphBuilder()
            inner.output(inner.node(opType, [value], {}, { outputs: [`${value}_${opType}`] }))
            return { type: 'graph', value: inner.graph(opType) }
          }
          const condition = b.op('Less', [b.op('ReduceSum', ['x'], { keepdims: 0 }), b.number(0)])
          const branches = { then_branch: branch('Relu'), else_branch: branch('Neg') }
          return b.op('If', [condition], branches)
        }),
      ),
    ],
  },
  Loop: {
    growth: [
      refuses('of units that it carries', /Loop .*runs a subgraph/, (b) =>
        reads(b, (value) => {
          const attributes = { body: body([2, 4], true, false) }
          return b.outputs('Loop', [b.index(3), '', value], attributes, 2)[0]!
        }),
      ),
    ],
  },
  Scan: {
    growth: [
      refuses('of units that it carries', /Scan .*runs a subgraph/, (b) =>
        reads(b, (value) => {
          const attributes = { body: body([2, 4], false, false), num_scan_inputs: 1 }
          return b.outputs('Scan', [value, b.weight(3, 4)], attributes, 2)[0]!
        }),
      ),
    ],
  },
}
