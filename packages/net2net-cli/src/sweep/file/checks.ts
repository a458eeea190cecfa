/** What can be wrong with an experiment though every field has its form: tried on untrained networks. */
import { type GrowthStep, grow, type Model, Net2NetError } from 'net2net'
import type { Path } from 'net2net/recipe'
import { buildNetwork } from '../trial/networks.ts'
import { scratchName, teacherArmName } from '../trial/trial.ts'
import { type Arm, type Experiment, settingsIn } from './entries.ts'
import { optimizerOf, type ResolvedSettings, resolveSettings, stepsOf } from './expand.ts'
import type { Problems } from './problems.ts'
import type { Settings } from './schema.ts'
import { inOrder, sourceOf } from './specs.ts'

const samples = { trainSize: 60_000, testSize: 10_000 } as const

/** The names of the arms that can be trained. */
export function checkExperiment(experiment: Experiment, problems: Problems): ReadonlySet<string> {
  const { arms, path, teacher, shared } = experiment
  checkSizes(shared, path, problems)
  if (teacher.trainSize !== shared.trainSize || teacher.testSize !== shared.testSize)
    checkSizes(teacher, [...path, 'teacher'], problems)
  checkSources(experiment, problems)

  const build = ({ network, width }: ResolvedSettings) => buildNetwork(network, width, 0)
  const networks = new Map([[teacherArmName, build(resolveSettings(teacher))]])
  for (const arm of inOrder(arms)) {
    const { name, entry, path: at } = arm
    const from = sourceOf(entry)
    checkSizes(settingsIn(entry), at, problems)
    if (from === scratchName) {
      if (entry.carryOptimizer)
        problems.add([...at, 'carryOptimizer'], 'a network from scratch has no state to carry')
      networks.set(from, build(resolveSettings(shared, entry)))
    } else {
      for (const field of ['network', 'width'] as const)
        if (entry[field] !== undefined)
          problems.add([...at, field], `${field}: it is that of "${from}", where the arm starts`)
      if (entry.carryOptimizer) checkCarry(arm, experiment, problems)
    }
    const start = networks.get(from)
    const { epochs } = resolveSettings(shared, entry)
    const grown = start && checkGrowth(arm, { start, epochs }, problems)
    if (grown) networks.set(name, grown)
  }
  return new Set(networks.keys())
}

function checkSizes(settings: Settings, path: Path, problems: Problems): void {
  for (const [field, most] of Object.entries(samples)) {
    const size = settings[field as keyof typeof samples]
    if (size !== undefined && size > most)
      problems.add([...path, field], `${field}: the data set has only ${most} samples`)
  }
}

/** Arms whose start does not exist; what is wrong with an arm itself is said elsewhere. */
function checkSources({ arms, mentioned }: Experiment, problems: Problems): void {
  const names = new Set(arms.map(({ name }) => name))
  const ordered = inOrder(arms)
  for (const arm of arms) {
    const from = sourceOf(arm.entry)
    if (ordered.includes(arm) || (mentioned.has(from) && !names.has(from))) continue
    problems.add(
      [...arm.path, 'from'],
      `from: arm "${arm.name}" comes from itself or from no known arm`,
    )
  }
}

function checkCarry(
  { entry, path }: Arm,
  { arms, shared, teacher }: Experiment,
  problems: Problems,
): void {
  const from = sourceOf(entry)
  const source = arms.find(({ name }) => name === from)
  const before = source ? resolveSettings(shared, source.entry) : resolveSettings(teacher)
  const own = optimizerOf(resolveSettings(shared, entry))
  if (JSON.stringify(own) !== JSON.stringify(optimizerOf(before)))
    problems.add(
      [...path, 'carryOptimizer'],
      `carryOptimizer: the optimizer is not the same as that of "${from}"`,
    )
}

/** The network at the end; undefined where its growth is not possible. */
function checkGrowth(
  { entry, path }: Arm,
  { start, epochs }: { readonly start: Model; readonly epochs: number },
  problems: Problems,
): Model | undefined {
  let model: Model | undefined = start
  const attempt = (steps: readonly GrowthStep[], at: Path) => {
    for (const step of steps)
      try {
        model &&= grow(model, [step]).model
      } catch (error) {
        if (!(error instanceof Net2NetError)) throw error
        problems.add([...at, 'widen' in step ? 'widen' : 'deepen'], error.message)
        model = undefined
      }
  }
  attempt(stepsOf(entry), path)
  let last = 0
  for (const [i, stage] of (entry.stages ?? []).entries()) {
    const at = [...path, 'stages', i]
    if (stage.afterEpoch <= last)
      problems.add([...at, 'afterEpoch'], 'afterEpoch: stages follow one another')
    if (stage.afterEpoch >= epochs)
      problems.add([...at, 'afterEpoch'], `afterEpoch: the training ends after epoch ${epochs}`)
    last = stage.afterEpoch
    const steps = stepsOf(stage)
    if (steps.length === 0) problems.add(at, 'a stage says what to widen or to deepen')
    attempt(steps, at)
  }
  return model
}
