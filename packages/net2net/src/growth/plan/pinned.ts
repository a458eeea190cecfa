/**
 * Numbers that nodes compute from sizes: `d // heads`, or a scale by 1/√d. Exporters write them
 * wherever a batch is dynamic or constants are not folded. What grows keeps its function if such a
 * number stays as it was, or, where it is the size of another axis, follows that one. Most do so by
 * themselves, being computed from the grown sizes; the others are made constants.
 */
import { type Dim, opsetOf } from '../../model/model.ts'
import type { Axis } from '../../operators/contract/axis.ts'
import type { ValueInfo } from '../../operators/contract/infer.ts'
import { elementsOf } from '../../operators/helpers/elements.ts'
import { inferNode } from '../../operators/inference.ts'
import { editModel } from '../apply/apply.ts'
import type { GrowthPlan, HeldNumber, SizeChange } from '../growth-plan.ts'
import type { Solution } from '../solve/relate.ts'
import { nodeKey } from '../solve/rule-context.ts'

/**
 * A plan with the changes of sizes that are computed taken out, and in their place the numbers that
 * must be held. `grownSize` is the size of an axis after the growth.
 */
export function withHeldNumbers(
  solution: Solution,
  plan: GrowthPlan,
  grownSize: (axis: Axis, size: number) => number,
): GrowthPlan {
  const { held } = solution
  if (held.size === 0) return plan
  const wanted = new Map([...held].map(([name, { elements }]) => [name, elements]))
  const clones = new Map<string, HeldNumber>()
  const edited = (elements: readonly number[], { index, to }: SizeChange) =>
    elements.with(index, to)
  for (const change of plan.sizes) {
    const value = change.constant
    const number = held.get(value)
    if (!number) continue
    if (change.clone === undefined) wanted.set(value, edited(wanted.get(value)!, change))
    else {
      const clone = clones.get(change.clone) ?? {
        ...number,
        value,
        to: change.clone,
        uses: change.uses ?? [],
      }
      clones.set(change.clone, { ...clone, elements: edited(clone.elements, change) })
    }
  }
  const result = {
    ...plan,
    sizes: plan.sizes.filter(({ constant }) => !held.has(constant)),
    ...(clones.size > 0 && { held: [...clones.values()] }),
  }
  const wrong = computedOtherwise(solution, result, wanted, grownSize).map((value) => ({
    ...held.get(value)!,
    value,
    to: value,
    elements: wanted.get(value)!,
  }))
  return wrong.length === 0 ? result : { ...result, held: [...(result.held ?? []), ...wrong] }
}

/** Names of the numbers that come out otherwise than wanted when the sizes have grown. */
function computedOtherwise(
  solution: Solution,
  plan: GrowthPlan,
  wanted: ReadonlyMap<string, readonly number[]>,
  grownSize: (axis: Axis, size: number) => number,
): readonly string[] {
  const { model, values } = solution
  const { graph } = editModel(model, plan)
  const known = new Map<string, ValueInfo>()
  const lookup = (name: string): ValueInfo | undefined => {
    const found = known.get(name)
    if (found) return found
    const tensor = graph.initializers.get(name)?.tensor
    if (tensor) return { dtype: tensor.dtype, shape: tensor.dims, constant: tensor }
    const info = values.get(name)
    const axes = solution.axes.get(name)
    const shape = info?.shape?.map((size, k): Dim => {
      const axis = axes?.[k]
      return typeof size === 'number' && axis ? grownSize(axis, size) : size
    })
    return info && { ...info, shape }
  }
  const wrong: string[] = []
  for (const node of graph.nodes) {
    const before = values.get(nodeKey(node))
    if (before === undefined || elementsOf(before) === undefined) continue
    inferNode(node, opsetOf(model, node.domain), lookup).forEach((info, k) => {
      const name = node.outputs[k]!
      const elements = wanted.get(name)
      const isWrong =
        elements && isRead(solution, name) && String(elementsOf(info)) !== String(elements)
      known.set(name, isWrong ? { ...info, elements } : info)
      if (isWrong) wrong.push(name)
    })
  }
  return wrong
}

/** By something else than nodes whose results are held themselves. */
const isRead = ({ links, held }: Solution, name: string): boolean =>
  (links.uses.get(name) ?? []).some(({ node }) => !held.has(nodeKey(node)))
