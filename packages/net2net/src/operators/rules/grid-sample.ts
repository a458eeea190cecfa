/**
 * GridSample: y[n, c, o] is the image x[n, c] read at the point grid[n, o], whose coordinates run from −1 to 1:
 * the nearest element, or the mean of those around it with weights that fall linearly (or by a cubic) with
 * the distance. Outside the image are zeros, its border, or its reflection. (Jaderberg et al. 2015)
 * https://onnx.ai/onnx/operators/onnx__GridSample.html
 *
 * Growth. Every channel is read at the same points, so copies of a channel give copies of the result. The axes
 * of the image are fixed; those of the result are those of the grid.
 *
 * Gradients. An element of y is Σ v·∏ w over taps: elements v around the point p, with a weight w along each
 * axis. ∂L/∂x adds δ·∏ w at every tap, and ∂L/∂grid = Σ δ·v·∂w/∂p·∏ w′ · ∂p/∂grid, over channels and taps,
 * with the weights w′ of the other axes. The point, in elements, is (grid + 1)·(size − 1)/2, or
 * ((grid + 1)·size − 1)/2 without `align_corners`; at a border it stays, and a reflection turns its direction round.
 */
import { intAttribute, stringAttribute } from '../../model/attributes.ts'
import type { Node } from '../../model/model.ts'
import { elementCount } from '../../tensor/tensor.ts'
import type { GradientContext, GradientRule } from '../contract/gradient.ts'
import type { Operator } from '../contract/operator.ts'
import {
  ints,
  knownShape,
  knownSizes,
  reduce,
  reshape,
  reshapeLike,
  shapeOf,
  unsqueeze,
} from '../helpers/emission.ts'
import { type Formula, formula, type Term } from '../helpers/formula.ts'
import { linearIn } from '../helpers/scaling.ts'
import { addAt, zerosLike } from '../helpers/scatter-back.ts'
import { inferredFrom } from '../helpers/shapes.ts'

/** Before operator set 20, linear and cubic had the names of two spatial axes. */
const modeOf = (node: Node): string =>
  stringAttribute(node, 'mode', 'linear').replace(/^bi(linear|cubic)$/, '$1')

const paddingOf = (node: Node): string => stringAttribute(node, 'padding_mode', 'zeros')
const isAligned = (node: Node): boolean => intAttribute(node, 'align_corners', 0) === 1

/** An element around a point along an axis, or the nearest one. */
interface Tap {
  /** Its index, as a float. */
  readonly at: string
  /** Whether it lies in the image; undefined: always. */
  readonly isInside: string | undefined
  readonly weight: Term
  /** ∂weight/∂p; undefined: 0. */
  readonly slope?: Term
}

interface Along {
  readonly size: number
  readonly taps: readonly Tap[]
  /** ∂p/∂grid. */
  readonly scale: Term
}

interface Reflected {
  readonly at: string
  /** 1, or −1 where the direction has turned round. */
  readonly direction: string
}

/** Reflection of positions at the ends of an axis, until they are between them. */
function reflected(
  { node }: GradientContext,
  f: Formula,
  at: string,
  size: number,
  floor: (x: string) => string,
): Reflected {
  const low = isAligned(node) ? 0 : -0.5
  const span = isAligned(node) ? Math.max(size - 1, 1e-6) : size
  const from = f.sub(at, low)
  const away = f.mul(from, f.sign(from))
  const turns = floor(f.div(away, span))
  const rest = f.sub(away, f.mul(turns, span))
  const isOdd = f.greater(f.sub(turns, f.mul(floor(f.div(turns, 2)), 2)), 0.5)
  const inner = f.add(f.where(isOdd, f.sub(span, rest), rest), low)
  // Only what lies beyond an end is reflected: inside, nothing changes, to the last bit.
  const isWithin = f.and(f.greaterOrEqual(at, low), f.lessOrEqual(at, low + span))
  const sign = f.where(f.less(from, 0), -1, 1)
  return {
    at: f.where(isWithin, at, inner),
    direction: f.where(isWithin, 1, f.where(isOdd, f.neg(sign), sign)),
  }
}

/** Keys' cubic weights of the four elements around a point, t behind the second one, and their derivatives. */
function cubicWeights(
  f: Formula,
  t: string,
): readonly (readonly [weight: string, slope: string])[] {
  const a = -0.75
  const near = (x: string) =>
    [
      f.add(f.mul(f.sub(f.mul(x, a + 2), a + 3), f.square(x)), 1),
      f.mul(f.sub(f.mul(x, 3 * (a + 2)), 2 * (a + 3)), x),
    ] as const
  const far = (x: string) =>
    [
      f.sub(f.mul(f.add(f.mul(f.sub(f.mul(x, a), 5 * a), x), 8 * a), x), 4 * a),
      f.add(f.mul(f.sub(f.mul(x, 3 * a), 10 * a), x), 8 * a),
    ] as const
  const behind = f.sub(1, t)
  const [third, last] = [near(behind), far(f.add(behind, 1))]
  return [far(f.add(t, 1)), near(t), [third[0], f.neg(third[1])], [last[0], f.neg(last[1])]]
}

/** The points along axis k of the image, in elements; the grid counts its axes from the last. */
function coordinates(context: GradientContext, f: Formula, k: number, sizes: readonly number[]) {
  const { node } = context
  const entry = ints(context, [sizes.length - 1 - k])
  const coordinate = context.op('Gather', [context.input(1), entry], { axis: -1 })
  const flat = reshape(context, coordinate, [{ of: context.input(1), axis: 0 }, 1, -1])
  const scale = (isAligned(node) ? sizes[k]! - 1 : sizes[k]!) / 2
  const points = f.add(f.mul(flat, scale), isAligned(node) ? scale : scale - 0.5)
  return modeOf(node) === 'nearest' ? context.op('Round', [points]) : points
}

