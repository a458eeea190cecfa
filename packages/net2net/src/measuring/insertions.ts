/**
 * Places where a layer can be inserted or a residual block copied, and what its parameters would gain. What is inserted computes
 * the identity, so all of it can be there at once: each gradient is as it would be alone.
 *
 * A gradient alone does not say that something new is learned. Where no activation lies between an inserted layer and the one before
 * it, both are one linear map: its gradient is that of the old layer in other words, but for the taps of a kernel beside the middle, and for
 * the bias where the old layer has none. That holds if the old layer's weight can be any numbers, and is its alone.
 */
import { isSampleSet, type TrainingData } from '../data/samples.ts'
import { Net2NetError } from '../errors.ts'
import {
  applyPlan,
  type DeepenStep,
  deepenRefusal,
  type GrowthPlan,
  isLinear,
  neighbourhood,
  planStep,
  residualBlocks,
  type Solution,
} from '../growth/index.ts'
import type { Node } from '../model/model.ts'
import type { InsertedParameter } from '../operators/contract/facets.ts'
import { storedStatistics } from '../operators/trainable.ts'
import { measureStatistics } from './channel-statistics.ts'
import { gradientMeter, type SamplingOptions } from './gradients.ts'
import { hasBias, isOwnWeight } from './linear-units.ts'
import { type Candidate, type Gain, gainOf, type Round } from './rounds.ts'

/** A growth that inserts something. */
export interface Insertion extends Candidate {
  /** The nodes that are copied. */
  readonly nodes: readonly Node[]
  /** Why it adds nothing to what the network can compute, if so. */
  readonly reason?: string
  /** What of it does something that the layer before it cannot; absent: all. */
  readonly news?: News
}

interface News {
  readonly bias: boolean
}

export type InsertionKind = 'deepen' | 'repeat'

/**
 * Every layer behind which one can be inserted, or every residual block that can be copied, in the order of the network. Where the identity
 * does not pass a layer's activation, and would be linear before it, a block with a branch of zero goes behind it.
 */
export function insertionsOf(solution: Solution, kind: InsertionKind): readonly Insertion[] {
  const places = kind === 'deepen' ? layersOf(solution) : blocksOf(solution)
  return places.flatMap(({ name, ...place }): Insertion[] => {
    try {
      if (kind === 'deepen') return [{ ...place, ...insertedBehind(solution, name) }]
      const step = { repeat: [name] }
      return [{ ...place, step, plan: planStep(solution, step) }]
    } catch (error) {
      // What cannot be planned is no growth that could be made.
      if (error instanceof Net2NetError && error.kind !== 'internal') return []
      throw error
    }
  })
}

function insertedBehind(
  solution: Solution,
  name: string,
): Pick<Insertion, 'plan' | 'reason' | 'news'> & { readonly step: DeepenStep } {
  const step = { deepen: [name] }
  const plan = planStep(solution, step)
  const [inserted] = plan.inserted
  const { facts } = solution
  const layer = facts.layers.find((each) => each.name === inserted!.after)!
  if (!isLinear(inserted!.layer) || !isOwnWeight(solution, layer)) return { step, plan }
  const news = { bias: !hasBias(solution, layer) }
  const { parameters } = inserted!.layer
  const isMore = parameters.some(({ dims }) => dims.slice(2).some((taps) => taps > 1))
  if (isMore || news.bias) return { step, plan, news }
  if (neighbourhood(facts, layer).activation) {
    const block = { ...step, block: 'residual' as const }
    return { step: block, plan: planStep(solution, block) }
  }
  return { step, plan, reason: addsNothing }
}

const addsNothing =
  'without an activation in between, both layers are one linear map, which the old one can learn alone'

interface Place extends Pick<Insertion, 'layers' | 'nodes'> {
  /** What a step calls it. */
  readonly name: string
}

const layersOf = ({ facts }: Solution): readonly Place[] =>
  facts.layers
    .filter((layer) => deepenRefusal(facts, layer) === undefined)
    .map(({ name }) => ({ name, layers: [name], nodes: [] }))

/** A layer's name means the smallest block that holds it. */
function blocksOf(solution: Solution): readonly Place[] {
  const blocks = residualBlocks(solution)
  return blocks.flatMap(({ layers, nodes }): Place[] => {
    const own = layers.find((layer) =>
      blocks.every((other) => other.nodes.length >= nodes.length || !other.layers.includes(layer)),
    )
    return own ? [{ name: own.name, layers: layers.map(({ name }) => name), nodes }] : []
  })
}

