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
import { formula } from '../helpers/formula.ts'
import { positive } from '../helpers/masks.ts'
import { positivelyHomogeneous } from '../helpers/scaling.ts'
import { type UnaryOptions, unary } from '../helpers/unary.ts'

/** An activation φ with φ(φ(x)) ≠ φ(x), unless the options say otherwise. */
const activation = (name: string, options: UnaryOptions): Operator =>
  unary(name, { idempotent: false, ...options })

const alpha = (node: Node, fallback: number) => floatAttribute(node, 'alpha', fallback)

const SELU_ALPHA = 1.6732631921768188
const SELU_GAMMA = 1.0507010221481323

/** What Gelu multiplies x with, and what its derivative adds to that; y is x times the first one. */
function geluGate(
  node: Node,
  emitter: Emitter,
  x: string,
): readonly [string, (y: string) => string] {
  const { add, sub, mul, exp, square, sigmoid } = formula(emitter, x)
  if (stringAttribute(node, 'approximate', 'none') !== 'tanh') {
    // With z = x/√2: Φ(x) = ½·(1 + erf z), and x times the density is z·e^−z²/√π.
    const z = mul(x, Math.SQRT1_2)
    const t = emitter.op('Erf', [z])
    // ½·(1 + t), which ONNX Runtime has in one pass for t in [−1, 1].
    const half = { alpha: float(0.5), beta: float(0.5) }
    const cumulated = hasMasks(emitter, t)
      ? emitter.op('HardSigmoid', [t], half)
      : mul(0.5, add(1, t))
    return [cumulated, () => mul(z, exp(sub(-Math.log(Math.PI) / 2, square(z))))]
  }
  // ½·(1 + tanh u) = σ(2u) = s, so y = x·s, and y′ = s + x·s·(1 − s)·2u′ = s + y·(1 − s)·2u′
  const [c, a] = [2 * Math.sqrt(2 / Math.PI), 0.044715]
  const x2 = square(x)
  const s = sigmoid(mul(x, add(mul(x2, c * a), c)))
  return [s, (y) => mul(mul(y, sub(1, s)), add(mul(x2, 3 * c * a), c))]
}

const gelu: Operator = activation('Gelu', {
  fastKernels(context) {
    const x = context.input(0)
    return formula(context, x).mul(x, geluGate(context.node, context, x)[0])
  },
  gradient: (context) => {
    const { f, g, x, y, node } = context
    const [gate, rise] = geluGate(node, context, x)
    return f.mul(g, f.add(gate, rise(y)))
  },
})

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
const hasMasks = (emitter: Emitter, value: string): boolean =>
  isCpu(emitter.target) && emitter.info(value).dtype === 'float32'

/** So steep that it makes anything but 0 larger than 1. */
const steep = 3e38

