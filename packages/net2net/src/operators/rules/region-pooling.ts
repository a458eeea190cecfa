/**
 * RoiAlign and MaxRoiPool: an image [C, h, w] of each region of the images x, [N, C, H, W]. RoiAlign reads means or maxima of
 * interpolated points, MaxRoiPool maxima of elements.
 * https://onnx.ai/onnx/operators/onnx__RoiAlign.html, onnx__MaxRoiPool.html
 *
 * Growth. Every channel is read at the same points. The other axes of the images are fixed, and so are the
 * four coordinates of a region (five with its image); the regions are those of their images' numbers.
 */
import { intAttribute, intsAttribute } from '../../model/attributes.ts'
import type { Dim } from '../../model/model.ts'
import { unsupported } from '../contract/answers.ts'
import type { AxesRule } from '../contract/axes.ts'
import type { InferContext } from '../contract/infer.ts'
import type { Operator } from '../contract/operator.ts'
import { linearIn, positivelyHomogeneous } from '../helpers/scaling.ts'
import { inferredFrom } from '../helpers/shapes.ts'

const REGIONS = 'reads regions along it'

const axes: AxesRule = (context) => {
  const [batch, channels, ...image] = context.axes(0)
  for (const axis of [batch!, ...image]) context.fix(axis, REGIONS)
  const [regions, coordinates] = context.axes(1, 2)
  context.fix(coordinates!, 'holds the corners of a region')
  const all = context.has(2) ? context.unify(regions!, context.axes(2, 1)[0]!) : regions!
  const sizes = context.output(0).shape?.slice(2) ?? [null, null]
  return [{ axes: [all, channels!, ...sizes.map((size) => context.fixed(size, REGIONS))] }]
}

const infer = (size: (context: InferContext) => readonly Dim[]) => (context: InferContext) => [
  inferredFrom(context, [
    context.shape(1)?.[0] ?? null,
    context.shape(0)?.[1] ?? null,
    ...size(context),
  ]),
]

export const regionPooling: readonly Operator[] = [
  {
    name: 'RoiAlign',
    infer: infer(({ node }) =>
      ['output_height', 'output_width'].map((name) => intAttribute(node, name, 1)),
    ),
    axes,
    gradient: unsupported('reads regions of images, which has no gradient rule'),
    scaling: linearIn([0]),
    sign: 'inherited',
  },
  {
    name: 'MaxRoiPool',
    infer: infer(({ node }) => intsAttribute(node, 'pooled_shape') ?? [null, null]),
    axes,
    gradient: unsupported('reads regions of images, which has no gradient rule'),
    scaling: positivelyHomogeneous,
    sign: 'inherited',
  },
]
