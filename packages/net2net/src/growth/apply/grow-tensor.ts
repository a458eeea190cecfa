/** One parameter of a plan: its grown tensor, computed when it is read. */

import { inputError } from '../../errors.ts'
import { isFloat } from '../../tensor/dtype.ts'
import {
  type AxisSelection,
  type ElementChange,
  gather,
  type Untouched,
} from '../../tensor/lazy.ts'
import type { LazyTensor } from '../../tensor/tensor.ts'
import type { GrowthPlan, ParameterChange } from '../growth-plan.ts'
import { withAddedEntries } from './added-entries.ts'
import { evaluateAxis, type GatheredAxis } from './axis-gather.ts'
import { isMerged, mergeTensor, unitsById } from './merge-tensor.ts'
import { paperNoise, randomPadding, zeroSumNoise } from './noise.ts'

const DEFAULT_PADDING = 0.1

/** The axes of a parameter change, evaluated and checked against the tensor. */
export function gatheredAxes(
  plan: GrowthPlan,
  change: ParameterChange,
  tensor: LazyTensor,
): readonly GatheredAxis[] {
  const units = unitsById(plan)
  return change.axes.map(({ axis, map, role }) => {
    const gathered = evaluateAxis(map, units, role)
    if (tensor.dims[axis] !== gathered.from)
      throw inputError(
        `The plan grows axis ${axis} of "${change.name}" from ${gathered.from}, but its shape is [${tensor.dims}].`,
        { hint: 'Apply the plan to the model that it was made for.' },
      )
    return { axis, gathered }
  })
}

/** Entries of one axis, gathered and multiplied by the split coefficients. */
export const splitUp = ({ axis, gathered: { index, split } }: GatheredAxis): AxisSelection =>
  scaledBy({ axis, index }, split)

/** Entries of one axis times factors, unless these are all one. */
export const scaledBy = (
  selection: Omit<AxisSelection, 'factors'>,
  factors: Float64Array,
): AxisSelection =>
  factors.every((factor) => factor === 1) ? selection : { ...selection, factors }

/** Is there a unit on the axis of which copies are contracted? */
const isSplit = ({ gathered }: GatheredAxis): boolean => gathered.families < gathered.to

/** The axis along which the plan's noise sums to zero: the first that is split, if it names none. */
const noisyAxis = ({ noise }: ParameterChange, axes: readonly GatheredAxis[]) =>
  axes.find((each) => isSplit(each) && each.axis === (noise?.axis ?? each.axis))

/** The grown parameter: gathered, split, with the plan's noise or padding, and with what is added. */
export function growTensor(
  plan: GrowthPlan,
  change: ParameterChange,
  tensor: LazyTensor,
): LazyTensor {
  const axes = gatheredAxes(plan, change, tensor)
  if (isMerged(plan, change)) return mergeTensor(plan, change, tensor)
  const grown = growCopies(plan, change, tensor, axes)
  return isFloat(tensor.dtype)
    ? scaled(addEntries(plan, change, grown, axes), change.factor)
    : grown
}

/** All entries times a factor. */
export function scaled(tensor: LazyTensor, factor = 1): LazyTensor {
  if (factor === 1) return tensor
  return gather(tensor, [], (values) => {
    for (let i = 0; i < values.length; i++) values[i]! *= factor
  })
}

/** Along a split axis the entries of added units are zero, along a copied one as the plan says. */
export function addEntries(
  { seed }: Pick<GrowthPlan, 'seed'>,
  { added, to }: ParameterChange,
  grown: LazyTensor,
  axes: readonly GatheredAxis[],
): LazyTensor {
  if (added === undefined) return grown
  // What is read with any weights comes first: new rows are means over these, too.
  const isSplit = ({ gathered: { fresh, split: coefficients } }: GatheredAxis) =>
    fresh.some((flag, i) => flag === 1 && coefficients[i] === 0)
  const inOrder = [...axes.filter(isSplit), ...axes.filter((each) => !isSplit(each))]
  return inOrder.reduce(
    (tensor, along) => withAddedEntries(tensor, along, { ...added, seed, parameter: to }),
    grown,
  )
}

function growCopies(
  plan: GrowthPlan,
  change: ParameterChange,
  tensor: LazyTensor,
  axes: readonly GatheredAxis[],
): LazyTensor {
  if (change.noise?.alike) return growWithNoiseAlike(plan, change, tensor, axes)
  const selections = axes.map(splitUp)
  const untouched = onlyCopies(axes)
  const base = gather(tensor, selections, undefined, untouched)
  if (!isFloat(tensor.dtype)) return base
  const changes: ElementChange[] = []
  const noisy = noisyAxis(change, axes)
  if (change.noise && change.noise.kind !== 'none' && noisy) {
    const noise = change.noise.kind === 'zero-sum' ? zeroSumNoise : paperNoise
    changes.push(
      noise({
        seed: plan.seed,
        parameter: change.to,
        dims: change.after,
        axis: noisy.axis,
        gathered: noisy.gathered,
        relative: change.noise.relative,
        base,
      }),
    )
  }
  if (axes.some(({ gathered }) => gathered.padded.includes(1)))
    changes.push(
      randomPadding({
        seed: plan.seed,
        parameter: change.to,
        dims: change.after,
        axes,
        vector: change.padding ?? DEFAULT_PADDING,
      }),
    )
  if (changes.length === 0) return base
  const all: ElementChange = (values, start) => {
    for (const apply of changes) apply(values, start)
  }
  return gather(tensor, selections, all, untouched)
}

/** The axis with the noise first, then the others, which copy it. */
function growWithNoiseAlike(
  plan: GrowthPlan,
  change: ParameterChange,
  tensor: LazyTensor,
  axes: readonly GatheredAxis[],
): LazyTensor {
  const { alike: _, ...noise } = change.noise!
  const along = noisyAxis(change, axes)?.axis
  const isAlong = ({ axis }: { readonly axis: number }) => axis === along
  const after = tensor.dims.map((dim, k) => (k === along ? change.after[k]! : dim))
  const first = { ...change, after, axes: change.axes.filter(isAlong), noise }
  const others = axes.filter((each) => !isAlong(each))
  return gather(growTensor(plan, first, tensor), others.map(splitUp))
}

/** What stays as it was, bit for bit: entries of which there is one copy, without noise or padding. */
function onlyCopies(axes: readonly GatheredAxis[]): Untouched | undefined {
  const [first, another] = axes.filter(isSplit)
  if (!first || another || axes.some(({ gathered }) => gathered.padded.includes(1)))
    return undefined
  const { siblings, families, split, added } = first.gathered
  const copies = new Uint32Array(families)
  for (const family of siblings) copies[family]!++
  const flags = Uint8Array.from(siblings, (family, i) =>
    copies[family] === 1 && split[i] === 1 && !added[i] ? 1 : 0,
  )
  return { axis: first.axis, flags }
}
