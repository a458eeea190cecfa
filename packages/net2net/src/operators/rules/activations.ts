/**
 * Activations: element-wise non-linearities y = φ(x), by the definitions of the standard
 * (https://onnx.ai/onnx/operators/onnx__Relu.html and the page of each name):
 *
 *   Relu             max(0, x)                        LeakyRelu    x, or α·x below 0
 *   ThresholdedRelu  x above α, 0 elsewhere           Elu          x, or α·(eˣ − 1) below 0
 *   Selu             γ·Elu(x)                         Celu         x, or α·(e^(x/α) − 1) below 0
 *   Sigmoid          1 / (1 + e⁻ˣ) = σ(x)             HardSigmoid  α·x + β, cut to [0, 1]
 *   Swish            x·σ(α·x)                         HardSwish    x·(x/6 + ½ cut to [0, 1])
 *   Softplus         ln(1 + eˣ)                       Softsign     x / (1 + |x|)
 *   Tanh             tanh x                           Mish         x·tanh(ln(1 + eˣ))
 *   Gelu             x·Φ(x), or x/2·(1 + tanh(√(2/π)·(x + 0.044715·x³)))
 *   Shrink           x + bias below −λ, x − bias above λ, 0 between
 *
 * Growth. An element of y depends on one element of x, so copies of a unit stay copies of it
 * (helpers/unary.ts). Where φ(φ(x)) = φ(x), an identity layer with the same activation behind it changes
 * nothing.
 *
 * Gradients. Each entry is the derivative of its definition, written with what is cheapest: y where the
 * derivative is a function of the output, x otherwise. At a kink the derivative is the one that
 * PyTorch takes (0 for Relu at 0).
 */

import { float, floatAttribute, stringAttribute } from '../../model/attributes.ts'
import type { Node } from '../../model/model.ts'
import type { FastKernelsContext } from '../contract/facets.ts'
import { type Emitter, isCpu } from '../contract/gradient.ts'
import type { Operator } from '../contract/operator.ts'
import { numberLike } from '../helpers/emission.ts'
import { type Backward, formula } from '../helpers/formula.ts'
import { positive } from '../helpers/masks.ts'
import { positivelyHomogeneous } from '../helpers/scaling.ts'
import { unary } from '../helpers/unary.ts'

const alpha = (node: Node, fallback: number) => floatAttribute(node, 'alpha', fallback)

const SELU_ALPHA = 1.6732631921768188
const SELU_GAMMA = 1.0507010221481323

const gelu: Operator = unary('Gelu', {
  idempotent: false,
  gradient: (context) => {
    const { f, g, x, y, node } = context
    if (stringAttribute(node, 'approximate', 'none') === 'tanh') {
      // ½·(1 + tanh u) = σ(2u) = s, so y = x·s, and y′ = s + x·s·(1 − s)·2u′ = s + y·(1 − s)·2u′
      const [c, a] = [2 * Math.sqrt(2 / Math.PI), 0.044715]
      const x2 = f.square(x)
      const s = f.sigmoid(f.mul(x, f.add(f.mul(x2, c * a), c)))
      const slope = f.add(f.mul(x2, 3 * c * a), c)
      return f.mul(g, f.add(s, f.mul(f.mul(y, f.sub(1, s)), slope)))
    }
    // With z = x/√2: Φ(x) = ½·(1 + erf z), and x times the density is z·e^−z²/√π.
    const z = f.mul(x, Math.SQRT1_2)
    const cumulated = halved(context, context.op('Erf', [z]))
    const density = f.exp(f.sub(-Math.log(Math.PI) / 2, f.square(z)))
    return f.mul(g, f.add(cumulated, f.mul(z, density)))
  },
})

/** ½·(1 + t) for t in [−1, 1]: ONNX Runtime has that in one pass. */
const halved = ({ f, ...context }: Backward, t: string): string =>
  isCpu(context.target) && context.info(t).dtype === 'float32'
    ? context.op('HardSigmoid', [t], { alpha: float(0.5), beta: float(0.5) })
    : f.mul(0.5, f.add(1, t))

/**
 * tanh(ln(1 + eˣ)) = n / (n + 2) with n = eˣ·(eˣ + 2). Above x = 20 it is 1 in float32. ONNX Runtime's Softplus takes 10 ns an
 * element, all of this less than 1.
 */