/** How the gains of what is inserted are measured: of all at once that is inserted in one way, but for blocks that overlap. */
export function insertionRounds(
  solution: Solution,
  insertions: readonly Insertion[],
  data: TrainingData,
  options: SamplingOptions,
): readonly Round<Insertion>[] {
  const idle = insertions.filter(({ reason }) => reason !== undefined)
  const able = insertions.filter(({ reason }) => reason === undefined)
  const measured = [able.filter(isBlock), able.filter((each) => !isBlock(each))].flatMap(apart)
  return [
    ...measured.map(
      (members): Round<Insertion> => ({
        members,
        passes: 1,
        measure: (some) => measureTogether(solution, some, data, options),
      }),
    ),
    {
      members: idle,
      passes: 0,
      measure: async (some) => some.map(({ reason = '' }) => ({ reason })),
    },
  ]
}

const isBlock = ({ step }: Insertion): boolean => 'deepen' in step && step.block === 'residual'

/** Sets of insertions in which no node is copied twice. */
function apart(insertions: readonly Insertion[]): readonly (readonly Insertion[])[] {
  const sets: { readonly nodes: Set<Node>; readonly members: Insertion[] }[] = []
  for (const one of insertions) {
    let set = sets.find(({ nodes }) => !one.nodes.some((node) => nodes.has(node)))
    if (!set) {
      set = { nodes: new Set(), members: [] }
      sets.push(set)
    }
    set.members.push(one)
    for (const node of one.nodes) set.nodes.add(node)
  }
  return sets.map(({ members }) => members)
}

async function measureTogether(
  solution: Solution,
  insertions: readonly Insertion[],
  data: TrainingData,
  options: SamplingOptions,
): Promise<readonly Gain[]> {
  const plan = await planTogether(solution, insertions, data, options)
  const grown = applyPlan(solution.model, plan)
  const statistics = storedStatistics(grown)
  const parameters = parametersOf(plan, insertions).map((some) =>
    some.filter(({ name }) => !statistics.has(name)),
  )
  const names = parameters.flatMap((some) => some.map(({ name }) => name))
  const meter = await gradientMeter(grown, data, names, options)
  try {
    const { gradients } = await meter.measure()
    return parameters.map((some) => {
      let gain = 0
      for (const { name, counts } of some)
        gradients.get(name)?.forEach((each, i) => {
          if (!counts || counts(i)) gain += each * each
        })
      return gainOf(gain)
    })
  } finally {
    await meter.release()
  }
}

/** All of the insertions in one plan, in their order. */
async function planTogether(
  solution: Solution,
  insertions: readonly Insertion[],
  data: TrainingData,
  { runtime, session }: SamplingOptions,
): Promise<GrowthPlan> {
  const names = insertions.flatMap(({ step }) =>
    'deepen' in step ? step.deepen : 'repeat' in step ? step.repeat : [],
  )
  const [first] = insertions
  if (first && 'repeat' in first.step) return planStep(solution, { repeat: names })
  if (first && isBlock(first)) return planStep(solution, { deepen: names, block: 'residual' })
  const statistics = isSampleSet(data)
    ? await measureStatistics(solution, names, { samples: data, runtime, session })
    : {}
  return planStep(solution, { deepen: names }, { statistics })
}

interface NewParameter {
  readonly name: string
  /** Whether an entry, by its place in the tensor, does what the old layer cannot; all do where it is absent. */
  readonly counts?: ((place: number) => boolean) | undefined
}

/** The parameters of each thing that a plan inserts, in the order of its insertions. */
const parametersOf = (
  { inserted, repeated = [] }: GrowthPlan,
  insertions: readonly Insertion[],
): readonly NewParameter[][] => [
  ...inserted.map(({ names, layer }, i) =>
    layer.parameters.map(
      (parameter): NewParameter => ({
        name: names[parameter.name]!,
        counts: newsIn(parameter, insertions[i]?.news),
      }),
    ),
  ),
  ...repeated.map(({ parameters, gates }) => [
    ...parameters.map(({ to }) => ({ name: to })),
    ...gates.map(({ name }) => ({ name })),
  ]),
]

/** Of a kernel the taps beside the one through which the identity passes, of a bias all or nothing. */
function newsIn({ dims, identity }: InsertedParameter, news: News | undefined) {
  if (!news) return undefined
  if (identity.kind !== 'identity') return () => news.bias
  const middle = Object.entries(identity.at ?? {})
  return (place: number) =>
    middle.some(([axis, at]) => {
      const inner = dims.slice(Number(axis) + 1).reduce((product, size) => product * size, 1)
      return Math.floor(place / inner) % dims[Number(axis)]! !== at
    })
}
