/**
 * GridSample: y[n, c, o] is the image x[n, c] read at the point grid[n, o], whose coordinates run from −1 to 1:
 * the nearest element, or the mean of those around it with weights that fall linearly (or by a cubic) with
 * the distance. Outside the image are zeros, its border, or its reflection. (Jaderberg et al. 2015)
 * https://onnx.ai/onnx/operators/onnx__GridSample.html
 *
 * Growth. Every channel is read at the same points, so copies of a channel give copies of the result. The axes
 * of the image are fixed; those of the result are those of the grid.
 *
 * Gradients for two spatial axes, nearest or linear. Let w be the weight of a corner, product of the weights
 * along both axes, and v the element there (0 outside). ∂L/∂x adds w·δ at every corner, and
 * ∂L/∂grid = Σ δ·v·∂w/∂p · ∂p/∂grid, over the channels and the corners, where the point p in elements
 * is (grid + 1)·(size − 1)/2, or ((grid + 1)·size − 1)/2 without `align_corners`.
 */
import { intAttribute, stringAttribute } from '../../model/attributes.ts'
import type { Node } from '../../model/model.ts'
import { elementCount } from '../../tensor/tensor.ts'
import type { GradientContext, GradientRule } from '../contract/gradient.ts'
import type { Operator } from '../contract/operator.ts'
import {
  cannotDifferentiate,
  ints,
  knownShape,
  knownSizes,
  reduce,
  reshape,
  reshapeLike,
  shapeOf,
  unsqueeze,
} from '../helpers/emission.ts'
import { type Formula, formula } from '../helpers/formula.ts'
import { linearIn } from '../helpers/scaling.ts'
import { zerosLike } from '../helpers/scatter-back.ts'
import { inferredFrom } from '../helpers/shapes.ts'

/** Before operator set 20, linear and cubic had the names of two spatial axes. */
const modeOf = (node: Node): string =>
  stringAttribute(node, 'mode', 'linear').replace(/^bi(linear|cubic)$/, '$1')

/** One of the two elements around a point along an axis, or the nearest one. */
interface Tap {
  /** Its index, as a float; it may lie outside of the image. */
  readonly at: string
  readonly weight: string | number
  /** ∂weight/∂p, where it is not 0. */
  readonly slope: -1 | 0 | 1
}

interface Along {
  readonly size: number
  readonly taps: readonly Tap[]
  /** ∂p/∂grid. */
  readonly scale: string | number
}

/** Points and taps along axis k of the image; the grid counts its axes from the last. */
function along(context: GradientContext, f: Formula, k: number, size: number): Along {
  const { node } = context
  const coordinate = context.op('Gather', [context.input(1), ints(context, [1 - k])], { axis: -1 })
  const flat = reshape(context, coordinate, [{ of: context.input(1), axis: 0 }, 1, -1])
  const aligned = intAttribute(node, 'align_corners', 0) === 1
  const scale = (aligned ? size - 1 : size) / 2
  const free = f.add(f.mul(flat, scale), aligned ? scale : scale - 0.5)
  const atBorder = stringAttribute(node, 'padding_mode', 'zeros') === 'border'
  const inside = f.and(f.greaterOrEqual(free, 0), f.lessOrEqual(free, size - 1))
  const point = atBorder ? f.where(inside, free, f.where(f.less(free, 0), 0, size - 1)) : free
  if (modeOf(node) === 'nearest')
    return { size, scale, taps: [{ at: context.op('Round', [point]), weight: 1, slope: 0 }] }
  const low = context.op('Floor', [point])
  const beyond = f.sub(point, low)
  return {
    size,
    scale: atBorder ? f.where(inside, scale, 0) : scale,
    taps: [
      { at: low, weight: f.sub(1, beyond), slope: -1 },
      { at: f.add(low, 1), weight: beyond, slope: 1 },
    ],
  }
}

