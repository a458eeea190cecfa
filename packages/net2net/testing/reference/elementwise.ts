import { floatAttribute, stringAttribute } from '../../src/model/attributes.ts'
import { broadcast, type Kernel, unary } from './kernel.ts'

/**
 * erf by its Maclaurin series for |x| < 3, and by the continued fraction of erfc beyond
 * (Abramowitz and Stegun 7.1.5, 7.1.14): both to about 1e-15.
 */
export function erf(x: number): number {
  const a = Math.abs(x)
  if (a < 3) {
    let [term, total] = [x, x]
    for (let n = 1; Math.abs(term) > 1e-18 && n < 200; n++) {
      term *= -(x * x) / n
      total += term / (2 * n + 1)
    }
    return (2 / Math.sqrt(Math.PI)) * total
  }
  let fraction = a
  for (let k = 60; k >= 1; k--) fraction = a + k / 2 / fraction
  return Math.sign(x) * (1 - Math.exp(-a * a) / Math.sqrt(Math.PI) / fraction)
}

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x))
const softplus = (x: number) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)))
const clamp01 = (x: number) => Math.min(1, Math.max(0, x))
/** A float attribute as ONNX Runtime holds it: rounded to float32. */
const attribute = (node: Parameters<Kernel>[0], name: string, fallback: number) =>
  Math.fround(floatAttribute(node, name, fallback))

const gelu = unary((x, node) =>
  stringAttribute(node, 'approximate', 'none') === 'tanh'
    ? 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)))
    : 0.5 * x * (1 + erf(x / Math.SQRT2)),
)

export const elementwise = {
  Acos: unary(Math.acos),
  Acosh: unary(Math.acosh),
  Asin: unary(Math.asin),
  Asinh: unary(Math.asinh),
  Atan: unary(Math.atan),
  Atanh: unary(Math.atanh),
  Celu: unary((x, node) => {
    const alpha = attribute(node, 'alpha', 1)
    return Math.max(0, x) + Math.min(0, alpha * Math.expm1(x / alpha))
  }),
  /** The bounds are inputs, or attributes in old operator sets. */
  Clip: (node, inputs) => {
    const low = Number(inputs[1]?.data[0] ?? attribute(node, 'min', Number.NEGATIVE_INFINITY))
    const high = Number(inputs[2]?.data[0] ?? attribute(node, 'max', Number.POSITIVE_INFINITY))
    return unary((x) => Math.min(Math.max(x, low), high))(node, inputs)
  },
  Cos: unary(Math.cos),
  Cosh: unary(Math.cosh),
  Elu: unary((x, node) => (x > 0 ? x : attribute(node, 'alpha', 1) * Math.expm1(x))),
  Erf: unary(erf),
  Gelu: gelu,
  'com.microsoft.Gelu': gelu,
  HardSigmoid: unary((x, node) =>
    clamp01(attribute(node, 'alpha', 0.2) * x + attribute(node, 'beta', 0.5)),
  ),
  HardSwish: unary((x) => x * clamp01(x / 6 + 0.5)),
  LeakyRelu: unary((x, node) => (x < 0 ? attribute(node, 'alpha', 0.01) * x : x)),
  Mish: unary((x) => x * Math.tanh(softplus(x))),
  Selu: unary(
    (x, node) =>
      attribute(node, 'gamma', 1.0507010221481323) *
      (x > 0 ? x : attribute(node, 'alpha', 1.6732631921768188) * Math.expm1(x)),
  ),
  Shrink: unary((x, node) => {
    const lambda = attribute(node, 'lambd', 0.5)
    const bias = attribute(node, 'bias', 0)
    return x < -lambda ? x + bias : x > lambda ? x - bias : 0
  }),
  Sigmoid: unary(sigmoid),
  Sin: unary(Math.sin),
  Sinh: unary(Math.sinh),
  Softplus: unary(softplus),
  Softsign: unary((x) => x / (1 + Math.abs(x))),
  Swish: unary((x, node) => x * sigmoid(attribute(node, 'alpha', 1) * x)),
  Tan: unary(Math.tan),
  ThresholdedRelu: unary((x, node) => (x > attribute(node, 'alpha', 1) ? x : 0)),
  Mean: broadcast((values) => values.reduce((a, b) => a + b, 0) / values.length),
  PRelu: broadcast(([x = 0, slope = 0]) => (x < 0 ? slope * x : x)),
  Where: broadcast(([condition = 0, a = 0, b = 0]) => (condition !== 0 ? a : b)),
} satisfies Record<string, Kernel>
