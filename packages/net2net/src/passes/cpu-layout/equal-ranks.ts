/**
 * Element-wise operators whose result ends in axes of size one. ONNX Runtime's CPU broadcasts from the
 * last axis on; where an operand has fewer axes than the result and the last one has a single element, it
 * computes element by element (4 ns each, 60 times as long). Operands with axes of size one in front
 * are free of that.
 */
import type { Model } from '../../model/model.ts'
import { operatorOf } from '../../operators/table.ts'
import { int64 } from '../../tensor/tensor.ts'
import { inferOnce } from './infer-once.ts'
import { Rewriter } from './rewriter.ts'

/** The same model with operands of full rank where that is faster. */
export function equalRanks(model: Model): Model {
  const infos = inferOnce(model)
  const rewriter = new Rewriter(model)
  let changed = false
  for (const node of model.graph.nodes) {
    const shape = infos.get(node.outputs[0] ?? '')?.shape
    if (operatorOf(node)?.execution?.broadcasts !== true || shape?.at(-1) !== 1) {
      rewriter.keep(node)
      continue
    }
    const inputs = node.inputs.map((name) => {
      const missing = shape.length - (infos.get(name)?.shape?.length ?? shape.length)
      if (missing <= 0) return name
      changed = true
      const axes = rewriter.constant(int64(Array.from({ length: missing }, (_, k) => k)), 'axes')
      return rewriter.emit('Unsqueeze', [rewriter.value(name), axes])[0]!
    })
    rewriter.keep({ ...node, inputs })
  }
  return changed ? rewriter.model() : model
}