const gradient: GradientRule = (context) => {
  const dy = context.outputGradient(0)
  if (dy === undefined) return []
  const [x, grid] = [context.input(0), context.input(1)]
  const shape = knownShape(context, x)
  const { node } = context
  if (shape.length !== 4 || modeOf(node) === 'cubic')
    throw cannotDifferentiate(context, 'only nearest and linear over two axes have a gradient rule')
  if (stringAttribute(node, 'padding_mode', 'zeros') === 'reflection')
    throw cannotDifferentiate(context, 'its padding by reflection has no gradient rule')
  const sizes = knownSizes(context, shape.slice(2), 'the sizes of its image')
  const f = formula(context, dy)
  const axes = sizes.map((size, k) => along(context, f, k, size))
  const lines = [
    { of: x, axis: 0 },
    { of: x, axis: 1 },
  ] as const
  const image = reshape(context, x, [...lines, elementCount(sizes)])
  const dyLines = reshape(context, dy, [...lines, -1])
  const spread = (value: string) => context.op('Expand', [value, shapeOf(context, dyLines)])

  let dx = zerosLike(context, image)
  const slopes: string[][] = [[], []]
  for (const row of axes[0]!.taps)
    for (const column of axes[1]!.taps) {
      const taps = [row, column]
      const inside = taps
        .map(({ at }, k) => f.and(f.greaterOrEqual(at, 0), f.lessOrEqual(at, sizes[k]! - 1)))
        .reduce((a, b) => f.and(a, b))
      const place = f.add(f.mul(row.at, sizes[1]!), column.at)
      const index = spread(context.op('Cast', [f.where(inside, place, 0)], { to: 7 }))
      const within = (value: string) => f.where(inside, value, 0)
      const weighted = taps.reduce<string>((value, { weight }) => f.mul(value, weight), dyLines)
      if (context.needs(0))
        dx = context.op('ScatterElements', [dx, index, within(weighted)], {
          axis: 2,
          reduction: 'add',
        })
      if (!context.needs(1)) continue
      const value = within(context.op('GatherElements', [image, index], { axis: 2 }))
      const product = f.mul(dyLines, value)
      taps.forEach(({ slope }, k) => {
        if (slope !== 0) slopes[k]!.push(f.mul(f.mul(product, slope), taps[1 - k]!.weight))
      })
    }
  return [
    context.needs(0) ? reshapeLike(context, dx, x) : undefined,
    context.needs(1) ? gridGradient(context, f, axes, slopes, grid) : undefined,
  ]
}

/** [N, points, 2]: the slopes along both axes, the last one first, summed over corners and channels. */
function gridGradient(
  context: GradientContext,
  f: Formula,
  axes: readonly Along[],
  slopes: readonly (readonly string[])[],
  grid: string,
): string | undefined {
  if (slopes.every((list) => list.length === 0)) return undefined
  const parts = slopes.map((list, k) => {
    const summed = reduce(
      context,
      'Sum',
      list.reduce((a, b) => f.add(a, b)),
      [1],
      true,
    )
    return unsqueeze(
      context,
      reduce(context, 'Sum', f.mul(summed, axes[k]!.scale), [1], false),
      [2],
    )
  })
  return reshapeLike(context, context.op('Concat', parts.reverse(), { axis: 2 }), grid)
}

export const gridSample: Operator = {
  name: 'GridSample',
  infer: (context) => {
    const [x, grid] = [context.shape(0), context.shape(1)]
    return [
      inferredFrom(
        context,
        x && grid && [x[0] ?? grid[0] ?? null, x[1] ?? null, ...grid.slice(1, -1)],
      ),
    ]
  },
  axes: (context) => {
    const [x, grid] = [context.axes(0), context.axes(1)]
    for (const axis of x.slice(2)) context.fix(axis, 'reads points along it')
    context.fix(grid.at(-1)!, 'holds the coordinates of a point')
    return [{ axes: [context.unify(x[0]!, grid[0]!), x[1]!, ...grid.slice(1, -1)] }]
  },
  gradient,
  scaling: linearIn([0]),
  sign: 'unknown',
}
