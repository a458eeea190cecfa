/**
 * If, Loop and Scan: nodes that run subgraphs. https://onnx.ai/onnx/operators/onnx__Loop.html and neighbours
 *
 * Where it is known what they run, the subgraphs stand in the graph before anybody asks
 * (passes/without-subgraphs.ts). What is left keeps its size and has no gradient; the shapes of
 * what it gives are those that its subgraphs give, so that what follows grows and trains.
 */
import { intAttribute, intsAttribute } from '../../model/attributes.ts'
import type { Dim, Graph, Node } from '../../model/model.ts'
import { unsupported } from '../contract/answers.ts'
import type { InferContext, InferRule, ValueInfo } from '../contract/infer.ts'
import type { Operator } from '../contract/operator.ts'
import { axisPosition } from '../helpers/shapes.ts'

const AXES = 'runs a subgraph whose nodes are not followed'
const GRADIENT =
  'runs a subgraph that has no gradient: where the number of steps is known and written in the file, they can be trained'

function bodyOf(node: Node, name = 'body'): Graph | undefined {
  const attribute = node.attributes.get(name)
  return attribute?.type === 'graph' ? attribute.value : undefined
}

/** What is known of two values that may stand in the same place. */
function either(a: ValueInfo, b: ValueInfo): ValueInfo {
  const isAlike = a.shape !== undefined && a.shape.length === b.shape?.length
  return {
    dtype: a.dtype ?? b.dtype,
    shape: isAlike ? a.shape.map((dim, k): Dim => (dim === b.shape![k] ? dim : null)) : undefined,
  }
}

const bare = ({ dtype, shape }: ValueInfo): ValueInfo => ({ dtype, shape })

const infoOf = (context: InferContext, i: number): ValueInfo => ({
  dtype: context.dtype(i),
  shape: context.shape(i),
})

/** More rounds would not find shapes that stay the same. */
const MOST_ROUNDS = 3

/** The states and the outputs of a body, whatever the step: what it is given is what it may give. */
function settled(
  context: InferContext,
  body: Graph,
  before: readonly ValueInfo[],
  first: readonly ValueInfo[],
  entries: readonly ValueInfo[],
): { readonly states: readonly ValueInfo[]; readonly outputs: readonly ValueInfo[] } {
  const skipped = before.length > 0 ? 1 : 0
  let states = first
  for (let round = 0; round < MOST_ROUNDS; round++) {
    const given = context.outputsOf?.(body, [...before, ...states, ...entries]).map(bare) ?? []
    const next = states.map((state, i) => either(state, given[i + skipped] ?? {}))
    const isSettled = next.every((state, i) => String(state.shape) === String(states[i]!.shape))
    states = next
    if (isSettled) return { states, outputs: given.slice(skipped + states.length) }
  }
  return { states: states.map(({ dtype }) => ({ dtype })), outputs: [] }
}

const inferIf: InferRule = (context) => {
  const [yes, no] = ['then_branch', 'else_branch'].map((name) => {
    const branch = bodyOf(context.node, name)
    return branch ? (context.outputsOf?.(branch, []) ?? []) : []
  })
  return context.node.outputs.map((_, k) => either(yes![k] ?? {}, no![k] ?? {}))
}

const inferLoop: InferRule = (context) => {
  const body = bodyOf(context.node)
  if (!body) return []
  const first = context.node.inputs.slice(2).map((_, i) => infoOf(context, i + 2))
  const before: readonly ValueInfo[] = [
    { dtype: 'int64', shape: [] },
    { dtype: 'bool', shape: [] },
  ]
  const { states, outputs } = settled(context, body, before, first, [])
  return [
    ...states,
    ...outputs.map(({ dtype, shape }) => ({ dtype, shape: shape && [null, ...shape] })),
  ]
}

const inferScan: InferRule = (context) => {
  const { node, opset } = context
  const body = bodyOf(node)
  if (!body) return []
  // Before operator set 9 lengths of the sequences come first, and all values have a batch, which the body does not see.
  const isBatched = opset < 9
  const all = node.inputs.map((_, i) => infoOf(context, i)).slice(isBatched ? 1 : 0)
  const batch = (isBatched && all[0]?.shape?.[0]) || null
  const inside = ({ dtype, shape }: ValueInfo): ValueInfo => ({
    dtype,
    shape: isBatched ? shape?.slice(1) : shape,
  })
  const outside = ({ dtype, shape }: ValueInfo): ValueInfo => ({
    dtype,
    shape: isBatched ? shape && [batch, ...shape] : shape,
  })
  const states = all.length - intAttribute(node, 'num_scan_inputs', 0)
  const axes = intsAttribute(node, 'scan_input_axes') ?? []
  let length: Dim = null
  const entries = all.slice(states).map((info, i): ValueInfo => {
    const { dtype, shape } = inside(info)
    const axis = shape && axisPosition(axes[i] ?? 0, shape.length)
    length ??= shape?.[axis!] ?? null
    return { dtype, shape: shape?.filter((_, k) => k !== axis) }
  })
  const found = settled(context, body, [], all.slice(0, states).map(inside), entries)
  const outputAxes = intsAttribute(node, 'scan_output_axes') ?? []
  const outputs = found.outputs.map(({ dtype, shape }, i) => {
    const axis = shape && axisPosition(outputAxes[i] ?? 0, shape.length + 1)
    return { dtype, shape: shape?.toSpliced(axis!, 0, length) }
  })
  return [...found.states, ...outputs].map(outside)
}

const operator = (name: string, infer: InferRule): Operator => ({
  name,
  infer,
  axes: unsupported(AXES),
  gradient: unsupported(GRADIENT),
  scaling: 'none',
  sign: 'unknown',
})

export const controlFlow: readonly Operator[] = [
  operator('If', inferIf),
  operator('Loop', inferLoop),
  operator('Scan', inferScan),
]
