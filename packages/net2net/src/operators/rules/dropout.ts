/**
 * Dropout: the identity, except in training, where each element becomes 0 with probability
 * `ratio` and is divided by 1 − ratio otherwise (Srivastava et al. 2014).
 * https://onnx.ai/onnx/operators/onnx__Dropout.html
 *
 * Growth. In evaluation the identity: all axes pass through. In training each unit is dropped by
 * itself, copies included, so the function is kept in expectation only.
 *
 * Gradient: δ; in training mode δ·mask/(1 − ratio).
 */

import { attributes, floatAttribute } from '../../model/attributes.ts'
import type { Node } from '../../model/model.ts'
import { scalar, toNumbers } from '../../tensor/tensor.ts'
import type { AxesRule } from '../contract/axes.ts'
import type { TrainingRule, UpgradeRule } from '../contract/facets.ts'
import type { Emitter, GradientContext, GradientRule } from '../contract/gradient.ts'
import type { InferRule } from '../contract/infer.ts'
import type { Operator } from '../contract/operator.ts'
import { cannotDifferentiate } from '../helpers/emission.ts'
import { castLike, formula } from '../helpers/formula.ts'
import { linearIn } from '../helpers/scaling.ts'
import { inferredFrom } from '../helpers/shapes.ts'

const infer: InferRule = (context) => {
  const shape = context.shape(0)
  return [
    inferredFrom(context, shape),
    // The mask had the input's type before operator set 10.
    context.opset < 10 ? inferredFrom(context, shape) : { dtype: 'bool', shape },
  ]
}

const axes: AxesRule = (context) => {
  const x = context.axes(0)
  return context.node.outputs.map(() => ({ axes: x }))
}

interface Reader {
  readonly node: Node
  readonly opset: number
  has(i: number): boolean
  input(i: number): string
  info: Emitter['info']
}

/** The ratio, or the name of the value that holds it. */
function ratioOf(context: Reader): number | string {
  if (context.opset < 12) return floatAttribute(context.node, 'ratio', 0.5)
  if (!context.has(1)) return 0.5
  const { constant } = context.info(context.input(1))
  return constant && (constant.dtype === 'float32' || constant.dtype === 'float64')
    ? toNumbers(constant)[0]!
    : context.input(1)
}

/** Does the node itself drop elements? undefined: that is decided when it runs. */
function drops(context: GradientContext): boolean | undefined {
  if (context.opset < 12 || !context.has(2)) return false
  const { constant } = context.info(context.input(2))
  return constant && toNumbers(constant)[0] === 1
}

const gradient: GradientRule = (context) => {
  const dy = context.outputGradient(0)
  if (dy === undefined || !context.needs(0)) return []
  const dropping = drops(context)
  if (dropping === false) return [dy]
  const mask = context.output(1)
  if (dropping === undefined || mask === '')
    throw cannotDifferentiate(
      context,
      dropping ? 'it drops elements and does not say which' : 'its mode is decided when it runs',
    )
  const { mul, div, sub } = formula(context, dy)
  return [div(mul(dy, castLike(context, mask, dy)), sub(1, ratioOf(context)))]
}

const inTraining: TrainingRule = (context) => {
  const x = context.input(0)
  const [y, maskName] = context.node.outputs
  const ratio = ratioOf(context)
  const node = (opType: string, inputs: readonly string[], output: string): Node => ({
    name: output,
    opType,
    domain: '',
    inputs,
    outputs: [output],
    attributes: new Map(),
  })
  const { div, sub, greaterOrEqual } = formula(context, x)
  const mask = greaterOrEqual(context.uniformLike(x), ratio)
  const kept = castLike(context, mask, x)
  // With ratio 1 nothing is kept, and 0/0 must not appear.
  const factor = ratio === 1 ? kept : div(kept, sub(1, ratio))
  return {
    nodes: [
      node('Mul', [x, factor], y!),
      ...(maskName ? [node('Identity', [mask], maskName)] : []),
    ],
  }
}

const upgrade: UpgradeRule = (context) => {
  const { node, from } = context
  if (from >= 12) return node
  const ratio = context.constant(scalar('float32', floatAttribute(node, 'ratio', 0.5)))
  return { ...node, inputs: [node.inputs[0]!, ratio], attributes: attributes({}) }
}

/** Without the input that switches training on. */
const forInference = (node: Node): Node => ({ ...node, inputs: node.inputs.slice(0, 2) })

export const dropout: Operator = {
  name: 'Dropout',
  infer,
  axes,
  gradient,
  scaling: linearIn([0]),
  sign: 'inherited',
  reads: { numbers: [1, 2] },
  training: { inTraining, draws: true, forInference, upgrade },
}
