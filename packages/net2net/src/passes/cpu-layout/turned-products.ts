/**
 * Aᵀ·B as (Bᵀ·A)ᵀ, where A is the larger one by far: ONNX Runtime transposes the first factor of a product as it reads it, which takes 0.43 ns
 * an element. The gradient of the values of attention is such a product. https://onnx.ai/onnx/operators/onnx__MatMul.html
 */
import { intsAttribute } from '../../model/attributes.ts'
import { linksOf, onlyReader } from '../../model/links.ts'
import { type Dim, isStandard, type Model, type Node } from '../../model/model.ts'
import { range } from '../../operators/helpers/emission.ts'
import { inferOnce } from './infer-once.ts'
import { Rewriter } from './rewriter.ts'

/** A needs more than so many times the columns of B: what it takes to turn an element of B and one of the result, in elements of A. */
const turning = 5
const pays = (narrow: number, rows: number, columns: number): boolean =>
  narrow * turning < Math.min(rows, columns)

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
    if (!isKnown(rows) || !isKnown(columns) || !isKnown(narrow)) return undefined
    return pays(narrow, rows, columns) ? [a, b] : undefined
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

interface Scaled {
  readonly product: Node
  /** Single numbers that it is multiplied by. */
  readonly scales: readonly string[]
}

/**
 * A transposed product as the product of its transposed factors, (A·B)ᵀ = Bᵀ·Aᵀ, unless that would be turned again. The gradient of
 * the keys of attention is such a product, since exporters transpose the keys and not the weights of the tokens.
 * The same values, up to rounding.
 */
export function withTransposedFactors(model: Model): Model {
  const infos = inferOnce(model)
  const links = linksOf(model.graph)
  const rewriter = new Rewriter(model)
  const isNumber = (name: string) => infos.get(name)?.shape?.every((size) => size === 1)
  /** The product that is transposed, and numbers that it is multiplied by before. */
  const productOf = (value: string, scales: readonly string[] = []): Scaled | undefined => {
    const node = links.producers.get(value)
    if (!node || !onlyReader({ links, model }, value)) return undefined
    if (isStandard(node, 'MatMul')) return { product: node, scales }
    const scale = isStandard(node, 'Mul') ? node.inputs.find(isNumber) : undefined
    const scaled = node.inputs.find((name) => !isNumber(name)) ?? ''
    return scale === undefined ? undefined : productOf(scaled, [...scales, scale])
  }
  const changes = new Map<Node, () => void>()
  for (const node of model.graph.nodes) {
    const found = productOf(turnedMatrix(node) ?? '')
    if (!found) continue
    const [a, b] = found.product.inputs as readonly [string, string]
    const [shape = [], other = []] = [a, b].map((name) => infos.get(name)?.shape)
    const [narrow, rows, columns] = [shape.at(-2), shape.at(-1), other.at(-1)]
    if (shape.length < 3 || shape.length !== other.length) continue
    if (!isKnown(rows) || !isKnown(columns) || !isKnown(narrow)) continue
    if (pays(narrow, rows, columns)) continue
    changes.set(node, () => {
      const perm = swapped(shape.length)
      const transposed = (name: string) => {
        const whole = turnedMatrix(links.producers.get(name))
        if (whole !== undefined) return rewriter.value(whole)
        return rewriter.emit('Transpose', [rewriter.value(name)], { perm })[0]!
      }
      const product = rewriter.emit('MatMul', [transposed(b), transposed(a)])[0]!
      const scaled = found.scales.reduce(
        (value, scale) => rewriter.emit('Mul', [value, rewriter.value(scale)])[0]!,
        product,
      )
      rewriter.replace(node.outputs[0]!, scaled)
    })
  }
  return rewriter.changed(changes)
}

const isKnown = (size: Dim | undefined): size is number => typeof size === 'number'

/** What this node turns, if it gives the transposed matrices of a batch. */
export function turnedMatrix(node: Node | undefined): string | undefined {
  const perm = node && permutationOf(node)
  return perm && String(perm) === String(swapped(perm.length)) ? node.inputs[0] : undefined
}

const permutationOf = (node: Node): readonly number[] | undefined =>
  isStandard(node, 'Transpose') ? intsAttribute(node, 'perm') : undefined

/** The axes with the last two exchanged; none for fewer than two. */
export const swapped = (rank: number): number[] =>
  rank < 2 ? [] : [...range(rank - 2), rank - 1, rank - 2]
