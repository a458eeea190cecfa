/** Reads sweep files: everything that is wrong with one is said at once, before anything runs. */
import { type Path, parseLocated } from 'net2net/recipe'
import { inputError } from '../../errors.ts'
import {
  type ExperimentPlan,
  type SweepPlan,
  scratchName,
  type Trial,
  type TrialLabel,
  type TrialSpec,
  teacherArmName,
} from '../trial/trial.ts'
import { trialId } from '../trial/trial-id.ts'
import { checkExperiment } from './checks.ts'
import { type Arm, type Experiment, readExperiments } from './entries.ts'
import { armsMeant, stepsOf } from './expand.ts'
import { isRecord, Problems } from './problems.ts'
import { sweepSchema } from './schema.ts'
import { armSpec, inOrder, sourceOf, teacherSpec } from './specs.ts'

/**
 * Reads a sweep file.
 *
 * @param text YAML
 * @param file its name, for messages
 * @throws input with every problem and its line
 */
export function readSweep(text: string, file: string): SweepPlan {
  const yaml = parseLocated(text)
  const problems = new Problems(yaml)
  const plan = problems.all.length > 0 ? undefined : planSweep(yaml.value, problems)
  if (plan && problems.all.length === 0) return plan
  const sorted = problems.all.toSorted((a, b) => a.line - b.line || a.column - b.column)
  const lines = sorted.map(({ line, column, message }) => `${file}:${line}:${column}: ${message}`)
  const count = lines.length === 1 ? 'an error' : `${lines.length} errors`
  throw inputError(
    `The sweep file has ${count}; nothing was run.\n${[...new Set(lines)].join('\n')}`,
    { where: file },
  )
}

/** What can be read is planned even where something is wrong: further mistakes are found so. */
function planSweep(root: unknown, problems: Problems): SweepPlan | undefined {
  const parsed = sweepSchema.safeParse(root)
  if (!parsed.success) problems.addAll(parsed.error, [])
  const threads = isRecord(root) && typeof root.threads === 'number' ? root.threads : 1
  const trials = new Trials()
  const experiments: ExperimentPlan[] = []
  for (const experiment of readExperiments(root, problems)) {
    const possible = checkExperiment(experiment, problems)
    addTrials(experiment, possible, { threads, trials })
    experiments.push(comparisonsOf(experiment, problems))
  }
  return parsed.success ? { name: parsed.data.name, experiments, trials: trials.list } : undefined
}

/** Equal specifications are one trial, however many experiments ask for it. */
class Trials {
  readonly #byId = new Map<string, { spec: TrialSpec; labels: TrialLabel[]; keep: boolean }>()

  /** Its identity. */
  add(spec: TrialSpec, label: TrialLabel): string {
    const id = trialId(spec)
    const known = this.#byId.get(id)
    if (known) known.labels.push(label)
    else this.#byId.set(id, { spec, labels: [label], keep: false })
    return id
  }

  spec(id: string): TrialSpec {
    return this.#byId.get(id)!.spec
  }

  keepState(id: string): void {
    this.#byId.get(id)!.keep = true
  }

  get list(): readonly Trial[] {
    return [...this.#byId].map(([id, { spec, labels, keep }]) => ({
      id,
      spec,
      labels,
      keepState: keep,
    }))
  }
}

const needsTeacher = ({ arms }: Experiment): boolean =>
  arms.length === 0 || arms.some(({ entry }) => sourceOf(entry) === teacherArmName)

function addTrials(
  experiment: Experiment,
  possible: ReadonlySet<string>,
  { threads, trials }: { readonly threads: number; readonly trials: Trials },
): void {
  const { name, seeds, arms, shared, teacher } = experiment
  for (const seed of seeds) {
    const ids = new Map<string, string>()
    const add = (arm: string, spec: TrialSpec) =>
      ids.set(arm, trials.add(spec, { experiment: name, arm, seed }))
    if (needsTeacher(experiment)) add(teacherArmName, teacherSpec(teacher, seed, threads))
    for (const { name: arm, entry } of inOrder(arms)) {
      const id = ids.get(sourceOf(entry))
      if (!possible.has(arm) || (sourceOf(entry) !== scratchName && id === undefined)) continue
      const parent = id === undefined ? undefined : { id, spec: trials.spec(id) }
      add(arm, armSpec(entry, { shared, seed, threads, parent }))
      if (id !== undefined && entry.carryOptimizer) trials.keepState(id)
    }
  }
}

function comparisonsOf(experiment: Experiment, problems: Problems): ExperimentPlan {
  const { name, path, arms, mentioned, compare, target } = experiment
  const names = arms.map((arm) => arm.name)
  const hasTeacher = needsTeacher(experiment)
  const all = hasTeacher ? [teacherArmName, ...names] : names
  const meant = (pattern: string, at: Path) => {
    const found = armsMeant(all, pattern)
    if (found.length === 0 && !mentioned.has(pattern))
      problems.add(at, `there is no arm "${pattern}"`)
    return found
  }
  const pairs =
    compare?.flatMap(([a, b], i) => {
      const right = meant(b, [...path, 'compare', i, 1])
      const left = meant(a, [...path, 'compare', i, 0])
      const found = left.flatMap((one) =>
        right.filter((two) => two !== one).map((two) => [one, two] as const),
      )
      if (found.length === 0 && left.length > 0 && right.length > 0)
        problems.add([...path, 'compare', i], `compare: "${a}" with itself says nothing`)
      return found
    }) ?? defaultPairs(arms)
  if (typeof target === 'string' && meant(target, [...path, 'target']).length > 1)
    problems.add([...path, 'target'], `target: "${target}" names more than one arm`)
  return {
    name,
    ...(hasTeacher ? { teacher: teacherArmName } : {}),
    arms: names,
    compare: pairs,
    ...(target === undefined ? {} : { target }),
  }
}

/** Every grown arm against the networks from scratch, and against a teacher that trains on. */
function defaultPairs(arms: readonly Arm[]): readonly (readonly [string, string])[] {
  const controls = arms.filter(
    ({ entry }) => entry.from === scratchName || (stepsOf(entry).length === 0 && !entry.stages),
  )
  const grown = arms.filter((arm) => !controls.includes(arm))
  return grown.flatMap((arm) => controls.map((control) => [arm.name, control.name] as const))
}
