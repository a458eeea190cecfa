import { expect, test } from 'vitest'
import { GraphBuilder, modelOf } from '../model/builder.ts'
import { checkGradients, normalTensor, oneNode } from './testing/gradient-check.ts'

test('a value with several consumers collects the gradients of all of them', () =>
  checkGradients({
    draws: 5,
    draw(random) {
      const builder = new GraphBuilder()
      builder.input('x', 'float32', [3, 4])
      builder.input('w', 'float32', [4, 4])
      const a = builder.node('MatMul', ['x', 'w'])
      const b = builder.node('MatMul', [a, 'w'])
      const c = builder.node('MatMul', [a, a.replace('x', 'x')].slice(0, 1).concat('w'))
      const sum = builder.node('Add', [b, a])
      builder.nodeOutputs('Add', [sum, c], {}, { outputs: ['y'] })
      builder.output('y', 'float32', [3, 4])
      return {
        model: modelOf(builder.graph()),
        inputs: { x: normalTensor(random, [3, 4]), w: normalTensor(random, [4, 4]) },
      }
    },
  }))

test('Conv', () =>
  checkGradients({
    draws: 5,
    draw: (random) =>
      oneNode({
        op: 'Conv',
        attributes: { strides: [2, 1], pads: [1, 0, 2, 1] },
        inputs: [
          normalTensor(random, [2, 3, 6, 5]),
          normalTensor(random, [4, 3, 3, 2]),
          normalTensor(random, [4]),
        ],
      }),
  }))
test('nothing', () => expect(1).toBe(1))
