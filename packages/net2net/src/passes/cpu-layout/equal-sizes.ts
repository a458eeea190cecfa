/**
 * Sizes that are the same number by their names (the batch's, of two values of a batch) are read once, and so is all that is computed of them.
 * Forms that are emitted one by one ask each value for its own size, and a node costs a microsecond or two even where it computes a single number.
 *
 * Nobody checks the names of a file: two inputs may have the same one for two lengths. So a name that several inputs have tells something
 * only where it is that of their first axis, the samples.
 */
import type { Dim, Model } from '../../model/model.ts'
import type { ValueInfo } from '../../operators/contract/infer.ts'
import { inferOnce } from './infer-once.ts'
import { Rewriter } from './rewriter.ts'

export function equalSizes(model: Model): Model {
  const infos = inferOnce(model)
  const rewriter = new Rewriter(model)
  const known = new Map<string, string>()
  const inputs = model.graph.inputs.map(({ name }) => infos.get(name)?.shape ?? [])
  const isShared = (dim: Dim) => inputs.filter((shape) => shape.includes(dim)).length > 1
  const doubtful = new Set(
    inputs.flatMap((shape) =>
      shape.slice(1).filter((dim) => typeof dim === 'string' && isShared(dim)),
    ),
  )
  for (const node of model.graph.nodes) {
    const [name = ''] = node.outputs
    const info = infos.get(name) ?? {}
    const tells = !info.elements?.some((size) => typeof size === 'string' && doubtful.has(size))
    const key = node.outputs.length === 1 && tells ? keyOf(info) : undefined
    const earlier = key === undefined ? undefined : known.get(key)
    if (earlier !== undefined) rewriter.replace(name, rewriter.value(earlier))
    else {
      if (key !== undefined) known.set(key, name)
      rewriter.share(node)
    }
  }
  return rewriter.model()
}

/** What values of equal sizes have in common; undefined where a size is not known, not even by its name. */
function keyOf({ dtype, shape, elements }: ValueInfo): string | undefined {
  const isKnown = dtype === 'int64' && shape && elements?.every((size) => size !== null)
  return isKnown ? JSON.stringify([shape, elements]) : undefined
}
