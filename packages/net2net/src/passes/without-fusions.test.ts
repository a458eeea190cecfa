/** Operators that a runtime has fused compute the same in their parts. */
import { describe, expect, test } from 'vitest'
import { draw, expectClose, modelWith, node, operators } from '../../testing/plain-forms.ts'
import type { AttributeLike } from '../model/attributes.ts'
import type { Attribute, Node } from '../model/model.ts'
import { float32, Tensor } from '../tensor/tensor.ts'
import { plainly } from './plainly.ts'

describe('operators that a runtime has fused', () => {
  const fused = (
    opType: string,
    inputs: readonly string[],
    given: Record<string, AttributeLike> = {},
    outputs: readonly string[] = ['y'],
  ): Node => ({ ...node(opType, inputs, outputs, given), domain: 'com.microsoft' })
  const w = { type: 'float', value: 0.3 } as const
  const kernel = float32(
    [4, 3, 2, 2],
    Array.from({ length: 48 }, () => draw.normal()),
  )
  const square = float32(
    [4, 4],
    Array.from({ length: 16 }, () => draw.normal()),
  )
  const vector = float32([4], [0.5, -1, 2, 0.25])
  const image = float32(
    [2, 4, 4, 4],
    Array.from({ length: 128 }, () => draw.normal()),
  )
  const list = (...values: readonly number[]): Attribute => ({ type: 'floats', value: values })
  const constants = { kernel, square, vector, image }

  test.each<[string, Node, readonly number[]]>([
    ['Conv', fused('FusedConv', ['x', 'kernel', 'vector'], { activation: 'Relu' }), [2, 3, 5, 5]],
    [
      'Conv with Add and LeakyRelu',
      fused('FusedConv', ['x', 'kernel', '', 'image'], {
        activation: 'LeakyRelu',
        activation_params: list(0.3),
        dilations: [1, 1],
      }),
      [2, 3, 5, 5],
    ],
    [
      'Conv with Clip',
      fused('FusedConv', ['x', 'kernel'], { activation: 'Clip', activation_params: list(-0.5, 1) }),
      [2, 3, 5, 5],
    ],
    [
      'Gemm',
      fused('FusedGemm', ['x', 'square', 'vector'], {
        activation: 'Elu',
        activation_alpha: w,
        alpha: w,
        transB: 1,
      }),
      [3, 4],
    ],
    [
      'MatMul',
      fused('FusedMatMul', ['x', 'square'], { alpha: w, transA: 1, transB: 1 }),
      [2, 4, 3],
    ],
    ['Gelu with bias', fused('BiasGelu', ['x', 'vector']), [2, 4]],
    ['approximate Gelu', fused('FastGelu', ['x', 'vector']), [2, 4]],
    ['quick Gelu', fused('QuickGelu', ['x'], { alpha: w }), [2, 4]],
    [
      'LayerNormalization of a sum',
      fused('SkipLayerNormalization', ['x', 'x', 'vector', 'vector', 'vector'], { epsilon: w }, [
        'y',
        '',
        '',
        'z',
      ]),
      [2, 3, 4],
    ],
    [
      'root mean square of a sum',
      fused('SkipSimplifiedLayerNormalization', ['x', 'x', 'vector'], { epsilon: w }),
      [2, 3, 4],
    ],
  ])('%s', async (_, given, dims) => {
    for (const opset of [13, 20]) {
      const outputs = given.outputs.filter((name) => name !== '')
      const model = modelWith([given], constants, { shape: dims, outputs, opset })
      const whole = { ...model, opsets: new Map([...model.opsets, ['com.microsoft', 1]]) }
      await expectClose(whole, dims)
      expect(operators(whole).join()).not.toMatch(/Fused|Bias|Fast|Quick|Skip/)
    }
  })

  test('an embedding with its norm, and how long sequences are', async () => {
    const ids = (values: readonly number[]) => new Tensor('int32', [2, 3], Int32Array.from(values))
    const inputs = ['ids', 'segments', 'square', 'square', 'square', 'vector', 'vector', 'mask']
    const given = fused('EmbedLayerNormalization', inputs, { epsilon: w }, ['e', 'lengths'])
    const nodes = [
      given,
      node('Cast', ['lengths'], ['z'], { to: 1 }),
      node('Add', ['e', 'x'], ['y']),
    ]
    const all = {
      ...constants,
      ids: ids([0, 3, 1, 2, 2, 0]),
      segments: ids([0, 1, 1, 0, 0, 1]),
      mask: ids([1, 1, 1, 1, 1, 0]),
    }
    const model = modelWith(nodes, all, { shape: [4], outputs: ['y', 'z'] })
    const whole = { ...model, opsets: new Map([...model.opsets, ['com.microsoft', 1]]) }
    await expectClose(whole, [4])
    expect(operators(whole).join()).not.toMatch(/Embed/)
  })

  test('values that the parts do not give keep a node whole', () => {
    const given = fused('SkipLayerNormalization', ['x', 'x', 'vector'], {}, ['y', 'mean'])
    const model = modelWith([given], constants, { shape: [2, 3, 4], outputs: ['y', 'mean'] })
    expect(plainly(model)).toBe(model)
  })
})
