/**
 * A model that was extended (more entries of an output, more channels of an input) computes what the first one does
 * only as far as that one goes. So it is compared as a model with the first one's signature: of an output the old
 * entries are taken, and an input gets its new channels from numbers that follow from the old ones, and should
 * make no difference.
 */
import { GraphBuilder, tensorDeclaration } from '../model/builder.ts'
import { type Model, type Node, opsetOf, requiredInputs } from '../model/model.ts'
import type { ValueInfo } from '../operators/contract/infer.ts'
import { isFloat } from '../tensor/dtype.ts'
import { int64 } from '../tensor/tensor.ts'
import { valuesOf } from './cut.ts'

/** An axis of an output or input of which only the first model's entries are compared. */
export interface KeptAxis {
  readonly kind: 'output' | 'input'
  readonly name: string
  readonly axis: number
  /** Entries that both models have, and entries that the second has. */
  readonly entries: number
  readonly of: number
}

/** The second model with the first one's signature; undefined where it has that already, or cannot have it. */
export function keptPart(
  a: Model,
  b: Model,
): { readonly model: Model; readonly kept: readonly KeptAxis[] } | undefined {
  const [before, after] = [valuesOf(a), valuesOf(b)]
  const find = (kind: KeptAxis['kind'], names: readonly string[]) =>
    names.flatMap((name) => longerAxes(before.get(name), after.get(name)).map((each) => ({ kind, name, ...each })))
  const inputs = find('input', requiredInputs(a.graph).map(({ name }) => name))
  const outputs = find('output', a.graph.outputs.map(({ name }) => name))
  const kept = [...inputs, ...outputs]
  if (kept.length === 0) return undefined
  const graph = new GraphBuilder({ ...b.graph, nodes: [], values: [] })
  const whole = new Map<string, string>()
  for (const { name } of kept) if (!whole.has(name)) whole.set(name, graph.names.fresh(`${name} (whole)`))
  const append = (node: Node) => graph.append(renamed(node, whole))
  const scaled = opsetOf(b) >= 7
  for (const name of new Set(inputs.map((each) => each.name)))
    withNewChannels(graph, name, whole.get(name)!, {
      axes: inputs.filter((each) => each.name === name),
      dtype: scaled ? before.get(name)?.dtype : undefined,
    })
  const pending = new Set(outputs.map(({ name }) => name))
  for (const node of b.graph.nodes) {
    append(node)
    for (const name of node.outputs)
      if (pending.delete(name)) {
        let value = whole.get(name)!
        const axes = outputs.filter((each) => each.name === name)
        axes.forEach(({ axis, entries }, i) => {
          const index = graph.constant(int64(Array.from({ length: entries }, (_, k) => k)), 'kept')
          const isLast = i === axes.length - 1
          value = graph.node('Gather', [value, index], { axis }, isLast ? { outputs: [name], name: graph.names.fresh('kept') } : {})
        })
      }
  }
  if (pending.size > 0 || b.graph.nodes.length === 0) return undefined
  const made = graph.graph()
  const declared = (name: string) => {
    const { dtype, shape } = before.get(name) ?? {}
    return tensorDeclaration(name, dtype, shape)
  }
  const isKept = (kind: KeptAxis['kind'], name: string) =>
    kept.some((each) => each.kind === kind && each.name === name)
  return {
    kept,
    model: {
      ...b,
      graph: {
        ...made,
        inputs: made.inputs.map((input) => (isKept('input', input.name) ? declared(input.name) : input)),
        outputs: made.outputs.map((output) => (isKept('output', output.name) ? declared(output.name) : output)),
      },
    },
  }
}

function longerAxes(a: ValueInfo | undefined, b: ValueInfo | undefined) {
  const [before, after] = [a?.shape, b?.shape]
  if (!before || before.length !== after?.length || a?.dtype !== b?.dtype) return []
  const found: Pick<KeptAxis, 'axis' | 'entries' | 'of'>[] = []
  for (const [axis, entries] of before.entries()) {
    const of = after[axis]!
    if (typeof entries !== 'number' || typeof of !== 'number' || entries === of) continue
    // What has fewer entries somewhere does not keep the others.
    if (of < entries || entries === 0) return []
    found.push({ axis, entries, of })
  }
  return found
}

function renamed(node: Node, names: ReadonlyMap<string, string>): Node {
  const rename = (list: readonly string[]) => list.map((name) => names.get(name) ?? name)
  return { ...node, inputs: rename(node.inputs), outputs: rename(node.outputs) }
}

/** The input with channels that are other channels of it, plus their squares where these are floats. */
function withNewChannels(
  graph: GraphBuilder,
  name: string,
  whole: string,
  { axes, dtype }: { readonly axes: readonly KeptAxis[]; readonly dtype: ValueInfo['dtype'] },
): void {
  let value = name
  axes.forEach(({ axis, entries, of }, i) => {
    const taken = Array.from({ length: of - entries }, (_, k) => (7 * k + 3) % entries)
    let added = graph.node('Gather', [value, graph.constant(int64(taken), 'channels')], { axis })
    if (dtype && isFloat(dtype)) added = graph.node('Add', [added, graph.node('Mul', [added, added])])
    const isLast = i === axes.length - 1
    value = graph.node('Concat', [value, added], { axis }, isLast ? { outputs: [whole], name: graph.names.fresh('whole') } : {})
  })
}