function tanhOfSoftplus(emitter: Emitter, x: string): string {
  const { add, mul, div, exp } = formula(emitter, x)
  const e = exp(emitter.op('Min', [x, numberLike(emitter, x, 20)]))
  const n = mul(e, add(e, 2))
  return div(n, add(n, 2))
}

/** eˣ below 0 and 1 above: the derivative of Elu for α = 1. */
const belowOne = (emitter: Emitter, x: string): string =>
  formula(emitter, x).exp(emitter.op('Min', [x, numberLike(emitter, x, 0)]))

/**
 * Elu for α = 1: eˣ − 1 is above x below 0, and below it above. ONNX Runtime's Elu takes 1 ns an element, these four passes two thirds of it.
 */
const unitElu = (context: FastKernelsContext): string | undefined => {
  const x = context.input(0)
  return alpha(context.node, 1) === 1
    ? context.op('Max', [x, formula(context, x).sub(belowOne(context, x), 1)])
    : undefined
}

/** x/6 + ½, cut to [0, 1]. */
const gateOf = (emitter: Emitter, x: string): string =>
  emitter.op('HardSigmoid', [x], { alpha: float(1 / 6), beta: float(0.5) })

/** Are products with masks of float32 (`helpers/masks.ts`) cheaper than comparing and choosing? On ONNX Runtime's CPU, yes. */
const hasMasks = ({ target, info, g }: Backward): boolean =>
  isCpu(target) && info(g).dtype === 'float32'

/** So steep that it makes anything but 0 larger than 1. */
const steep = 3e38

/** g where y > 0; on ONNX Runtime's CPU times a mask, which is 1 there and 0 at 0. */
const reluGradient = ({ f, g, y, ...context }: Backward & { readonly y: string }): string =>
  isCpu(context.target) && context.info(y).dtype === 'float32'
    ? f.mul(g, positive(context, y, 0))
    : f.where(f.greater(y, 0), g, 0)

