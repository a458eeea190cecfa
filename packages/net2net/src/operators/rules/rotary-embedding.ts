/**
 * RotaryEmbedding: pairs (x₁, x₂) of the channels of every head are turned by an angle that depends on the
 * position (Su et al. 2021): y₁ = cos·x₁ − sin·x₂, y₂ = sin·x₁ + cos·x₂. A pair is a channel of the first
 * half and its counterpart in the second, or two neighbours (`interleaved`); channels behind
 * `rotary_embedding_dim` pass. x is [batch, heads, positions, channels], or
 * [batch, positions, heads · channels]; the tables of cosines and sines are [batch, positions, pairs], or
 * [all positions, pairs] with the positions in a fourth input.
 * https://onnx.ai/onnx/operators/onnx__RotaryEmbedding.html
 *
 * Growth. Every head is turned alike, so copies of a head stay copies of it. The channels are fixed, because a
 * copy of a channel would be turned with another partner.
 *
 * Gradients, with δ = ∂L/∂y: ∂L/∂x turns δ back, by the negative angle; ∂L/∂cos = Σ δ₁·x₁ + δ₂·x₂ and
 * ∂L/∂sin = Σ δ₂·x₁ − δ₁·x₂ over the heads, added up for positions that are looked up.
 */
import { intAttribute } from '../../model/attributes.ts'
import type { AxesContext, AxesRule } from '../contract/axes.ts'
import { type Axis, product } from '../contract/axis.ts'
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

/** The heads and the channels of a head, where they share an axis. */
function splitHidden(context: AxesContext, hidden: Axis): readonly [Axis, Axis] {
  const heads = headsOf(context) ?? context.refuse('does not say how many heads it has')
  const size = context.shape(0)?.[2]
  const parts =
    typeof size === 'number' ? context.regroup([hidden], [heads, size / heads]) : undefined
  if (!parts) return context.refuse(`has ${heads} heads, into which its channels do not divide`)
  return [parts[0]!, parts[1]!]
}

const axes: AxesRule = (context) => {
  const x = context.axes(0)
  const [heads, channels] = x.length === 4 ? [x[1]!, x[3]!] : splitHidden(context, x[2]!)
  const [batch, length] = [x[0]!, x.length === 4 ? x[2]! : x[1]!]
  context.fix(channels, TURNED)
  if (headsOf(context) !== undefined) context.sizeAttribute('num_heads', heads)
  for (const i of [COS, SIN]) {
    const table = context.axes(i)
    context.fix(table.at(-1)!, TURNED)
    if (context.has(POSITIONS)) context.fix(table[0]!, 'looks up positions along it')
    else {
      context.unify(batch, table[0]!)
      context.unify(length, table[1]!)
    }
  }
  if (context.has(POSITIONS)) {
    const positions = context.axes(POSITIONS, 2)
    context.unify(batch, positions[0]!)
    context.unify(length, positions[1]!)
  }
  const y =
    x.length === 4 ? [batch, heads, length, channels] : [batch, length, product([heads, channels])]
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
  axes,
  gradient,
  scaling: linearIn([0]),
  sign: 'unknown',
}