/** Points and taps along an axis of the image. */
function along(context: GradientContext, f: Formula, given: string, size: number): Along {
  const { node } = context
  const floor = (value: string) => context.op('Floor', [value])
  const mode = modeOf(node)
  const padding = paddingOf(node)
  const scale = (isAligned(node) ? size - 1 : size) / 2
  const within = (value: string) =>
    f.where(f.less(value, 0), 0, f.where(f.greater(value, size - 1), size - 1, value))
  /** Where an index leads to. */
  const placed = (at: string): Pick<Tap, 'at' | 'isInside'> => {
    if (padding === 'border') return { at: within(at), isInside: undefined }
    if (padding === 'reflection')
      return { at: within(reflected(context, f, at, size, floor).at), isInside: undefined }
    const isInside = f.and(f.greaterOrEqual(at, 0), f.lessOrEqual(at, size - 1))
    return { at, isInside }
  }
  // A cubic reads beyond the image at every border: there the elements are placed, not the point.
  const isPlaced = mode !== 'cubic'
  const turned =
    isPlaced && padding === 'reflection' ? reflected(context, f, given, size, floor) : undefined
  const bounded = isPlaced && padding === 'border' ? within(given) : given
  const point = turned?.at ?? bounded
  const stays = (): Term => (bounded === given ? scale : f.where(f.equal(bounded, given), scale, 0))
  const along = { size, scale: turned ? f.mul(turned.direction, scale) : stays() }
  if (mode === 'nearest') return { ...along, taps: [{ ...placed(point), weight: 1 }] }
  const low = floor(point)
  const beyond = f.sub(point, low)
  const tap = (offset: number, weight: Term, slope: Term): Tap => ({
    ...placed(offset === 0 ? low : f.add(low, offset)),
    weight,
    slope,
  })
  if (mode === 'cubic')
    return {
      ...along,
      taps: cubicWeights(f, beyond).map(([weight, slope], i) => tap(i - 1, weight, slope)),
    }
  return { ...along, taps: [tap(0, f.sub(1, beyond), -1), tap(1, beyond, 1)] }
}

/** One tap of each axis, in all combinations. */
const combinations = (axes: readonly Along[]): readonly (readonly Tap[])[] =>
  axes.reduce<readonly (readonly Tap[])[]>(
    (all, { taps }) => all.flatMap((some) => taps.map((tap) => [...some, tap])),
    [[]],
  )

const gradient: GradientRule = (context) => {
  const dy = context.outputGradient(0)
  if (dy === undefined) return []
  const [x, grid] = [context.input(0), context.input(1)]
  const sizes = knownSizes(context, knownShape(context, x).slice(2), 'the sizes of its image')
  const f = formula(context, dy)
  const points = sizes.map((_, k) => coordinates(context, f, k, sizes))
  const axes = sizes.map((size, k) => along(context, f, points[k]!, size))
  const lines = [
    { of: x, axis: 0 },
    { of: x, axis: 1 },
  ] as const
  const image = reshape(context, x, [...lines, elementCount(sizes)])
  const dyLines = reshape(context, dy, [...lines, -1])
  const spread = (value: string) => context.op('Expand', [value, shapeOf(context, dyLines)])

  let dx = zerosLike(context, image)
  const slopes: string[][] = sizes.map(() => [])
  for (const taps of combinations(axes)) {
    const inside = taps.flatMap(({ isInside }) => (isInside === undefined ? [] : [isInside]))
    const isInside = inside.length === 0 ? undefined : inside.reduce((a, b) => f.and(a, b))
    const within = (value: string) => (isInside === undefined ? value : f.where(isInside, value, 0))
    const place = taps
      .slice(1)
      .reduce((sum, { at }, k) => f.add(f.mul(sum, sizes[k + 1]!), at), taps[0]!.at)
    const index = spread(context.op('Cast', [within(place)], { to: 7 }))
    const weighted = (from: string, without?: number) =>
      taps.reduce<string>(
        (value, { weight }, k) => (k === without ? value : f.mul(value, weight)),
        from,
      )
    if (context.needs(0)) dx = addAt(context, dx, index, within(weighted(dyLines)), 2)
    if (!context.needs(1)) continue
    const value = within(context.op('GatherElements', [image, index], { axis: 2 }))
    const product = f.mul(dyLines, value)
    for (const [k, { slope }] of taps.entries())
      if (slope !== undefined) slopes[k]!.push(f.mul(weighted(product, k), slope))
  }
  return [
    context.needs(0) ? reshapeLike(context, dx, x) : undefined,
    context.needs(1) ? gridGradient(context, f, axes, slopes, grid) : undefined,
  ]
}

/** [N, points, axes]: the slopes along all axes, the last one first, summed over taps and channels. */
function gridGradient(
  context: GradientContext,
  f: Formula,
  axes: readonly Along[],
  slopes: readonly (readonly string[])[],
  grid: string,
): string | undefined {
  if (slopes.every((list) => list.length === 0)) return undefined
  const parts = slopes.map((list, k) => {
    const all = list.reduce((a, b) => f.add(a, b))
    const summed = f.mul(reduce(context, 'Sum', all, [1], true), axes[k]!.scale)
    return unsqueeze(context, reduce(context, 'Sum', summed, [1], false), [2])
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
