/**
 * QuantizeLinear: y = saturate(round(x / scale) + zero point), and DequantizeLinear: y = (x − zero point) · scale, with one scale
 * for all of x or one for each entry of an axis.
 * https://onnx.ai/onnx/operators/onnx__QuantizeLinear.html, onnx__DequantizeLinear.html
 *
 * Growth. Copies of a unit are quantized alike, and a scale for each unit is copied with it. Quantized weights that are contracted
 * are split, which integers can be only by 1 and 0: the first copy keeps the numbers, the others get zeros (see replicate.ts). These
 * must stand for 0, so that weights with another zero point cannot be split. Blocks of a scale each, and numbers of
 * less than eight bits, are not followed.
 */
import { intAttribute } from '../../model/attributes.ts'
import { dtypeFromCode, dtypes } from '../../tensor/dtype.ts'
import { unsupported } from '../contract/answers.ts'
import type { AxesRule } from '../contract/axes.ts'
import type { Operator } from '../contract/operator.ts'
import { axisPosition } from '../helpers/shapes.ts'

const axes: AxesRule = (context) => {
  const data = context.axes(0)
  if (intAttribute(context.node, 'block_size', 0) > 0)
    context.refuse('has a scale for each block of its values, which is not followed')
  const dtype = context.dtype(0)
  if (dtype !== undefined && dtypes[dtype].bits < 8)
    context.refuse('holds numbers of less than eight bits, which are not followed')
  const scale = context.shape(1) ?? context.refuse('has a scale of unknown shape')
  if (scale.length === 1 && scale[0] !== 1) {
    const axis = axisPosition(intAttribute(context.node, 'axis', 1), data.length)
    for (const i of [1, 2]) if (context.has(i)) context.unify(data[axis]!, context.axes(i)[0]!)
  }
  return [{ axes: data }]
}

const inFloat = 'is quantized: train the network from before, and quantize it again'

export const quantizations: readonly Operator[] = [
  {
    name: 'QuantizeLinear',
    infer: (context) => {
      const code = intAttribute(context.node, 'output_dtype', 0)
      const dtype = context.has(2) ? context.dtype(2) : (dtypeFromCode(code) ?? 'uint8')
      return [{ dtype, shape: context.shape(0) }]
    },
    axes,
    gradient: unsupported(inFloat),
    scaling: 'none',
    sign: 'unknown',
  },
  {
    name: 'DequantizeLinear',
    infer: (context) => [{ dtype: context.dtype(1), shape: context.shape(0) }],
    axes,
    gradient: unsupported(inFloat),
    // In the numbers where their zero point is 0, which is a multiple of itself; and in the scale.
    scaling: { inputs: ({ inputs }) => [inputs[2] ? [0, 2] : [0], [1]], linear: true },
    sign: 'unknown',
  },
]
