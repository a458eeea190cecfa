/**
 * Operators whose kernels in ONNX Runtime's CPU compute element by element, in terms of others that use
 * vector registers: an operator says in its own file how (`ExecutionFacets.fastKernels`).
 */
import { linksOf } from '../../model/links.ts'
import { type Model, opsetOf } from '../../model/model.ts'
import { operatorOf } from '../../operators/table.ts'
import { Rewriter } from './rewriter.ts'
import { RewritingEmitter } from './rewriting-emitter.ts'

export function fastKernels(model: Model): Model {
  const { graph } = model
  const rules = graph.nodes.map((node) => operatorOf(node)?.execution?.fastKernels)
  if (rules.every((rule) => rule === undefined)) return model
  const { producers, uses } = linksOf(graph)
  const results = new Set(graph.outputs.map(({ name }) => name))
  const rewriter = new Rewriter(model)
  const emitter = new RewritingEmitter(rewriter, model)
  for (const [i, node] of graph.nodes.entries()) {
    const found = rules[i]?.({
      target: emitter.target,
      emit: (...call) => emitter.emit(...call),
      op: (...call) => emitter.op(...call),
      constant: (tensor) => emitter.constant(tensor),
      info: (name) => emitter.info(name),
      hint: () => emitter.hint(),
      hintOf: () => emitter.hintOf(),
      node,
      opset: opsetOf(model, node.domain),
      has: (k) => (node.inputs[k] ?? '') !== '',
      input: (k) => rewriter.value(node.inputs[k] ?? ''),
      isReadOnce: (k) => {
        const name = node.inputs[k] ?? ''
        return uses.get(name)?.length === 1 && !results.has(name)
      },
      producer: (k) => {
        const given = producers.get(node.inputs[k] ?? '')
        return given && rewriter.renamed(given)
      },
    })
    if (found === undefined) {
      rewriter.share(node)
      continue
    }
    const values = typeof found === 'string' ? [found] : found
    for (const [k, name] of node.outputs.entries())
      if (name !== '') rewriter.replace(name, values[k]!)
  }
  return rewriter.model()
}
