/** Writing gradients as formulas: numbers become constants of the right type. */
import { dtypes } from '../../tensor/dtype.ts'
import type { Emitter, GradientContext, GradientRule } from '../contract/gradient.ts'
import type { InferContext, ValueInfo } from '../contract/infer.ts'
import { elementsOf } from './elements.ts'
import { numberLike } from './emission.ts'

/** The name of a value, or a number that stands for a constant of the formula's type. */
export type Term = string | number

/** Casts to the type of value `like`. */
export const castLike = (emitter: Emitter, value: string, like: string): string =>
  emitter.op('Cast', [value], { to: dtypes[emitter.info(like).dtype ?? 'float32'].code })

/** The operators that gradients are written with; numbers take the type of `like`. */
export function formula(emitter: Emitter, like: string) {
  const name = (term: Term) => (typeof term === 'number' ? numberLike(emitter, like, term) : term)
  const op =
    (opType: string) =>
    (...terms: readonly Term[]) =>
      emitter.op(opType, terms.map(name))
  return {
    add: op('Add'),
    sub: op('Sub'),
    mul: op('Mul'),
    div: op('Div'),
    neg: op('Neg'),
    pow: op('Pow'),
    exp: op('Exp'),
    log: op('Log'),
    tanh: op('Tanh'),
    sigmoid: op('Sigmoid'),
    sign: op('Sign'),
    sqrt: op('Sqrt'),
    where: (condition: string, yes: Term, no: Term) =>
      emitter.op('Where', [condition, name(yes), name(no)]),
    greater: op('Greater'),
    greaterOrEqual: op('GreaterOrEqual'),
    less: op('Less'),
    lessOrEqual: op('LessOrEqual'),
    equal: op('Equal'),
    and: op('And'),
    not: op('Not'),
    square: (value: string) => emitter.op('Mul', [value, value]),
  }
}
export type Formula = ReturnType<typeof formula>

/** What a gradient rule of an operator with one output has at hand. */
export interface Backward extends GradientContext {
  /** The gradient of the loss with respect to the output. */
  readonly g: string
  readonly f: Formula
}

/**
 * A gradient rule from one formula per input. Formulas of inputs whose gradient nobody needs are
 * not evaluated, and nothing is emitted if nothing depends on the output.
 */
export function gradientOf(
  ...rules: readonly (((context: Backward) => string) | undefined)[]
): GradientRule {
  return (context) => {
    const g = context.outputGradient(0)
    return context.node.inputs.map((_, i) => {
      const rule = rules[i]
      if (g === undefined || rule === undefined || !context.has(i) || !context.needs(i))
        return undefined
      return rule(backward(context, g))
    })
  }
}

/** Adds the gradient and a formula of its type to a context. */
export const backward = (context: GradientContext, g: string): Backward => ({
  ...context,
  g,
  f: formula(context, g),
})

/** What a rule knows that emits nodes, in the form in which infer rules ask. */
export function inferView(
  context: Pick<GradientContext, 'node' | 'opset' | 'has' | 'input' | 'info'>,
): InferContext {
  const info = (i: number): ValueInfo => (context.has(i) ? context.info(context.input(i)) : {})
  return {
    node: context.node,
    opset: context.opset,
    has: (i) => context.has(i),
    dtype: (i) => info(i).dtype,
    shape: (i) => info(i).shape,
    elements: (i) => elementsOf(info(i)),
    constant: (i) => info(i).constant,
  }
}
