/**
 * What is known before a model runs: values that equal others, as casts to the type that they have and products by one
 * (`ExecutionFacets.sameAs`), and numbers that are repeated to a known shape. Exporters write the missing bias of a layer like that,
 * CastLike(0, x) repeated for each filter, and the bounds of activations: nodes that take time in every step, and read images only
 * for their type.
 */
import { capturedValues, linksOf } from '../model/links.ts'
import { isStandard, type Model, type Node } from '../model/model.ts'
import type { ValueInfo } from '../operators/contract/infer.ts'
import { inferModel } from '../operators/inference.ts'
import { operatorOf } from '../operators/table.ts'
import { fillTensor } from '../tensor/fill.ts'
import { elementCount, type LazyTensor, toNumbers } from '../tensor/tensor.ts'
import { Rewriter } from './cpu-layout/rewriter.ts'

/** Larger tensors would only take memory. */
const mostElements = 2 ** 16

/**
 * @param variables initializers that change from step to step: they are no constants, though each
 *   has a value
 */
export function foldConstants(model: Model, variables: ReadonlySet<string> = new Set()): Model {
  const infos = inferModel(model, { variables })
  // A bias that is missing is as many zeros as one that is not trained yet.
  const rewriter = new Rewriter(model, { sharesInitializers: false })
  /** Constants that are new. */
  const folded = new Map<string, LazyTensor>()
  const captured = new Set(model.graph.nodes.flatMap((node) => [...capturedValues(node)]))
  let changed = false
  const { producers } = linksOf(model.graph)
  const infoOf = (name: string): ValueInfo => {
    const constant = folded.get(name)
    return constant
      ? { dtype: constant.dtype, shape: constant.dims, constant }
      : (infos.get(name) ?? {})
  }
  const given = (name: string, opType: string) => {
    const node = producers.get(name)
    return node && isStandard(node, opType) ? rewriter.renamed(node) : undefined
  }
  for (const node of model.graph.nodes) {
    const [y = ''] = node.outputs
    // Subgraphs know values by their names.
    if (captured.has(y)) {
      rewriter.keep(node)
      continue
    }
    const renamed = rewriter.renamed(node)
    const same = operatorOf(node)?.execution?.sameAs?.({
      node: renamed,
      output: () => infos.get(y) ?? {},
      info: infoOf,
      given,
    })
    const { constant } = infoOf(renamed.inputs[0] ?? '')
    const tensor = same === undefined ? repeated(node, constant, infos.get(y)) : undefined
    if (same !== undefined) rewriter.replace(y, same)
    else if (tensor) {
      const name = rewriter.constant(tensor, y)
      rewriter.replace(y, name)
      folded.set(name, tensor)
    } else {
      rewriter.keep(node)
      continue
    }
    changed = true
  }
  return changed ? rewriter.model() : model
}

/** The output of an Expand of one number. */
function repeated(
  { opType, domain }: Node,
  constant: LazyTensor | undefined,
  { dtype, shape }: ValueInfo = {},
): LazyTensor | undefined {
  if (opType !== 'Expand' || domain !== '' || !constant || elementCount(constant.dims) !== 1)
    return undefined
  if (dtype !== 'float32' || !shape?.every((dim) => typeof dim === 'number')) return undefined
  const dims = shape as readonly number[]
  const [value = 0] = toNumbers(constant)
  return elementCount(dims) <= mostElements
    ? fillTensor({ kind: 'constant', value: Number(value) }, 'float32', dims, 0)
    : undefined
}
