/**
 * Col2Im: blocks of an image, written as columns, added up at their places: the transpose of taking the
 * blocks of an image. x is [N, C · ∏ block, L] with one column for each of the L places of the block, and
 * y[n, c, p] = Σ x[n, c · ∏ block + k, o] over all taps k and places o with o·stride + k·dilation − pad = p.
 * https://onnx.ai/onnx/operators/onnx__Col2Im.html
 *
 * Growth. Every channel is put together by itself, so copies of a channel with all its taps give copies of
 * the result. The taps and the places are fixed.
 *
 * Gradient: the blocks of ∂L/∂y, which a convolution with one filter per tap takes.
 */
import { inputError } from '../../errors.ts'
import type { Dim } from '../../model/model.ts'
import { elementCount } from '../../tensor/tensor.ts'
import type { InferContext } from '../contract/infer.ts'
import type { Operator } from '../contract/operator.ts'
import { numbers } from '../helpers/elements.ts'
import { cannotDifferentiate, knownShape, reshape, tensorLike } from '../helpers/emission.ts'
import { gradientOf, inferView } from '../helpers/formula.ts'
import { linearIn } from '../helpers/scaling.ts'
import { inferredFrom } from '../helpers/shapes.ts'
import { attributeList } from '../helpers/windows.ts'

const blockOf = (context: InferContext) => numbers(context, 2)

function channelsOf(context: InferContext): Dim {
  const columns = context.shape(0)?.[1]
  const block = blockOf(context)
  if (typeof columns !== 'number' || !block) return null
  const taps = elementCount(block)
  if (columns % taps !== 0) throw inputError(`${columns} rows do not divide into ${taps} taps.`)
  return columns / taps
}

export const col2Im: Operator = {
  name: 'Col2Im',
  infer: (context) => {
    const shape = context.shape(0)
    const image = context.elements(1) ?? Array<null>(Number(context.shape(1)?.[0] ?? 2)).fill(null)
    return [inferredFrom(context, [shape?.[0] ?? null, channelsOf(context), ...image])]
  },
  axes: (context) => {
    const [batch, rows, places] = context.axes(0, 3)
    const channels = channelsOf(context)
    const block = blockOf(context)
    const parts = block && context.regroup([rows!], [channels, elementCount(block)])
    if (!parts) return context.refuse('has blocks whose shape is not known')
    context.fix(parts[1]!, 'holds the taps of a block')
    context.fix(places!, 'holds the places of the blocks')
    const image = context.output(0).shape!.slice(2)
    return [
      {
        axes: [
          batch!,
          parts[0]!,
          ...image.map((size) => context.fixed(size, 'adds blocks along it')),
        ],
      },
    ]
  },
  gradient: gradientOf((context) => {
    const block = blockOf(inferView(context))
    if (!block) throw cannotDifferentiate(context, 'the shape of its blocks is not known')
    const rank = block.length
    const { g, node } = context
    const taps = elementCount(block)
    const images = reshape(context, g, [
      -1,
      1,
      ...knownShape(context, g)
        .slice(2)
        .map((_, k) => ({ of: g, axis: k + 2 })),
    ])
    const filters = Array.from({ length: taps * taps }, (_, i) => Number(i % (taps + 1) === 0))
    const columns = context.op(
      'Conv',
      [images, tensorLike(context, g, [taps, 1, ...block], filters)],
      {
        kernel_shape: block,
        strides: attributeList(node, 'strides', rank, 1),
        dilations: attributeList(node, 'dilations', rank, 1),
        pads: attributeList(node, 'pads', 2 * rank, 0),
      },
    )
    const x = context.input(0)
    return reshape(
      context,
      columns,
      [0, 1, 2].map((axis) => ({ of: x, axis })),
    )
  }),
  scaling: linearIn([0]),
  sign: 'inherited',
  reads: { numbers: [1, 2] },
}
