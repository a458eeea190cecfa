/**
 * What is known before a model runs: casts to the type that a value has, and numbers that are repeated to a known shape. Exporters
 * write the missing bias of a layer like that, CastLike(0, x) repeated for each filter, and the bounds of activations: nodes that take
 * time in every step, and read images only for their type.
 */
import { capturedValues } from '../model/links.ts'
import type { Model, Node } from '../model/model.ts'
import type { ValueInfo } from '../operators/contract/infer.ts'
import { inferModel } from '../operators/inference.ts'
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
  /** Values that have become constants. */
  const folded = new Map<string, LazyTensor>()
  const constantOf = (name: string) => folded.get(name) ?? infos.get(name)?.constant
  const captured = new Set(model.graph.nodes.flatMap((node) => [...capturedValues(node)]))
  let changed = false
  for (const node of model.graph.nodes) {
    const [x = ''] = node.inputs
    const [y = ''] = node.outputs
    // Subgraphs know values by their names.
    if (captured.has(y)) {
      rewriter.keep(node)
      continue
    }
    if (isCastToItself(node, infos)) {
      rewriter.replace(y, rewriter.value(x))
      const constant = constantOf(x)
      if (constant) folded.set(y, constant)
    } else {
      const tensor = repeated(node, constantOf(x), infos.get(y))
      if (!tensor) {
        rewriter.keep(node)
        continue
      }
      rewriter.replace(y, rewriter.constant(tensor, y))
      folded.set(y, tensor)
    }
    changed = true
  }
  return changed ? rewriter.model() : model
}

function isCastToItself(node: Node, infos: ReadonlyMap<string, ValueInfo>): boolean {
  const [from, to] = [node.inputs[0], node.outputs[0]].map((name) => infos.get(name ?? '')?.dtype)
  const casts = node.domain === '' && (node.opType === 'CastLike' || node.opType === 'Cast')
  return casts && from !== undefined && from === to
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
