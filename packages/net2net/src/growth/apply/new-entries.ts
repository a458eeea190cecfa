/** Which entries of the parameters are new after a plan: those that it adds, and those that were new before. */
import type { Model } from '../../model/model.ts'
import { type NewAlongAxes, newEntriesOf, withNewEntries } from '../../model/new-entries.ts'
import { isFloat } from '../../tensor/dtype.ts'
import type { GrowthPlan, KernelChange, ParameterChange } from '../growth-plan.ts'
import { type AxisGather, evaluateAxis, type UnitsById } from './axis-gather.ts'
import { unitsById } from './merge-tensor.ts'

/**
 * The grown model with its new entries noted. Constants that the model before did not have are new as a whole.
 *
 * @param isKnown whether the model before had a constant of this name
 */
export function noteNewEntries(
  grown: Model,
  before: Model,
  plan: GrowthPlan,
  isKnown: (name: string) => boolean,
): Model {
  const was = newEntriesOf(before)
  const now = new Map(was)
  const units = unitsById(plan)
  for (const change of plan.parameters)
    set(change.to, grownAlong(change, was.get(change.name), units))
  for (const change of plan.kernels ?? [])
    set(change.to, enlargedAlong(change, was.get(change.name)))
  function set(name: string, along: 'all' | NewAlongAxes) {
    if (along === 'all' || along.size > 0) now.set(name, along)
    else now.delete(name)
  }
  const changed = new Set([...plan.parameters, ...(plan.kernels ?? [])].map(({ to }) => to))
  for (const [name, { tensor }] of grown.graph.initializers)
    if (isFloat(tensor.dtype) && !isKnown(name) && !changed.has(name)) now.set(name, 'all')
  const { initializers } = grown.graph
  return withNewEntries(grown, new Map([...now].filter(([name]) => initializers.has(name))))
}

function grownAlong(
  { axes }: ParameterChange,
  was: 'all' | NewAlongAxes | undefined,
  units: UnitsById,
): 'all' | NewAlongAxes {
  if (was === 'all') return was
  const now = new Map(was)
  for (const { axis, map, role } of axes) {
    const added = addedIndices(evaluateAxis(map, units, role), was?.get(axis))
    if (added.size > 0) now.set(axis, added)
    else now.delete(axis)
  }
  return now
}

/** Copies come behind the units that they copy: what is there for the first time is old. */
function addedIndices(
  { index, fresh, padded }: AxisGather,
  was: ReadonlySet<number> | undefined,
): ReadonlySet<number> {
  const seen = new Set<number>()
  const added = new Set<number>()
  for (const [i, source] of index.entries()) {
    if (fresh[i] || padded[i] || seen.has(source) || was?.has(source)) added.add(i)
    seen.add(source)
  }
  return added
}

function enlargedAlong(
  { before, border }: KernelChange,
  was: 'all' | NewAlongAxes | undefined,
): 'all' | NewAlongAxes {
  if (was === 'all') return was
  const now = new Map(was)
  for (const [k, width] of border.entries()) {
    const axis = k + 2
    const size = before[axis]!
    const added = new Set([...(was?.get(axis) ?? [])].map((i) => i + width))
    for (let i = 0; i < width; i++) added.add(i).add(size + width + i)
    if (added.size > 0) now.set(axis, added)
  }
  return now
}
