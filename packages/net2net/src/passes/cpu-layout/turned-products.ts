/**
 * Aᵀ·B as (Bᵀ·A)ᵀ, where A is the larger one by far: ONNX Runtime transposes the first factor of a product as it reads it, which takes 0.43 ns
 * an element. The gradient of the values of attention is such a product. https://onnx.ai/onnx/operators/onnx__MatMul.html
 */
import { intsAttribute } from '../../model/attributes.ts'
import { linksOf, onlyReader } from '../../model/links.ts'
import { isStandard, type Model, type Node } from '../../model/model.ts'
import { range } from '../../operators/helpers/emission.ts'
import { inferOnce } from './infer-once.ts'
import { Rewriter } from './rewriter.ts'

/** A needs more than so many times the columns of B: what it takes to turn an element of B and one of the result, in elements of A. */
const turning = 5

/** The same values, up to rounding. */
export function turnedProducts(model: Model): Model {
  const infos = inferOnce(model)
  const links = linksOf(model.graph)
  const rewriter = new Rewriter(model)
  /** A and B, where it pays to turn the product. */
  const factorsOf = (node: Node): readonly [string, string] | undefined => {
    const [left = '', b = ''] = node.inputs
    const a = isStandard(node, 'MatMul') ? turnedMatrix(links.producers.get(left)) : undefined
    const [shape = [], other = []] = [a ?? '', b].map((name) => infos.get(name)?.shape)
    const [rows, columns, narrow] = [shape.at(-2), shape.at(-1), other.at(-1)]
    if (a === undefined || shape.length < 3 || shape.length !== other.length) return undefined
    if (typeof rows !== 'number' || typeof columns !== 'number' || typeof narrow !== 'number')
      return undefined
    return narrow * turning < Math.min(rows, columns) ? [a, b] : undefined
  }
  const joined = new Set<Node>()
  let changed = false
  for (const node of model.graph.nodes) {
    if (joined.has(node)) continue
    const factors = factorsOf(node)
    if (!factors) {
      rewriter.keep(node)
      continue
    }
    const [a, b] = factors.map((name) => rewriter.value(name)) as [string, string]
    const perm = swapped(infos.get(factors[0])!.shape!.length)
    const [turned = ''] = rewriter.emit('Transpose', [b], { perm })
    const [product = ''] = rewriter.emit('MatMul', [turned, a])
    // If nobody reads the result but a transposition, both are one.
    const [result = ''] = node.outputs
    const reader = onlyReader({ links, model }, result)
    const next = reader && permutationOf(reader)
    if (next) joined.add(reader)
    const order = next?.map((axis) => perm[axis]!) ?? perm
    const [value = ''] = rewriter.emit('Transpose', [product], { perm: order })
    rewriter.replace(next ? reader.outputs[0]! : result, value)
    changed = true
  }
  return changed ? rewriter.model() : model
}

/** What this node turns, if it gives the transposed matrices of a batch. */
export function turnedMatrix(node: Node | undefined): string | undefined {
  const perm = node && permutationOf(node)
  return perm && String(perm) === String(swapped(perm.length)) ? node.inputs[0] : undefined
}

const permutationOf = (node: Node): readonly number[] | undefined =>
  isStandard(node, 'Transpose') ? intsAttribute(node, 'perm') : undefined

const swapped = (rank: number): number[] => [...range(rank - 2), rank - 1, rank - 2]
