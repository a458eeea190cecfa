/** Test cases of quantized values. */
import { type Bench, grows, refuses, WIDTH } from '../../../testing/bench.ts'
import type { OperatorCases } from '../../../testing/cases.ts'
import { float32, scalar, Tensor } from '../../tensor/tensor.ts'

const int8 = (dims: readonly number[], seed: number, offset = 0) =>
  new Tensor(
    'int8',
    dims,
    Int8Array.from(
      { length: dims.reduce((a, b) => a * b, 1) },
      (_, i) => (((i + seed) * 37) % 19) - 9 + offset,
    ),
  )

/** Two layers whose weights are quantized: a scale for each unit or for all, and the zero points given or not. */
function layers(b: Bench, perUnit: boolean, zeroPoint: 'none' | 'zero' | 'other') {
  const weight = (from: number, to: number, seed: number) => {
    const scales = perUnit
      ? float32(
          [to],
          Array.from({ length: to }, (_, i) => 0.01 * (i + 2)),
        )
      : scalar('float32', 0.03)
    const zeros = new Tensor(
      'int8',
      perUnit ? [to] : [],
      new Int8Array(perUnit ? to : 1).fill(zeroPoint === 'other' ? 3 : 0),
    )
    return b.op(
      'DequantizeLinear',
      [
        b.constant(int8([from, to], seed)),
        b.constant(scales),
        ...(zeroPoint === 'none' ? [] : [b.constant(zeros)]),
      ],
      { axis: 1 },
    )
  }
  const quantized = (x: string) => {
    const scale = b.constant(scalar('float32', 0.05))
    const zero = b.constant(new Tensor('uint8', [], Uint8Array.of(120)))
    return b.op('DequantizeLinear', [b.op('QuantizeLinear', [x, scale, zero]), scale, zero])
  }
  const h = b.op('MatMul', [quantized('x'), weight(6, WIDTH, 1)], {}, { name: 'grown' })
  return b.op('MatMul', [
    quantized(b.op('Relu', [b.op('Add', [h, b.weight(WIDTH)])])),
    weight(WIDTH, 3, 5),
  ])
}

const through = (perUnit: boolean) =>
  (['none', 'zero'] as const).map((zeroPoint) =>
    grows(
      `of weights with ${perUnit ? 'a scale for each unit' : 'one scale'}, zero point: ${zeroPoint}`,
      (b) => layers(b, perUnit, zeroPoint),
      { opset: 19 },
    ),
  )

export const cases: OperatorCases = {
  QuantizeLinear: { growth: through(false) },
  DequantizeLinear: {
    growth: [
      ...through(true),
      refuses(
        'of weights with another zero point',
        /DequantizeLinear/,
        (b) => layers(b, false, 'other'),
        { opset: 19 },
      ),
    ],
  },
}
