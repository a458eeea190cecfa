/**
 * Brings a file of results (`net2net report --summary`) whose trials have format 1 to format 3, in which growth is
 * written as the library's steps and stages: every trial gets the identity of its new specification. What the trials
 * found stays, since both formats mean the same bits.
 *
 * tsx --conditions=net2net-source tools/rehash-trials.ts docs/study/results.json
 */
import { readFileSync } from 'node:fs'
import { writeWhole } from 'net2net/files'
import {
  formatResults,
  parseResults,
} from '../packages/net2net-cli/src/sweep/analysis/results-file.ts'
import { stagesOf, stepsOf } from '../packages/net2net-cli/src/sweep/file/expand.ts'
import type { GrowthEntry } from '../packages/net2net-cli/src/sweep/file/schema.ts'
import type { TrialResult, TrialSpec } from '../packages/net2net-cli/src/sweep/trial/trial.ts'
import { trialId } from '../packages/net2net-cli/src/sweep/trial/trial-id.ts'

/** Growth as format 1 had it: in the words of sweep files. */
interface OldSpec extends Omit<TrialSpec, 'format' | 'growth' | 'stages'> {
  readonly format: number
  readonly growth?: GrowthEntry
  readonly stages?: readonly (GrowthEntry & {
    readonly afterEpoch: number
    readonly learningRateFactor?: number
  })[]
}

const [file] = process.argv.slice(2)
if (file === undefined) throw new Error('Which file? Give the path of a results.json.')
const { plan, results, failures } = parseResults(readFileSync(file, 'utf8'), file)
const newIds = new Map<string, string>()
const newSpecs = new Map<string, TrialSpec>()
// Parents stand before their children.
for (const { id, spec } of plan.trials as readonly { id: string; spec: TrialSpec | OldSpec }[]) {
  if (spec.format !== 1) throw new Error(`${id} has format ${spec.format}, not 1.`)
  const { growth, stages, parent, ...rest } = spec as OldSpec
  const { seed } = rest
  const renewed: TrialSpec = {
    ...rest,
    format: 3,
    ...(parent !== undefined && { parent: newIds.get(parent)! }),
    ...(growth && { growth: stepsOf(growth).map((step) => ({ ...step, seed })) }),
    ...(stages && { stages: stagesOf({ stages: [...stages] }, seed)! }),
  }
  newIds.set(id, trialId(renewed))
  newSpecs.set(id, renewed)
}
const idOf = (old: string) => newIds.get(old)!
const text = formatResults({
  plan: {
    ...plan,
    trials: plan.trials.map((trial) => ({
      ...trial,
      id: idOf(trial.id),
      spec: newSpecs.get(trial.id)!,
    })),
  },
  results: new Map(
    [...results].map(([id, result]): [string, TrialResult] => [
      idOf(id),
      { ...result, id: idOf(id), spec: newSpecs.get(id)! },
    ]),
  ),
  failures: new Map(
    [...failures].map(([id, failure]) => [idOf(id), { ...failure, id: idOf(id) }] as const),
  ),
})
await writeWhole(file, text, { force: true })
