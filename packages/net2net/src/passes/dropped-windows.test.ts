import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { expectSameOutputs } from '../../testing/compare-steps.ts'
import { normalTensor } from '../../testing/gradient-check.ts'
import { intAttribute } from '../model/attributes.ts'
import { GraphBuilder } from '../model/builder.ts'
import type { Model } from '../model/model.ts'
import { nodeRuntime } from '../runtime/onnxruntime.node.ts'
import { randomStream } from '../tensor/random.ts'
import { float32, int64 } from '../tensor/tensor.ts'
import { sgd } from '../training/compile/optimizers/index.ts'
import { buildStep } from '../training/compile/step-graph.ts'
import { createStepper } from '../training/run/create-stepper.ts'
import { withoutDroppedWindows } from './dropped-windows.ts'

const operators = ['MaxPool', 'AveragePool', 'LpPool'] as const

const axis = fc
  .record({
    size: fc.integer({ min: 6, max: 14 }),
    kernel: fc.integer({ min: 1, max: 4 }),
    stride: fc.integer({ min: 1, max: 4 }),
    begin: fc.nat(3),
    end: fc.nat(3),
  })
  .map((drawn) => ({
    ...drawn,
    begin: Math.min(drawn.begin, drawn.kernel - 1),
    end: Math.min(drawn.end, drawn.kernel - 1),
  }))

type Axis = typeof axis extends fc.Arbitrary<infer T> ? T : never

function pooling(opType: string, window: readonly Axis[], countsPads: boolean): Model {
  const builder = new GraphBuilder()
  builder.input('x', 'float32', ['batch', 2, ...window.map(({ size }) => size)])
  const y = builder.node(opType, ['x'], {
    kernel_shape: window.map(({ kernel }) => kernel),
    strides: window.map(({ stride }) => stride),
    pads: [...window.map(({ begin }) => begin), ...window.map(({ end }) => end)],
    ceil_mode: 1,
    ...(opType === 'AveragePool' && { count_include_pad: countsPads ? 1 : 0 }),
  })
  builder.output(y, 'float32', ['batch', 2, ...window.map(() => null)])
  return builder.model()
}

const roundsUp = ({ graph }: Model) =>
  graph.nodes.some((node) => intAttribute(node, 'ceil_mode', 0) === 1)

/** Would one more window start behind the input, though it begins before the last pads end? */
const drops = ({ size, kernel, stride, begin, end }: Axis): boolean => {
  const rounded = Math.ceil((size + begin + end - kernel) / stride)
  return rounded * stride >= size + begin
}

describe('poolings whose last window is left out', () => {
  test('give the same without it', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...operators),
        fc.array(axis, { minLength: 1, maxLength: 3 }),
        fc.boolean(),
        async (opType, window, countsPads) => {
          const model = pooling(opType, window, countsPads)
          const changed = withoutDroppedWindows(model)
          // Averages that count pads may have to round up still.
          if (!countsPads) expect(roundsUp(changed)).toBe(!window.some(drops))
          const x = normalTensor(randomStream(1, 'x'), [2, 2, ...window.map(({ size }) => size)])
          await expectSameOutputs(changed, model, { x }, 1e-6)
        },
      ),
    )
  })

  test.each(operators.slice(0, 2))('are trained: %s', async (opType) => {
    const builder = new GraphBuilder()
    builder.input('x', 'float32', ['batch', 2, 13])
    const filters = builder.constant(normalTensor(randomStream(2, 'w'), [2, 2, 3]), 'w')
    const pooled = builder.node(opType, [builder.node('Conv', ['x', filters])], {
      kernel_shape: [2],
      strides: [2],
      pads: [1, 1],
      ceil_mode: 1,
    })
    const scaled = builder.node('Mul', [pooled, builder.constant(float32([6], [1, 2, 3, 4, 5, 6]))])
    const means = builder.node('Flatten', [builder.node('GlobalAveragePool', [scaled])])
    builder.output(means, 'float32', ['batch', 2])
    const graph = buildStep(builder.model(), {
      loss: 'softmax-cross-entropy',
      optimizer: sgd({ learningRate: 0.1 }),
    })
    const stepper = await createStepper(graph, graph.state, nodeRuntime, {})
    try {
      const inputs = { x: normalTensor(randomStream(3, 'x'), [2, 2, 13]) }
      const { loss } = await stepper.step({ inputs, target: int64([0, 1]) }, 0.1)
      expect(loss).toBeGreaterThan(0)
    } finally {
      await stepper.release()
    }
  })
})
