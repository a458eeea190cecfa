/** What a grown model is compared with: the input model, and where inputs got other sizes, at the sizes of both. */
import {
  applyPlan,
  type CompareOptions,
  type Comparison,
  compare,
  type GrowthPlan,
  type Model,
} from 'net2net'

/** Plans that change sizes of inputs: nothing is new, and still inputs are declared anew. */
const resizes = ({ units, declared = [] }: GrowthPlan): boolean =>
  units.length === 0 && declared.some(({ kind }) => kind === 'input')

export const changesSizes = (plans: readonly GrowthPlan[]): boolean => plans.some(resizes)

/** A plan of other sizes, backwards. */
const undone = (plan: GrowthPlan): GrowthPlan => ({
  ...plan,
  integers: plan.integers.map((change) => {
    if (!('constant' in change)) return { ...change, from: change.to, to: change.from }
    const { constant, clone = constant, index, from, to } = change
    return { constant: clone, index, from: to, to: from }
  }),
  declared: (plan.declared ?? []).map((axis) => ({ ...axis, from: axis.to, to: axis.from })),
})

/**
 * Compares a model with what was written of the grown one. No input has both sizes where a plan changes these: what the plan
 * made is compared with the old sizes restored, and the written model with the planned one at the new sizes.
 */
export async function checkGrown(
  model: Model,
  plans: readonly GrowthPlan[],
  written: Model,
  { inputs, ...options }: CompareOptions,
): Promise<Comparison> {
  let [start, now] = [model, model]
  const isFirst = () => start === model
  const check = (a: Model, b: Model) =>
    compare(a, b, { ...options, ...(isFirst() && inputs && { inputs }) })
  let found: Comparison | undefined
  const isWrong = () => found?.equal === false
  for (const plan of changesSizes(plans) ? plans : []) {
    const next = applyPlan(now, plan)
    if (resizes(plan)) {
      if (now !== start) found = worse(found, await check(start, now))
      if (isWrong()) break
      found = worse(found, await check(now, applyPlan(next, undone(plan))))
      start = next
    }
    now = next
  }
  return isWrong() ? found! : worse(found, await check(start, written))
}

/** The first of two that says less. */
function worse(a: Comparison | undefined, b: Comparison): Comparison {
  const order = [false, null, 'kept', true]
  return a && order.indexOf(a.equal) <= order.indexOf(b.equal) ? a : b
}
