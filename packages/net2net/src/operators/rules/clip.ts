/**
 * Clip: y = min(max(x, low), high). The bounds are scalars, attributes before opset 11.
 * https://onnx.ai/onnx/operators/onnx__Clip.html
 *
 * Growth: an element of y depends on one element of x (helpers/unary.ts). Clipping twice is clipping once,
 * so an identity layer followed by the same Clip (ReLU6) changes nothing.
 *
 * Gradient: g where low ≤ x ≤ high, as in PyTorch; none for the bounds.
 */
import { floatAttribute } from '../../model/attributes.ts'
import { float32 } from '../../tensor/tensor.ts'
import { type GradientContext, isCpu } from '../contract/gradient.ts'
import type { Operator } from '../contract/operator.ts'
import { sameAxes } from '../helpers/axes-rules.ts'
import { blockedElementwise } from '../helpers/blocked.ts'
import { elementsOf } from '../helpers/elements.ts'
import { gradientOf, type Term } from '../helpers/formula.ts'
import { positive } from '../helpers/masks.ts'
import { inferUnary } from '../helpers/unary.ts'

/** The bounds that are given: names of inputs, or numbers from attributes. */
function bound(context: GradientContext, i: number, attribute: string): Term | undefined {
  if (context.opset < 11) return floatAttribute(context.node, attribute, undefined)
  return context.has(i) ? context.input(i) : undefined
}

export const clips: readonly Operator[] = [
  {
    name: 'Clip',
    infer: inferUnary,
    axes: sameAxes,
    gradient: gradientOf((context) => {
      const { f, g } = context
      const x = context.input(0)
      const low = bound(context, 1, 'min')
      const high = bound(context, 2, 'max')
      if (isCpu(context.target) && context.info(g).dtype === 'float32') {
        // (x − low)·(high − x) is negative outside alone: one mask, which stays in blocks of channels.
        const isZero = typeof low === 'string' && elementsOf(context.info(low))?.[0] === 0
        const over = low === undefined ? undefined : isZero ? x : f.sub(x, low)
        const under = high === undefined ? undefined : f.sub(high, x)
        const product = over !== undefined && under !== undefined ? f.mul(over, under) : undefined
        const inside = product ?? over ?? under
        return inside === undefined ? g : f.mul(g, positive(context, inside, 1))
      }
      const above = low === undefined ? undefined : f.greaterOrEqual(x, low)
      const below = high === undefined ? undefined : f.lessOrEqual(x, high)
      const inside = above && below ? f.and(above, below) : (above ?? below)
      return inside === undefined ? g : f.where(inside, g, 0)
    }),
    scaling: 'none',
    sign: 'unknown',
    reads: { numbers: [1, 2] },
    execution: { blocked: blockedElementwise },
    growth: {
      activation: { idempotent: () => true },
      bounds: ([x, min, max], node) => {
        const least = min?.low ?? floatAttribute(node, 'min', -Infinity)
        const most = max?.high ?? floatAttribute(node, 'max', Infinity)
        const clipped = (value: number) => Math.min(most, Math.max(least, value))
        return { low: clipped(x?.low ?? -Infinity), high: clipped(x?.high ?? Infinity) }
      },
    },
    training: {
      upgrade: ({ node, from, constant }) => {
        if (from >= 11) return node
        const [low, high] = ['min', 'max'].map((name) => {
          const value = floatAttribute(node, name, undefined)
          return value === undefined ? '' : constant(float32([], [value]))
        })
        const inputs = [node.inputs[0]!, low!, high!]
        while (inputs.at(-1) === '') inputs.pop()
        return { ...node, inputs, attributes: new Map() }
      },
    },
  },
]
