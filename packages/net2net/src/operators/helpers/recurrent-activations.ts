/**
 * The activations of LSTM, GRU and RNN, with their derivatives.
 * https://onnx.ai/onnx/operators/onnx__LSTM.html
 */
import { float, floatAttribute, floatsAttribute } from '../../model/attributes.ts'
import type { Attribute, Node } from '../../model/model.ts'
import type { Emitter } from '../contract/gradient.ts'
import { numberLike } from './emission.ts'
import { type Formula, formula, type Term } from './formula.ts'

/** φ(x), and φ′(x), which is emitted where it is asked for. */
export interface Activated {
  readonly value: string
  readonly slope: () => Term
}
export type RecurrentActivation = (emitter: Emitter, x: string) => Activated

interface Definition {
  /** What the parameters are where the node does not say it; an activation without them takes none. */
  readonly alpha?: number
  readonly beta?: number
  readonly apply: (write: Writer, x: string, alpha: number, beta: number) => Activated
}
interface Writer extends Formula {
  op(opType: string, x: string, attributes?: Readonly<Record<string, Attribute>>): string
}

const activated = (value: string, slope: () => Term): Activated => ({ value, slope })

/** Names in lower case: runtimes take them in any. */
const definitions: Readonly<Record<string, Definition>> = {
  sigmoid: {
    apply(write, x) {
      const y = write.sigmoid(x)
      return activated(y, () => write.mul(y, write.sub(1, y)))
    },
  },
  tanh: {
    apply(write, x) {
      const y = write.tanh(x)
      return activated(y, () => write.sub(1, write.square(y)))
    },
  },
  relu: {
    apply: (write, x) =>
      activated(write.op('Relu', x), () => write.where(write.greater(x, 0), 1, 0)),
  },
  affine: {
    alpha: 1,
    beta: 0,
    apply: (write, x, alpha, beta) => activated(write.add(write.mul(x, alpha), beta), () => alpha),
  },
  leakyrelu: {
    alpha: 0.01,
    apply(write, x, alpha) {
      const isNegative = write.less(x, 0)
      return activated(write.where(isNegative, write.mul(x, alpha), x), () =>
        write.where(isNegative, alpha, 1),
      )
    },
  },
  thresholdedrelu: {
    alpha: 1,
    apply(write, x, alpha) {
      const isAbove = write.greater(x, alpha)
      return activated(write.where(isAbove, x, 0), () => write.where(isAbove, 1, 0))
    },
  },
  scaledtanh: {
    alpha: 1,
    beta: 1,
    apply(write, x, alpha, beta) {
      const inner = write.tanh(write.mul(x, beta))
      return activated(write.mul(inner, alpha), () =>
        write.mul(write.sub(1, write.square(inner)), alpha * beta),
      )
    },
  },
  hardsigmoid: {
    alpha: 0.2,
    beta: 0.5,
    apply(write, x, alpha, beta) {
      const line = write.add(write.mul(x, alpha), beta)
      const isInside = write.and(write.greater(line, 0), write.less(line, 1))
      return activated(write.where(isInside, line, write.where(write.greater(line, 0), 1, 0)), () =>
        write.where(isInside, alpha, 0),
      )
    },
  },
  elu: {
    alpha: 1,
    apply(write, x, alpha) {
      const y = write.op('Elu', x, { alpha: float(alpha) })
      return activated(y, () => write.where(write.less(x, 0), write.add(y, alpha), 1))
    },
  },
  softsign: {
    apply(write, x) {
      const y = write.op('Softsign', x)
      return activated(y, () => write.square(write.sub(1, write.op('Abs', y))))
    },
  },
  softplus: {
    apply: (write, x) => activated(write.op('Softplus', x), () => write.sigmoid(x)),
  },
}

/** Are these the activations of each direction? They are what the node has where it names none. */
export function hasActivations(node: Node, defaults: readonly string[]): boolean {
  const names = node.attributes.get('activations')
  if (names?.type !== 'strings') return true
  return names.value.every(
    (name, i) => name.toLowerCase() === defaults[i % defaults.length]!.toLowerCase(),
  )
}

/**
 * The activations of all directions, in the node's order; undefined where one is unknown. `activation_alpha` and
 * `activation_beta` are lists that the activations with such parameters take from, one after the other.
 */
export function activationsOf(
  node: Node,
  defaults: readonly string[],
): readonly RecurrentActivation[] | undefined {
  const names = node.attributes.get('activations')
  const given = names?.type === 'strings' ? names.value : defaults
  const alphas = [...(floatsAttribute(node, 'activation_alpha') ?? [])]
  const betas = [...(floatsAttribute(node, 'activation_beta') ?? [])]
  const found: RecurrentActivation[] = []
  for (const name of given) {
    const definition = definitions[name.toLowerCase()]
    if (!definition) return undefined
    const alpha = taken(alphas, definition.alpha)
    const beta = taken(betas, definition.beta)
    found.push((emitter, x) => {
      const op: Writer['op'] = (opType, value, entries) => emitter.op(opType, [value], entries)
      return definition.apply({ ...formula(emitter, x), op }, x, alpha, beta)
    })
  }
  return found
}

/** The next of a list, where the activation has such a parameter. */
const taken = (list: number[], fallback: number | undefined): number =>
  fallback === undefined ? 0 : (list.shift() ?? fallback)

/** The activation of what lies within the node's `clip`: beyond, nothing changes with x. */
export function withClip(activation: RecurrentActivation, node: Node): RecurrentActivation {
  const clip = floatAttribute(node, 'clip', undefined)
  if (clip === undefined) return activation
  return (emitter, x) => {
    const bounds = [-clip, clip].map((bound) => numberLike(emitter, x, bound))
    const { value, slope } = activation(emitter, emitter.op('Clip', [x, ...bounds]))
    const { where, less } = formula(emitter, x)
    const isInside = () => less(emitter.op('Abs', [x]), clip)
    return activated(value, () => where(isInside(), slope(), 0))
  }
}
