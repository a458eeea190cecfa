/** Candidates in the order of what is expected of them. */
import type { SampleSet } from '../data/samples.ts'
import { Net2NetError } from '../errors.ts'
import { type GrowthStep, type Solution, solve } from '../growth/index.ts'
import { type RankedGrowth, type RankOptions, rank, rankedKinds } from '../measuring/rank.ts'
import type { Model } from '../model/model.ts'
import type { RandomStream } from '../tensor/random.ts'
import { atRandom, type CandidateOptions, defaultFactors, growthCandidates } from './candidates.ts'
import type { NetworkStore } from './networks.ts'
import { type Objectives, weighed } from './objectives.ts'
import type { NetworkAtRung } from './records.ts'

export interface GainOptions extends Omit<RankOptions, 'by' | 'factor' | 'growths' | 'seed'> {
  readonly seed: number
  readonly growth: CandidateOptions
  readonly objectives: Objectives
  /** For those whose gain is not known. */
  readonly random: RandomStream
}

/** Children of one network are often made one after the other: its ranking is not measured for each. */
const known = new WeakMap<NetworkStore, Map<string, Promise<readonly GrowthStep[]>>>()
const most = 8

/** As `byGain`, remembered for a network of a store. */
export function rankedOnce(
  { network, rung }: NetworkAtRung,
  store: NetworkStore,
  measure: () => Promise<readonly GrowthStep[]>,
): Promise<readonly GrowthStep[]> {
  const key = `${network}@${rung}`
  const rankings = known.get(store) ?? new Map<string, Promise<readonly GrowthStep[]>>()
  known.set(store, rankings)
  const ranking = rankings.get(key) ?? measure()
  rankings.delete(key)
  rankings.set(key, ranking)
  ranking.catch(() => rankings.delete(key))
  const [oldest] = rankings.keys()
  if (rankings.size > most && oldest !== undefined) rankings.delete(oldest)
  return ranking
}

/**
 * All candidates: first those whose gain is known, by what is gained for what it costs, and at last, at random, the others. A group
 * is ranked once, for one factor; its widenings by other factors come behind all groups.
 */
export async function byGain(
  model: Model,
  data: SampleSet,
  options: GainOptions,
): Promise<readonly GrowthStep[]> {
  const { growth, random } = options
  const solution = solve(model)
  const others = [...atRandom(growthCandidates(solution, growth), random)]
  const take = (isMeant: (step: GrowthStep) => boolean): readonly GrowthStep[] => {
    const at = others.findIndex(isMeant)
    return at < 0 ? [] : others.splice(at, 1)
  }
  const { factors = defaultFactors } = growth
  const middle = [...factors].sort((a, b) => a - b)[factors.length >> 1]!
  const ranked = await rankedGrowths(solution, data, middle, options)
  return [
    ...[middle, ...factors.filter((factor) => factor !== middle)].flatMap((factor) =>
      ranked.flatMap((growth) => take((step) => isOf(growth, step, factor)).map(asMeasured)),
    ),
    ...others,
  ]
}

/** New units begin as they were when their gain was measured. */
const asMeasured = (step: GrowthStep): GrowthStep =>
  'widen' in step ? { ...step, init: 'gradmax' } : step

/** Whether a candidate is the growth that was ranked, by this factor where it widens. */
function isOf({ step: ranked, layers }: RankedGrowth, step: GrowthStep, factor: number): boolean {
  if ('widen' in ranked && 'widen' in step) {
    const [[name, width] = ['', ''], ...more] = Object.entries(step.widen)
    const isNamed = name in ranked.widen || layers.includes(name)
    return more.length === 0 && width === `x${factor}` && isNamed
  }
  const isSame = (a: string | readonly string[], b: string | readonly string[]) =>
    String(a) === String(b)
  if ('deepen' in ranked && 'deepen' in step)
    return step.block === ranked.block && isSame(ranked.deepen, step.deepen)
  if ('kernel' in ranked && 'kernel' in step)
    return JSON.stringify(ranked.kernel) === JSON.stringify(step.kernel)
  return 'repeat' in ranked && 'repeat' in step && isSame(ranked.repeat, step.repeat)
}

/** The growths that have a gain, the best first. */
async function rankedGrowths(
  solution: Solution,
  data: SampleSet,
  factor: number,
  { growth: { operations }, random: _, objectives, ...measuring }: GainOptions,
): Promise<readonly RankedGrowth[]> {
  try {
    const by = weighed(objectives) === 'multiplyAdds' ? 'multiply-adds' : 'parameters'
    const growths = rankedKinds.filter((kind) => operations?.includes(kind) ?? true)
    const ranked = await rank(solution, data, { ...measuring, factor, by, growths })
    return ranked.filter(({ gain }) => gain !== undefined && gain > 0)
  } catch (error) {
    // Where gradients cannot be had, nothing is known of any growth.
    if (error instanceof Net2NetError && error.kind === 'refused') return []
    throw error
  }
}
