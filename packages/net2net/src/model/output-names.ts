/** Other names for what a model gives. */
import type { Model, Node } from './model.ts'
import { valueNames } from './names.ts'

/** The model with its outputs called so, in their order; the model itself where another value has one of the names. */
export function withOutputNames(model: Model, names: readonly string[]): Model {
  const { graph } = model
  const renamed = graph.outputs.flatMap((output, i) => {
    const to = names[i] ?? output.name
    return to === output.name ? [] : [{ output, to }]
  })
  const taken = new Set(valueNames(graph))
  if (renamed.length === 0 || renamed.some(({ to }) => taken.has(to))) return model
  const copies = renamed.map(
    ({ output, to }): Node => ({
      name: to,
      opType: 'Identity',
      domain: '',
      inputs: [output.name],
      outputs: [to],
      attributes: new Map(),
    }),
  )
  const outputs = graph.outputs.map((output, i) => ({ ...output, name: names[i] ?? output.name }))
  return { ...model, graph: { ...graph, nodes: [...graph.nodes, ...copies], outputs } }
}

/**
 * `b`, with the one output that only it has called as the one that only `a` has, if there is one each: a layer behind the last one of
 * Keras gives its own name to the output.
 */
export function withOutputNameOf(a: Model, b: Model): Model {
  const onlyIn = (one: Model, other: Model) =>
    one.graph.outputs.filter(({ name }) => other.graph.outputs.every((each) => each.name !== name))
  const [first, second] = [onlyIn(a, b), onlyIn(b, a)]
  if (first.length !== 1 || second.length !== 1) return b
  const names = b.graph.outputs.map((output) => (output === second[0] ? first[0]! : output).name)
  return withOutputNames(b, names)
}
