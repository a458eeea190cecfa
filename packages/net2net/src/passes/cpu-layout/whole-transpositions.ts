/**
 * Matrices that are transposed while the axes before them are joined: [N, heads, L, d] as [N·heads, L, d], transposed, and taken apart again. PyTorch's
 * exporter writes the keys of attention so. Without the joining ONNX Runtime's product reads them transposed,
 * and nothing is moved. https://onnx.ai/onnx/operators/onnx__Transpose.html
 */
import { linksOf } from '../../model/links.ts'
import { isStandard, type Model, type Node } from '../../model/model.ts'
import { areSame } from '../../operators/helpers/dims.ts'
import { inferOnce } from './infer-once.ts'
import { Rewriter } from './rewriter.ts'
import { swapped, turnedMatrix } from './turned-products.ts'
import { viewed } from './views.ts'

/** The same values, to the bit. */
export function wholeTranspositions(model: Model): Model {
  const infos = inferOnce(model)
  const { producers } = linksOf(model.graph)
  const rewriter = new Rewriter(model)
  const changes = new Map<Node, () => void>()
  for (const node of model.graph.nodes) {
    const [value = ''] = node.inputs
    const joined = isStandard(node, 'Reshape') ? turnedMatrix(producers.get(value)) : undefined
    if (joined === undefined) continue
    const [result = ''] = node.outputs
    const { shape } = infos.get(result) ?? {}
    const perm = swapped(shape?.length ?? 0)
    const whole = perm.map((axis) => shape?.[axis] ?? null)
    const isWhole = (name: string) => areSame(infos.get(name)?.shape, whole)
    const source = viewed(joined, producers, isWhole)
    if (perm.length < 3 || !isWhole(source)) continue
    if (!areSame(infos.get(joined)?.shape?.slice(-2), whole.slice(-2))) continue
    changes.set(node, () => {
      const [turned = ''] = rewriter.emit('Transpose', [rewriter.value(source)], { perm })
      rewriter.replace(result, turned)
    })
  }
  return rewriter.changed(changes)
}
