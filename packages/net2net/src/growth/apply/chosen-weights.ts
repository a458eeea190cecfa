/** Plans in which the in-weights of added units are listed. */
import { internalError } from '../../errors.ts'
import { elementCount } from '../../tensor/tensor.ts'
import type { GrowthPlan, ParameterChange } from '../growth-plan.ts'
import { evaluateAxis } from './axis-gather.ts'
import { unitsById } from './merge-tensor.ts'

/** Digits of the numbers that a plan lists: where a direction points to, they say well enough. */
const DIGITS = 4

/**
 * The plan with the numbers that tensors hold at the entries of added units.
 *
 * @param tensors By name, all elements of the grown parameters whose entries are to be listed.
 */
export const withListed = (
  plan: GrowthPlan,
  tensors: ReadonlyMap<string, ArrayLike<number>>,
): GrowthPlan => ({
  ...plan,
  parameters: plan.parameters.map((change) => {
    const data = tensors.get(change.to)
    return data
      ? { ...change, added: { start: 'values', values: listed(plan, change, data) } }
      : change
  }),
})

function listed(
  plan: GrowthPlan,
  { to, after, axes }: ParameterChange,
  data: ArrayLike<number>,
): readonly number[] {
  const units = unitsById(plan)
  const copied = axes.flatMap(({ axis, map, role }) => {
    const { fresh, split } = evaluateAxis(map, units, role)
    const indices = [...fresh.keys()].filter((i) => fresh[i] === 1 && split[i] !== 0)
    return indices.length > 0 ? [{ axis, indices }] : []
  })
  const [along, another] = copied
  if (!along || another) throw internalError(`The new entries of ${to} are not along one axis.`)
  const stride = elementCount(after.slice(along.axis + 1))
  const size = stride * after[along.axis]!
  const values: number[] = []
  for (let row = 0; row < data.length; row += size)
    for (const index of along.indices)
      for (let i = 0; i < stride; i++)
        values.push(Number(data[row + index * stride + i]!.toPrecision(DIGITS)))
  return values
}
