/**
 * RotaryEmbedding: pairs (x₁, x₂) of the channels of every head are turned by an angle that depends on the
 * position (Su et al. 2021): y₁ = cos·x₁ − sin·x₂, y₂ = sin·x₁ + cos·x₂. A pair is a channel of the first
 * half and its counterpart in the second, or two neighbours (`interleaved`); channels behind
 * `rotary_embedding_dim` pass. x is [batch, heads, positions, channels], or
 * [batch, positions, heads · channels]; the tables of cosines and sines are [batch, positions, pairs], or
 * [all positions, pairs] with the positions in a fourth input.
 * https://onnx.ai/onnx/operators/onnx__RotaryEmbedding.html
 *
 * Growth. Every head is turned alike, so copies of a head stay copies of it. The channels of a head grow by whole pairs, which
 * are turned by copies of their cosines and sines, and by channels that pass.
 *
 * Gradients, with δ = ∂L/∂y: ∂L/∂x turns δ back, by the negative angle; ∂L/∂cos = Σ δ₁·x₁ + δ₂·x₂ and
 * ∂L/∂sin = Σ δ₂·x₁ − δ₁·x₂ over the heads, added up for positions that are looked up.
 */
import { intAttribute } from '../../model/attributes.ts'
import type { Dim } from '../../model/model.ts'
import type { AxesContext, AxesRule } from '../contract/axes.ts'
import { type Axis, product, sum } from '../contract/axis.ts'
import type { GradientContext, GradientRule } from '../contract/gradient.ts'
import type { InferContext } from '../contract/infer.ts'
import type { Operator } from '../contract/operator.ts'
import {
  cannotDifferentiate,
  knownShape,
  knownSizes,
  reduce,
  reshape,
  slice,
  transpose,
} from '../helpers/emission.ts'
import { formula } from '../helpers/formula.ts'
import { linearIn } from '../helpers/scaling.ts'
import { scatterBack } from '../helpers/scatter-back.ts'
import { inferUnary } from '../helpers/unary.ts'

const COS = 1
const SIN = 2
const POSITIONS = 3

const headsOf = ({ node }: Pick<InferContext, 'node'>) =>
  intAttribute(node, 'num_heads', 0) || undefined

const TURNED = 'turns its channels in pairs'

/**
 * The channels of a head as pairs and what passes. Both channels of a pair are one axis, since factors come out of a
 * pair only if both have them.
 */
export function turned(
  context: AxesContext,
  channels: Axis,
  size: Dim,
  tables: readonly number[],
): Axis {
  const pairs = context.shape(tables[0]!)?.at(-1)
  const refuse = () => {
    context.fix(channels, TURNED)
    return channels
  }
  if (typeof pairs !== 'number' || typeof size !== 'number' || size < 2 * pairs) return refuse()
  const whole = size === 2 * pairs
  const rotated = whole ? channels : context.slice(channels, 0, 2 * pairs)
  const rest = whole ? undefined : context.slice(channels, 2 * pairs, size)
  if (!rotated || !(whole || rest)) return refuse()
  const isInterleaved =
    intAttribute(context.node, 'interleaved', 0) === 1 ||
    intAttribute(context.node, 'rotary_interleaved', 0) === 1
  const parts = isInterleaved
    ? context.regroup([rotated], [pairs, 2])
    : [0, 1].map((k) => context.slice(rotated, k * pairs, (k + 1) * pairs))
  const [first, second] = parts ?? []
  if (!first || !second) return refuse()
  let pair = isInterleaved ? first : context.unify(first, second)
  for (const i of tables) pair = context.unify(pair, context.axes(i).at(-1)!)
  if (isInterleaved) context.fix(second, TURNED)
  const result = isInterleaved ? product([pair, second]) : sum([pair, pair])
  if (intAttribute(context.node, 'rotary_embedding_dim', 0) > 0)
    context.sizeAttribute('rotary_embedding_dim', result)
  return rest ? sum([result, rest]) : result
}

/** The number of heads that is told, or that of heads that are turned as a whole. */
function headCount(context: AxesContext, cos: number): number | undefined {
  const told = headsOf(context)
  const [hidden, pairs] = [context.shape(0)?.at(-1), context.shape(cos)?.at(-1)]
  if (told !== undefined || context.node.domain === '') return told
  return typeof hidden === 'number' && typeof pairs === 'number' ? hidden / (2 * pairs) : undefined
}

