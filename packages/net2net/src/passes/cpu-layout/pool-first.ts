/**
 * MaxPool(φ(x)) = φ(MaxPool(x)) for φ that never decreases: pooling first leaves φ fewer elements to
 * work on, and lets a convolution below compute its phases.
 *
 * The gradient is the same for Relu. If a window's maximum is positive, it is the same element before
 * and after φ, the first of equal ones included. Otherwise φ is zero in the whole window, and so is
 * its derivative at whichever element is chosen.
 */
import { linksOf } from '../../model/links.ts'
import type { Model, Node } from '../../model/model.ts'
import { NameSupply, valueNames } from '../../model/names.ts'
import { operatorOf } from '../../operators/table.ts'

/** Moves poolings below the activations that nothing else reads. */
export function poolFirst(model: Model): Model {
  const { graph } = model
  const links = linksOf(graph)
  const names = new NameSupply(valueNames(graph))
  const outputs = new Set(graph.outputs.map((output) => output.name))
  const swapped = new Map<Node, readonly Node[]>()
  for (const pool of graph.nodes) {
    if (pool.opType !== 'MaxPool' || pool.domain !== '' || pool.outputs.length !== 1) continue
    const activation = links.producers.get(pool.inputs[0]!)
    if (!activation || !operatorOf(activation)?.execution?.poolsFirst) continue
    const [value = ''] = activation.outputs
    if (outputs.has(value) || links.uses.get(value)?.length !== 1) continue
    const pooled = names.fresh(`${value}.pooled`)
    swapped.set(activation, [])
    swapped.set(pool, [
      { ...pool, inputs: [activation.inputs[0]!], outputs: [pooled] },
      { ...activation, inputs: [pooled], outputs: pool.outputs },
    ])
  }
  if (swapped.size === 0) return model
  const nodes = graph.nodes.flatMap((node) => swapped.get(node) ?? [node])
  return { ...model, graph: { ...graph, nodes } }
}
