/**
 * A model that was extended (more entries of an output, more channels of an input) computes what the first one does
 * only as far as that one goes. So it is compared as a model with the first one's signature: of an output the old
 * entries are taken, and an input gets its new channels from numbers that follow from the old ones, and should
 * make no difference.
 */
import { GraphBuilder, tensorDeclaration } from '../model/builder.ts'
import { type Model, opsetOf, requiredInputs, type ValueDeclaration } from '../model/model.ts'
import type { ValueInfo } from '../operators/contract/infer.ts'
import { isFloat } from '../tensor/dtype.ts'
import { int64 } from '../tensor/tensor.ts'
import { valuesOf } from './side.ts'

/** An axis of an output or input of which only the first model's entries are compared. */
export interface KeptAxis {
  readonly kind: 'output' | 'input'
  readonly name: string
  readonly axis: number
  /** Entries that both models have, and entries that the second has. */
  readonly entries: number
  readonly of: number
}

/** Two models of one signature, and what is compared of the second. */
export interface KeptParts {
  readonly a: Model
  readonly b: Model
  readonly kept: readonly KeptAxis[]
}

/** The name under which both give what is compared of an output, so that the output's own name stays that of the whole. */
const partName = (output: string): string => `${output} (kept)`
export const outputOf = (name: string): string => name.replace(/ \(kept\)$/, '')

/** Both models with the first one's signature; undefined where the second has that already, or cannot have it. */
export function keptParts(a: Model, b: Model): KeptParts | undefined {
  const [before, after] = [valuesOf(a), valuesOf(b)]
  const find = (kind: KeptAxis['kind'], values: readonly ValueDeclaration[]) =>
    values.flatMap(({ name }) =>
      longerAxis(before.get(name), after.get(name)).map((each) => ({ kind, name, ...each })),
    )
  const inputs = find('input', requiredInputs(a.graph))
  const outputs = find('output', a.graph.outputs)
  if (inputs.length + outputs.length === 0) return undefined
  const names = new Set(outputs.map(({ name }) => name))
  const first = new GraphBuilder({ ...a.graph, outputs: [] })
  const second = new GraphBuilder({ ...b.graph, nodes: [], values: [], inputs: [], outputs: [] })
  const whole = new Map<string, string>()
  for (const input of b.graph.inputs) {
    const axes = inputs.filter((each) => each.name === input.name)
    const { dtype, shape } = before.get(input.name) ?? {}
    second.declare(axes.length > 0 ? tensorDeclaration(input.name, dtype, shape) : input)
    if (axes.length > 0)
      whole.set(
        input.name,
        withNewChannels(second, input.name, axes, opsetOf(b) >= 7 ? dtype : undefined),
      )
  }
  for (const node of b.graph.nodes)
    second.append({ ...node, inputs: node.inputs.map((name) => whole.get(name) ?? name) })
  for (const { name, type } of a.graph.outputs) {
    const declared = type.kind === 'tensor' ? type : undefined
    const [dtype, shape] = [declared?.dtype, declared?.shape]
    const given = names.has(name) ? partName(name) : name
    if (names.has(name)) {
      first.node('Identity', [name], {}, { outputs: [given], name: given })
      takeFirst(
        second,
        name,
        outputs.filter((each) => each.name === name),
      )
    }
    for (const builder of [first, second]) builder.output(given, dtype, shape)
  }
  const known = new Set(a.graph.outputs.map(({ name }) => name))
  for (const { name } of b.graph.outputs) if (!known.has(name)) second.output(name)
  const kept = [...inputs, ...outputs]
  return { a: { ...a, graph: first.graph() }, b: { ...b, graph: second.graph() }, kept }
}

/** Takes the first entries along axes of an output. */
function takeFirst(graph: GraphBuilder, name: string, axes: readonly KeptAxis[]): void {
  let value = name
  axes.forEach(({ axis, entries }, i) => {
    const index = graph.constant(int64(Array.from({ length: entries }, (_, k) => k)), 'kept')
    const isLast = i === axes.length - 1
    const options = isLast ? { outputs: [partName(name)], name: partName(name) } : {}
    value = graph.node('Gather', [value, index], { axis }, options)
  })
}

/** The one axis along which the second value is longer; none where their shapes differ otherwise. */
function longerAxis(
  a: ValueInfo | undefined,
  b: ValueInfo | undefined,
): readonly Pick<KeptAxis, 'axis' | 'entries' | 'of'>[] {
  const [before, after] = [a?.shape, b?.shape]
  if (!before || before.length !== after?.length || a?.dtype !== b?.dtype) return []
  const differing = before.flatMap((entries, axis) => {
    const of = after[axis]!
    const isEqual = typeof entries !== 'number' || typeof of !== 'number' || entries === of
    return isEqual ? [] : [{ axis, entries, of }]
  })
  const [longer] = differing
  return differing.length === 1 && longer!.of > longer!.entries && longer!.entries > 0
    ? [longer!]
    : []
}

/** The input with channels that are other channels of it, plus their squares where these are floats. */
function withNewChannels(
  graph: GraphBuilder,
  name: string,
  axes: readonly KeptAxis[],
  dtype: ValueInfo['dtype'],
): string {
  let value = name
  for (const { axis, entries, of } of axes) {
    const taken = Array.from({ length: of - entries }, (_, k) => (7 * k + 3) % entries)
    let added = graph.node('Gather', [value, graph.constant(int64(taken), 'channels')], { axis })
    if (dtype && isFloat(dtype))
      added = graph.node('Add', [added, graph.node('Mul', [added, added])])
    value = graph.node('Concat', [value, added], { axis })
  }
  return value
}