/** The heads and the channels of a head, where they share an axis. */
function splitHidden(context: AxesContext, hidden: Axis, cos: number): readonly [Axis, Axis] {
  const heads = headCount(context, cos) ?? context.refuse('does not say how many heads it has')
  const size = context.shape(0)?.[2]
  const parts =
    typeof size === 'number' ? context.regroup([hidden], [heads, size / heads]) : undefined
  if (!parts) return context.refuse(`has ${heads} heads, into which its channels do not divide`)
  return [parts[0]!, parts[1]!]
}

/** Where the inputs are. */
interface Places {
  readonly cos: number
  readonly sin: number
  readonly positions: number
}

export const rotaryAxes = (
  context: AxesContext,
  { cos, sin, positions }: Places,
): ReturnType<AxesRule> => {
  const x = context.axes(0)
  const [heads, channels] = x.length === 4 ? [x[1]!, x[3]!] : splitHidden(context, x[2]!, cos)
  const [batch, length] = [x[0]!, x.length === 4 ? x[2]! : x[1]!]
  if (headsOf(context) !== undefined) context.sizeAttribute('num_heads', heads)
  for (const i of [cos, sin]) {
    const table = context.axes(i)
    if (context.has(positions)) context.fix(table[0]!, 'looks up positions along it')
    else {
      context.unify(batch, table[0]!)
      context.unify(length, table[1]!)
    }
  }
  if (context.has(positions)) {
    const found = context.axes(positions, 2)
    if (found.length === 2) {
      context.unify(batch, found[0]!)
      context.unify(length, found[1]!)
    } else for (const axis of found) context.fix(axis, 'counts positions along it')
  }
  const hidden = context.shape(0)?.at(-1) ?? null
  const size =
    x.length === 4 || typeof hidden !== 'number' ? hidden : hidden / headCount(context, cos)!
  const result = turned(context, channels, size, [cos, sin])
  const y =
    x.length === 4 ? [batch, heads, length, result] : [batch, length, product([heads, result])]
  return [{ axes: y }]
}

const gradient: GradientRule = (context) => {
  const dy = context.outputGradient(0)
  if (dy === undefined) return []
  const { node } = context
  const [x, cos, sin] = node.inputs as readonly [string, string, string]
  const { add, sub, mul, neg } = formula(context, dy)
  const back = () =>
    context.op(
      node.opType,
      [dy, cos, neg(sin), ...node.inputs.slice(3)],
      Object.fromEntries(node.attributes),
    )
  /** The gradient of a table: summed over the heads, and over the uses of a position. */
  const toTable = (i: number, of: (x: Pair, dy: Pair) => string) => {
    const value = of(pairsOf(context, x), pairsOf(context, dy))
    const summed = reduce(context, 'Sum', value, [2], false)
    return context.has(POSITIONS)
      ? scatterBack(context, context.input(i), summed, (all) =>
          context.op('Gather', [all, context.input(POSITIONS)], { axis: 0 }),
        )
      : summed
  }
  return [
    context.needs(0) ? back() : undefined,
    context.needs(COS)
      ? toTable(COS, (x, dy) => add(mul(dy[0], x[0]), mul(dy[1], x[1])))
      : undefined,
    context.needs(SIN)
      ? toTable(SIN, (x, dy) => sub(mul(dy[1], x[0]), mul(dy[0], x[1])))
      : undefined,
  ]
}

/** Both channels of every pair, as [batch, positions, heads, pairs] each. */
type Pair = readonly [string, string]

function pairsOf(context: GradientContext, value: string): Pair {
  const rank = knownShape(context, value).length
  const of = (axis: number) => ({ of: value, axis })
  const heads = headsOf(context)
  if (rank === 3 && heads === undefined)
    throw cannotDifferentiate(context, 'it does not say how many heads it has')
  const apart =
    rank === 4
      ? transpose(context, value, [0, 2, 1, 3])
      : reshape(context, value, [of(0), of(1), heads!, -1])
  const [pairs] = knownSizes(
    context,
    [knownShape(context, context.input(COS)).at(-1)!],
    'its numbers of pairs',
  )
  const part = (start: number, end: number, step = 1) =>
    slice(context, apart, [3], [start], [end], [step])
  return intAttribute(context.node, 'interleaved', 0) === 1
    ? [part(0, 2 * pairs!, 2), part(1, 2 * pairs!, 2)]
    : [part(0, pairs!), part(pairs!, 2 * pairs!)]
}

export const rotaryEmbedding: Operator = {
  name: 'RotaryEmbedding',
  infer: inferUnary,
  axes: (context) => rotaryAxes(context, { cos: COS, sin: SIN, positions: POSITIONS }),
  gradient,
  scaling: linearIn([0]),
  sign: 'unknown',
}
