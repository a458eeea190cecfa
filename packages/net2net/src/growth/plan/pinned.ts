/**
 * Numbers that nodes compute from sizes: `d // heads`, or a scale by 1/√d. Exporters write them
 * wherever a batch is dynamic or constants are not folded. What grows keeps its function if such a
 * number stays as it was, or, where it is the size of another axis, follows that one. Most do so by
 * themselves, being computed from the grown sizes; the others are pinned.
 */
import { ModelEdit } from '../../model/edit.ts'
import { type Dim, type Model, opsetOf } from '../../model/model.ts'
import { nodeKey } from '../../model/names.ts'
import { constantsOf } from '../../operators/constants-of.ts'
import type { ValueInfo } from '../../operators/contract/infer.ts'
import { elementsOf } from '../../operators/helpers/elements.ts'
import { inferNode } from '../../operators/inference.ts'
import { type KnownNumbers, numbersTensor } from '../../tensor/known-numbers.ts'
import type { IntegerChange, ParameterChange, PinnedNumber } from '../growth-plan.ts'
import { type Facts, sizesIn } from '../solve/facts.ts'
import type { Solution } from '../solve/index.ts'
import type { IntegerPlan } from './integers.ts'
import type { Projection } from './project.ts'

/** The changes without those of sizes that are computed, and in their place the numbers to pin. */
export function pinnedNumbers(
  { facts, relations }: Solution,
  projection: Projection,
  grown: readonly Pick<ParameterChange, 'name' | 'to' | 'after' | 'uses'>[],
  { copied, integers: changes }: IntegerPlan,
): { readonly integers: readonly IntegerChange[]; readonly pinned: readonly PinnedNumber[] } {
  const known = new Map(sizesIn(facts))
  if (known.size === 0) return { integers: changes, pinned: [] }
  const integers: IntegerChange[] = []
  const wanted = new Map([...known].map(([name, { elements }]) => [name, elements]))
  const clones = new Map<string, PinnedNumber>()
  for (const change of changes) {
    const numbers = 'constant' in change ? known.get(change.constant) : undefined
    if (!numbers || 'attribute' in change) {
      integers.push(change)
      continue
    }
    const { constant: value, clone: to, index, uses = [] } = change
    if (to === undefined) wanted.set(value, wanted.get(value)!.with(index, change.to))
    else {
      const clone = clones.get(to) ?? { ...numbers, value, to, uses }
      clones.set(to, { ...clone, elements: clone.elements.with(index, change.to) })
    }
  }
  const edit = new ModelEdit(facts.model, constantsOf(facts.model))
  for (const copies of copied) edit.copyNodes(copies)
  edit.setIntegers(integers)
  for (const clone of clones.values())
    edit.pin(clone.value, clone.to, numbersTensor(clone), clone.uses)
  const dimsAfter = new Map(grown.map(({ to, after }) => [to, after]))
  const sizeAfter = (name: string, k: number, size: number) => {
    const axis = relations.axes.get(name)?.[k]
    return dimsAfter.get(name)?.[k] ?? (axis ? projection.sizeAfter(axis, size) : size)
  }
  // A clone of a parameter has other sizes than what its other readers go on to read.
  for (const { name, to, uses } of grown)
    if (to !== name) edit.setConstant(to, edit.constantOf(name), uses)
  const wrong = computedOtherwise(facts, edit.model(), wanted, sizeAfter)
  const replaced = wrong.map((value): PinnedNumber => {
    const numbers: KnownNumbers = { ...known.get(value)!, elements: wanted.get(value)! }
    return { ...numbers, value, to: value }
  })
  return { integers, pinned: [...clones.values(), ...replaced] }
}

/** Names of the numbers that come out otherwise than wanted when the sizes have grown. */
function computedOtherwise(
  facts: Facts,
  grown: Model,
  wanted: ReadonlyMap<string, readonly number[]>,
  sizeAfter: (name: string, k: number, size: number) => number,
): readonly string[] {
  const { values } = facts
  const known = new Map<string, ValueInfo>()
  const lookup = (name: string): ValueInfo | undefined => {
    const found = known.get(name)
    if (found) return found
    const tensor = grown.graph.initializers.get(name)?.tensor
    const info = tensor
      ? { dtype: tensor.dtype, shape: tensor.dims, constant: tensor }
      : values.get(name)
    const shape = info?.shape?.map(
      (size, k): Dim => (typeof size === 'number' ? sizeAfter(name, k, size) : size),
    )
    return info && { ...info, shape }
  }
  const wrong: string[] = []
  for (const node of grown.graph.nodes) {
    const before = values.get(nodeKey(node))
    if (before === undefined || elementsOf(before) === undefined) continue
    inferNode(node, opsetOf(grown, node.domain), lookup).forEach((info, k) => {
      const name = node.outputs[k]!
      const elements = wanted.get(name)
      const isWrong =
        elements && isRead(facts, name) && String(elementsOf(info)) !== String(elements)
      known.set(name, isWrong ? { ...info, elements } : info)
      if (isWrong) wrong.push(name)
    })
  }
  return wrong
}

/** By something else than nodes whose results follow from sizes themselves. */
const isRead = ({ links, provenance }: Facts, name: string): boolean =>
  (links.uses.get(name) ?? []).some(({ node }) => provenance(nodeKey(node)).kind !== 'size')
