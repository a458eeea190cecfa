/**
 * Places where a layer can be inserted or a residual block copied, and what its parameters would gain. What is inserted computes
 * the identity, so all of it can be there at once: each gradient is as it would be alone.
 */
import { isSampleSet, type TrainingData } from '../data/samples.ts'
import { Net2NetError } from '../errors.ts'
import {
  applyPlan,
  deepenRefusal,
  type GrowthPlan,
  planStep,
  residualBlocks,
  type Solution,
} from '../growth/index.ts'
import type { Node } from '../model/model.ts'
import { storedStatistics } from '../operators/trainable.ts'
import { measureStatistics } from './channel-statistics.ts'
import { gradientMeter, type SamplingOptions } from './gradients.ts'
import { type Candidate, type Gain, gainOf, type Round } from './rounds.ts'

/** A growth that inserts something. */
export interface Insertion extends Candidate {
  /** The nodes that are copied. */
  readonly nodes: readonly Node[]
}

export type InsertionKind = 'deepen' | 'repeat'

/** Every layer behind which one can be inserted, or every residual block that can be copied, in the order of the network. */
export function insertionsOf(solution: Solution, kind: InsertionKind): readonly Insertion[] {
  const places = kind === 'deepen' ? layersOf(solution) : blocksOf(solution)
  return places.flatMap(({ name, ...place }): Insertion[] => {
    const step = kind === 'deepen' ? { deepen: [name] } : { repeat: [name] }
    try {
      return [{ ...place, step, plan: planStep(solution, step) }]
    } catch (error) {
      // What cannot be planned is no growth that could be made.
      if (error instanceof Net2NetError && error.kind !== 'internal') return []
      throw error
    }
  })
}

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

/** How the gains of what is inserted are measured: of all at once, but for blocks that overlap. */
export const insertionRounds = (
  solution: Solution,
  insertions: readonly Insertion[],
  data: TrainingData,
  options: SamplingOptions,
): readonly Round<Insertion>[] =>
  apart(insertions).map((members) => ({
    members,
    passes: 1,
    measure: (some) => measureTogether(solution, some, data, options),
  }))

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
  const parameters = parametersOf(plan).map((names) =>
    names.filter((name) => !statistics.has(name)),
  )
  const meter = await gradientMeter(grown, data, parameters.flat(), options)
  try {
    const { gradients } = await meter.measure()
    return parameters.map((names) => {
      let gain = 0
      for (const name of names) for (const each of gradients.get(name) ?? []) gain += each * each
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
  if (insertions[0] && 'repeat' in insertions[0].step) return planStep(solution, { repeat: names })
  const statistics = isSampleSet(data)
    ? await measureStatistics(solution, names, { samples: data, runtime, session })
    : {}
  return planStep(solution, { deepen: names }, { statistics })
}

/** The parameters of each thing that a plan inserts, in the order of its insertions. */
const parametersOf = ({ inserted, repeated = [] }: GrowthPlan): readonly string[][] => [
  ...inserted.map(({ names, layer }) => layer.parameters.flatMap(({ name }) => names[name] ?? [])),
  ...repeated.map(({ parameters, gates }) => [
    ...parameters.map(({ to }) => to),
    ...gates.map(({ name }) => name),
  ]),
]