export const activations: readonly Operator[] = [
  unary('Relu', {
    idempotent: true,
    poolsFirst: true,
    sign: 'non-negative',
    scaling: positivelyHomogeneous,
    bounds: ([x]) => ({ low: Math.max(0, x?.low ?? 0), high: Math.max(0, x?.high ?? Infinity) }),
    gradient: (context) => reluGradient(context),
  }),
  unary('LeakyRelu', {
    idempotent: (node) => [0, 1].includes(alpha(node, 0.01)),
    scaling: positivelyHomogeneous,
    gradient: (context) => {
      const { f, g, x, node } = context
      const slope = alpha(node, 0.01)
      if (!hasMasks(context) || slope < 0 || slope > 1)
        return f.where(f.greater(x, 0), g, f.mul(g, slope))
      const bounds = [slope, 1].map((bound) => numberLike(context, x, bound))
      return f.mul(g, context.op('Clip', [f.mul(x, steep), ...bounds]))
    },
  }),
  unary('ThresholdedRelu', {
    idempotent: true,
    gradient: ({ f, g, x, node }) => f.where(f.greater(x, alpha(node, 1)), g, 0),
  }),
  unary('Elu', {
    idempotent: false,
    fastKernels: unitElu,
    // α·eˣ = y + α below zero
    gradient: (context) => {
      const { f, g, x, y, node } = context
      if (alpha(node, 1) === 1) return f.mul(g, belowOne(context, x))
      return f.where(f.greater(x, 0), g, f.mul(g, f.add(y, alpha(node, 1))))
    },
  }),
  unary('Selu', {
    idempotent: false,
    gradient: ({ f, g, x, y, node }) => {
      const gamma = floatAttribute(node, 'gamma', SELU_GAMMA)
      return f.mul(g, f.where(f.greater(x, 0), gamma, f.add(y, gamma * alpha(node, SELU_ALPHA))))
    },
  }),
  unary('Celu', {
    idempotent: false,
    // e^(x/α) = y/α + 1 below zero, which is above 1 where x is above 0, if α is positive
    gradient: (context) => {
      const { f, g, x, y, node } = context
      const slope = f.add(f.div(y, alpha(node, 1)), 1)
      if (alpha(node, 1) > 0) return f.mul(g, context.op('Min', [slope, numberLike(context, y, 1)]))
      return f.where(f.greater(x, 0), g, f.mul(g, slope))
    },
  }),
  unary('Sigmoid', {
    idempotent: false,
    bounds: () => ({ low: 0, high: 1 }),
    link: { kind: 'sigmoid' },
    sign: 'non-negative',
    gradient: ({ f, g, y }) => f.mul(g, f.mul(y, f.sub(1, y))),
  }),
  unary('HardSigmoid', {
    idempotent: false,
    sign: 'non-negative',
    gradient: ({ f, g, y, node }) =>
      f.where(f.and(f.greater(y, 0), f.less(y, 1)), f.mul(g, alpha(node, 0.2)), 0),
  }),
  unary('HardSwish', {
    idempotent: false,
    // As ONNX Runtime computes it; in these words the gradient has the first half of it.
    fastKernels(context) {
      const x = context.input(0)
      return formula(context, x).mul(x, gateOf(context, x))
    },
    gradient: (context) => {
      const { f, g, x } = context
      if (!hasMasks(context)) {
        const inside = f.mul(g, f.add(f.div(x, 3), 0.5))
        return f.where(f.greater(x, 3), g, f.where(f.less(x, -3), 0, inside))
      }
      // y = x·h, and h′ is 1/6 where |x| < 3: there 10³⁸·(3 − |x|) is 1 or more
      const inside = context.op('HardSigmoid', [context.op('Abs', [x])], {
        alpha: float(-1e38),
        beta: float(3e38),
      })
      return f.mul(g, f.add(gateOf(context, x), f.mul(f.mul(x, inside), 1 / 6)))
    },
  }),
  unary('Swish', {
    idempotent: false,
    // y = x·s with s = σ(αx), and so y′ = s + αx·s·(1 − s) = s + α·y·(1 − s)
    gradient: ({ f, g, x, y, node }) => {
      const a = alpha(node, 1)
      const s = f.sigmoid(f.mul(x, a))
      return f.mul(g, f.add(s, f.mul(f.mul(y, a), f.sub(1, s))))
    },
  }),
  unary('Tanh', {
    idempotent: false,
    bounds: () => ({ low: -1, high: 1 }),
    sign: 'inherited',
    fastKernels(context) {
      const inner = context.producer(0)
      return inner?.opType === 'Softplus' ? tanhOfSoftplus(context, inner.inputs[0]!) : undefined
    },
    gradient: ({ f, g, y }) => f.mul(g, f.sub(1, f.square(y))),
  }),
  unary('Softplus', {
    idempotent: false,
    sign: 'non-negative',
    // max(x, 0) + ln(1 + e^−|x|), and 1 / (1 + e^−|x|) is σ(|x|)
    fastKernels(context) {
      const x = context.input(0)
      const { sub, log, sigmoid } = formula(context, x)
      return sub(context.op('Relu', [x]), log(sigmoid(context.op('Abs', [x]))))
    },
    gradient: ({ f, g, x }) => f.mul(g, f.sigmoid(x)),
  }),
  unary('Softsign', {
    idempotent: false,
    sign: 'inherited',
    // 1 / (1 + |x|)² = (1 − |y|)²
    gradient: (context) => {
      const { f, g, y } = context
      return f.mul(g, f.square(f.sub(1, context.op('Abs', [y]))))
    },
  }),
  unary('Mish', {
    idempotent: false,
    fastKernels(context) {
      const x = context.input(0)
      return formula(context, x).mul(x, tanhOfSoftplus(context, x))
    },
    // y = x·t with t = tanh(softplus x)
    gradient: (context) => {
      const { f, g, x } = context
      const t = f.tanh(context.op('Softplus', [x]))
      const slope = f.mul(f.mul(x, f.sub(1, f.square(t))), f.sigmoid(x))
      return f.mul(g, f.add(t, slope))
    },
  }),
  gelu,
  { ...gelu, domain: 'com.microsoft' },
  unary('Shrink', {
    idempotent: (node) => floatAttribute(node, 'bias', 0) === 0,
    gradient: (context) => {
      const { f, g, x, node } = context
      const lambda = floatAttribute(node, 'lambd', 0.5)
      return f.where(f.greater(context.op('Abs', [x]), lambda), g, 0)
    },
  }),
]