export const activations: readonly Operator[] = [
  activation('Relu', {
    idempotent: true,
    poolsFirst: true,
    sign: 'non-negative',
    scaling: positivelyHomogeneous,
    bounds: ([x]) => ({ low: Math.max(0, x?.low ?? 0), high: Math.max(0, x?.high ?? Infinity) }),
    // On ONNX Runtime's CPU times a mask, which is 1 above 0 and 0 at 0.
    gradient: (context) => {
      const { f, g, y } = context
      return hasMasks(context, y)
        ? f.mul(g, positive(context, y, 0))
        : f.where(f.greater(y, 0), g, 0)
    },
  }),
  activation('LeakyRelu', {
    idempotent: (node) => [0, 1].includes(alpha(node, 0.01)),
    scaling: positivelyHomogeneous,
    gradient: (context) => {
      const { f, g, x, node } = context
      const slope = alpha(node, 0.01)
      if (!hasMasks(context, g) || slope < 0 || slope > 1)
        return f.where(f.greater(x, 0), g, f.mul(g, slope))
      const bounds = [slope, 1].map((bound) => numberLike(context, x, bound))
      return f.mul(g, context.op('Clip', [f.mul(x, steep), ...bounds]))
    },
  }),
  activation('ThresholdedRelu', {
    idempotent: true,
    gradient: ({ f, g, x, node }) => f.where(f.greater(x, alpha(node, 1)), g, 0),
  }),
  activation('Elu', {
    fastKernels: unitElu,
    // α·eˣ = y + α below zero
    gradient: (context) => {
      const { f, g, x, y, node } = context
      if (alpha(node, 1) === 1) return f.mul(g, belowOne(context, x))
      return f.where(f.greater(x, 0), g, f.mul(g, f.add(y, alpha(node, 1))))
    },
  }),
  activation('Selu', {
    gradient: ({ f, g, x, y, node }) => {
      const gamma = floatAttribute(node, 'gamma', SELU_GAMMA)
      return f.mul(g, f.where(f.greater(x, 0), gamma, f.add(y, gamma * alpha(node, SELU_ALPHA))))
    },
  }),
  activation('Celu', {
    // e^(x/α) = y/α + 1 below zero, which is above 1 where x is above 0, if α is positive
    gradient: (context) => {
      const { f, g, x, y, node } = context
      const slope = f.add(f.div(y, alpha(node, 1)), 1)
      if (alpha(node, 1) > 0) return f.mul(g, context.op('Min', [slope, numberLike(context, y, 1)]))
      return f.where(f.greater(x, 0), g, f.mul(g, slope))
    },
  }),
  activation('Sigmoid', {
    bounds: () => ({ low: 0, high: 1 }),
    link: { kind: 'sigmoid' },
    sign: 'non-negative',
    gradient: ({ f, g, y }) => f.mul(g, f.mul(y, f.sub(1, y))),
  }),
  activation('HardSigmoid', {
    sign: 'non-negative',
    gradient: ({ f, g, y, node }) =>
      f.where(f.and(f.greater(y, 0), f.less(y, 1)), f.mul(g, alpha(node, 0.2)), 0),
  }),
  activation('HardSwish', {
    // As ONNX Runtime computes it; in these words the gradient has the first half of it.
    fastKernels(context) {
      const x = context.input(0)
      return formula(context, x).mul(x, gateOf(context, x))
    },
    gradient: (context) => {
      const { f, g, x } = context
      if (!hasMasks(context, g)) {
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
  activation('Swish', {
    // y = x·s with s = σ(αx), and so y′ = s + αx·s·(1 − s) = s + α·y·(1 − s)
    gradient: ({ f, g, x, y, node }) => {
      const a = alpha(node, 1)
      const s = f.sigmoid(f.mul(x, a))
      return f.mul(g, f.add(s, f.mul(f.mul(y, a), f.sub(1, s))))
    },
  }),
  activation('Tanh', {
    bounds: () => ({ low: -1, high: 1 }),
    sign: 'inherited',
    fastKernels(context) {
      const inner = context.producer(0)
      return inner?.opType === 'Softplus' ? tanhOfSoftplus(context, inner.inputs[0]!) : undefined
    },
    gradient: ({ f, g, y }) => f.mul(g, f.sub(1, f.square(y))),
  }),
  activation('Softplus', {
    sign: 'non-negative',
    // max(x, 0) + ln(1 + e^−|x|), and 1 / (1 + e^−|x|) is σ(|x|)
    fastKernels(context) {
      const x = context.input(0)
      const { sub, log, sigmoid } = formula(context, x)
      return sub(context.op('Relu', [x]), log(sigmoid(context.op('Abs', [x]))))
    },
    gradient: ({ f, g, x }) => f.mul(g, f.sigmoid(x)),
  }),
  activation('Softsign', {
    sign: 'inherited',
    // 1 / (1 + |x|)² = (1 − |y|)²
    gradient: (context) => {
      const { f, g, y } = context
      return f.mul(g, f.square(f.sub(1, context.op('Abs', [y]))))
    },
  }),
  activation('Mish', {
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
  activation('Shrink', {
    idempotent: (node) => floatAttribute(node, 'bias', 0) === 0,
    gradient: (context) => {
      const { f, g, x, node } = context
      const lambda = floatAttribute(node, 'lambd', 0.5)
      return f.where(f.greater(context.op('Abs', [x]), lambda), g, 0)
    },
  }),
]
