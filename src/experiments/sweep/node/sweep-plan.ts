/** Reads sweep files: everything that is wrong with one is said at once, before anything runs. */
import { createHash } from 'node:crypto'
import type { z } from 'zod'
import { inputError, Net2NetError } from '../../../errors.ts'
import type { Model } from '../../../model/model.ts'
import { randomStream } from '../../../tensor/random.ts'
import {
  armsMeant,
  gridChoices,
  growthOf,
  optimizerOf,
  type ResolvedSettings,
  resolveSettings,
  seedsOf,
  stagesOf,
  studentRate,
} from '../expand.ts'
import { growNetwork } from '../grow.ts'
import { type Path, type Problem, parseLocated } from '../located-yaml.ts'
import { buildNetwork } from '../networks.ts'
import {
  type ArmEntry,
  armSchema,
  experimentSchema,
  type Settings,
  sweepSchema,
} from '../schema.ts'
import {
  type ExperimentPlan,
  type Growth,
  type SweepPlan,
  type Trial,
  type TrialLabel,
  type TrialSpec,
  teacherArmName,
} from '../trial.ts'

const scratchName = 'scratch'
const samples = { trainSize: 60_000, testSize: 10_000 } as const

/**
 * Reads a sweep file.
 *
 * @param text YAML
 * @param file its name, for messages
 * @throws input with every problem and its line
 */
export async function readSweep(text: string, file: string): Promise<SweepPlan> {
  const reader = new SweepReader(text)
  const plan = await reader.read()
  const problems = reader.problems.toSorted((a, b) => a.line - b.line || a.column - b.column)
  if (plan && problems.length === 0) return plan
  const lines = problems.map(({ line, column, message }) => `${file}:${line}:${column}: ${message}`)
  const count = lines.length === 1 ? 'an error' : `${lines.length} errors`
  throw inputError(
    `The sweep file has ${count}; nothing was run.\n${[...new Set(lines)].join('\n')}`,
    {
      where: file,
    },
  )
}

/** An arm after its grids, and where it stands in the file. */
interface Arm {
  readonly name: string
  readonly entry: ArmEntry
  readonly path: Path
}

interface Experiment {
  readonly name: string
  readonly path: Path
  readonly shared: Settings
  readonly teacher: Settings
  readonly seeds: readonly number[]
  readonly arms: readonly Arm[]
  /** Arms that stand in the file, be they right or wrong. */
  readonly mentioned: ReadonlySet<string>
  readonly compare: readonly (readonly [string, string])[] | undefined
  readonly target: number | string | undefined
}

class SweepReader {
  readonly problems: Problem[] = []
  readonly #yaml
  readonly #specs = new Map<string, { spec: TrialSpec; labels: TrialLabel[]; keep: boolean }>()

  constructor(text: string) {
    this.#yaml = parseLocated(text)
  }

  async read(): Promise<SweepPlan | undefined> {
    this.problems.push(...this.#yaml.problems)
    if (this.problems.length > 0) return undefined
    const root = this.#yaml.value
    const parsed = sweepSchema.safeParse(root)
    if (!parsed.success) this.#complain(parsed.error, [])
    const threads = isRecord(root) && typeof root.threads === 'number' ? root.threads : 1
    const experiments = this.#experiments(root)
    const plans: ExperimentPlan[] = []
    for (const experiment of experiments) plans.push(await this.#plan(experiment, threads))
    if (!parsed.success) return undefined
    const trials = [...this.#specs].map(
      ([id, { spec, labels, keep }]): Trial => ({ id, spec, labels, keepState: keep }),
    )
    return { name: parsed.data.name, experiments: plans, trials }
  }

  #complain(error: z.ZodError, path: Path): void {
    for (const issue of error.issues) {
      const at = [...path, ...issue.path]
      if (issue.code === 'unrecognized_keys')
        for (const key of issue.keys) this.#problem([...at, key], `there is no field "${key}" here`)
      else this.#problem(at, `${String(at.at(-1) ?? 'the sweep')}: ${lower(issue.message)}`)
    }
  }

  #problem(path: Path, message: string): void {
    this.problems.push(this.#yaml.at(path, message))
  }

  /** Whatever of the experiments can be read, so that its further mistakes are found too. */
  #experiments(root: unknown): Experiment[] {
    if (!isRecord(root) || !Array.isArray(root.experiments)) return []
    const defaults = settingsIn(root.defaults)
    const found: Experiment[] = []
    root.experiments.forEach((raw: unknown, i) => {
      if (!isRecord(raw)) return
      const path = ['experiments', i]
      const rawArms = Array.isArray(raw.arms) ? raw.arms : []
      const head = experimentSchema.safeParse({ ...raw, arms: [] })
      const entry = head.data
      if (!entry) return
      const arms = this.#arms(rawArms, path)
      for (const { suffix, values } of this.#choices(entry.grid, [...path, 'grid'], (value) =>
        experimentSchema.safeParse({ name: 'x', arms: [], ...value }),
      )) {
        const own = { ...defaults, ...settingsIn(entry), ...settingsIn(values) }
        found.push({
          name: `${entry.name}${suffix}`,
          path,
          shared: own,
          teacher: { ...own, ...entry.teacher },
          seeds: seedsOf(
            (values.seeds as typeof entry.seeds) ??
              entry.seeds ??
              sweepSchema.shape.seeds.safeParse(root.seeds).data,
          ),
          arms,
          mentioned: new Set(rawArms.filter(isRecord).map((arm) => String(arm.name))),
          compare: entry.compare,
          target: entry.target,
        })
      }
    })
    const names = new Map<string, Experiment>()
    for (const each of found) {
      if (names.has(each.name))
        this.#problem([...each.path, 'name'], `there are two experiments "${each.name}"`)
      names.set(each.name, each)
    }
    return found
  }

  #arms(raw: readonly unknown[], path: Path): Arm[] {
    const arms: Arm[] = []
    raw.forEach((value, i) => {
      const { data } = armSchema.safeParse(value)
      if (!data) return
      const at = [...path, 'arms', i]
      if (data.name === teacherArmName || data.name === scratchName)
        this.#problem([...at, 'name'], `an arm cannot be called "${data.name}"`)
      const { grid, ...entry } = data
      for (const { suffix, values } of this.#choices(grid, [...at, 'grid'], (choice) =>
        armSchema.safeParse({ name: 'x', ...choice }),
      ))
        arms.push({ name: `${data.name}${suffix}`, entry: { ...entry, ...values }, path: at })
    })
    const names = new Set<string>()
    for (const { name, path: at } of arms) {
      if (names.has(name)) this.#problem([...at, 'name'], `there are two arms "${name}"`)
      names.add(name)
    }
    return arms
  }

  /** The combinations of a grid, without the values that cannot be. */
  #choices(
    grid: Readonly<Record<string, readonly unknown[]>> | undefined,
    path: Path,
    check: (value: Readonly<Record<string, unknown>>) => z.ZodSafeParseResult<unknown>,
  ) {
    const good: Record<string, unknown[]> = {}
    for (const [field, values] of Object.entries(grid ?? {})) {
      if (['name', 'grid', 'arms', 'teacher', 'compare', 'target'].includes(field)) {
        this.#problem([...path, field], `"${field}" cannot vary in a grid`)
        continue
      }
      good[field] = values.filter((value, i) => {
        const result = check({ [field]: value })
        for (const issue of result.error?.issues ?? [])
          if (issue.code === 'unrecognized_keys')
            this.#problem([...path, field], `there is no field "${field}" here`)
          else this.#problem([...path, field, i], `${field}: ${lower(issue.message)}`)
        return result.success
      })
    }
    return gridChoices(good)
  }

  async #plan(experiment: Experiment, threads: number): Promise<ExperimentPlan> {
    const { name, path, seeds, arms, shared, teacher } = experiment
    this.#checkSizes(shared, path)
    if (teacher.trainSize !== shared.trainSize || teacher.testSize !== shared.testSize)
      this.#checkSizes(teacher, [...path, 'teacher'])
    const networks = await this.#checkArms(experiment)
    const needsTeacher = arms.some(({ entry }) => (entry.from ?? teacherArmName) === teacherArmName)
    for (const seed of seeds) {
      const ids = new Map<string, string>()
      const add = (arm: string, spec: TrialSpec) =>
        ids.set(arm, this.#add(spec, { experiment: name, arm, seed }))
      const base = resolveSettings(teacher)
      if (needsTeacher || arms.length === 0)
        add(teacherArmName, { ...specOf(base, seed, threads), order: seed })
      for (const { name: arm, entry } of inOrder(arms)) {
        const from = entry.from ?? teacherArmName
        const parent = ids.get(from)
        if (!networks.has(arm) || (from !== scratchName && parent === undefined)) continue
        add(arm, armSpec(entry, { parent, seed, threads, shared, specs: this.#specs }))
        if (parent !== undefined && entry.carryOptimizer) this.#specs.get(parent)!.keep = true
      }
    }
    return this.#comparisons(experiment, needsTeacher)
  }

  #add(spec: TrialSpec, label: TrialLabel): string {
    const id = trialId(spec)
    const known = this.#specs.get(id)
    if (known) known.labels.push(label)
    else this.#specs.set(id, { spec, labels: [label], keep: false })
    return id
  }

  #checkSizes(settings: Settings, path: Path): void {
    for (const [field, most] of Object.entries(samples)) {
      const size = settings[field as keyof typeof samples]
      if (size !== undefined && size > most)
        this.#problem([...path, field], `${field}: the data set has only ${most} samples`)
    }
  }

  /** The arms whose growth is possible: tried on untrained networks. */
  async #checkArms({
    arms,
    mentioned,
    teacher,
    shared,
  }: Experiment): Promise<ReadonlyMap<string, Model>> {
    const networks = new Map<string, Model>()
    const build = ({ network, width }: ResolvedSettings) => buildNetwork(network, width, 0)
    networks.set(teacherArmName, build(resolveSettings(teacher)))
    const names = new Set(arms.map(({ name }) => name))
    const ordered = inOrder(arms)
    const wrong = (from: string) => mentioned.has(from) && !names.has(from)
    for (const { name, entry, path } of arms.filter((arm) => !ordered.includes(arm)))
      if (!wrong(entry.from ?? teacherArmName))
        this.#problem(
          [...path, 'from'],
          `from: arm "${name}" comes from itself or from no known arm`,
        )
    for (const arm of ordered) {
      const { entry, path } = arm
      const from = entry.from ?? teacherArmName
      this.#checkSizes(settingsIn(entry), path)
      if (from === scratchName) {
        if (entry.carryOptimizer)
          this.#problem([...path, 'carryOptimizer'], 'a network from scratch has no state to carry')
        networks.set(from, build(resolveSettings(shared, entry)))
      } else {
        for (const field of ['network', 'width'] as const)
          if (entry[field] !== undefined)
            this.#problem(
              [...path, field],
              `${field}: it is that of "${from}", where the arm starts`,
            )
      }
      if (entry.carryOptimizer && from !== scratchName) this.#checkCarry(arm, arms, experimentRates)
      const start = networks.get(from)
      const grown = start && (await this.#checkGrowth(arm, start))
      if (grown) networks.set(arm.name, grown)

      function experimentRates(of: string): ResolvedSettings {
        const source = arms.find(({ name }) => name === of)
        return source ? resolveSettings(shared, source.entry) : resolveSettings(teacher)
      }
    }
    return networks
  }

  #checkCarry(
    { entry, path }: Arm,
    arms: readonly Arm[],
    settings: (arm: string) => ResolvedSettings,
  ): void {
    const own = settings(arms.find((arm) => arm.path === path)!.name)
    const parent = settings(entry.from ?? teacherArmName)
    if (JSON.stringify(optimizerOf(own)) !== JSON.stringify(optimizerOf(parent)))
      this.#problem(
        [...path, 'carryOptimizer'],
        `carryOptimizer: the optimizer is not the same as that of "${entry.from ?? teacherArmName}"`,
      )
  }

  async #checkGrowth({ entry, path }: Arm, start: Model) {
    let model: Model | undefined = start
    const attempt = async (growth: Growth | undefined, at: Path) => {
      if (!growth || !model) return
      try {
        model = (await growNetwork(model, growth, { seed: 0 })).model
      } catch (error) {
        if (!(error instanceof Net2NetError)) throw error
        const field = growth.widen && growth.deepen ? [] : [growth.widen ? 'widen' : 'deepen']
        this.#problem([...at, ...field], error.message)
        model = undefined
      }
    }
    await attempt(growthOf(entry), path)
    let last = 0
    for (const [i, stage] of (entry.stages ?? []).entries()) {
      const at = [...path, 'stages', i]
      if (stage.afterEpoch <= last)
        this.#problem([...at, 'afterEpoch'], 'afterEpoch: stages follow one another')
      last = stage.afterEpoch
      const growth = growthOf(stage)
      if (!growth) this.#problem(at, 'a stage says what to widen or to deepen')
      await attempt(growth, at)
    }
    return model
  }

  #comparisons(
    { name, path, arms, mentioned, compare, target }: Experiment,
    needsTeacher: boolean,
  ): ExperimentPlan {
    const names = arms.map((arm) => arm.name)
    const all = needsTeacher ? [teacherArmName, ...names] : names
    const meant = (pattern: string, at: Path) => {
      const found = armsMeant(all, pattern)
      if (found.length === 0 && !mentioned.has(pattern))
        this.#problem(at, `there is no arm "${pattern}"`)
      return found
    }
    const pairs =
      compare?.flatMap(([a, b], i) => {
        const right = meant(b, [...path, 'compare', i, 1])
        return meant(a, [...path, 'compare', i, 0]).flatMap((one) =>
          right.filter((two) => two !== one).map((two) => [one, two] as const),
        )
      }) ?? defaultPairs(arms)
    if (typeof target === 'string' && meant(target, [...path, 'target']).length > 1)
      this.#problem([...path, 'target'], `target: "${target}" names more than one arm`)
    return {
      name,
      ...(needsTeacher ? { teacher: teacherArmName } : {}),
      arms: names,
      compare: pairs,
      ...(target === undefined ? {} : { target }),
    }
  }
}

/** Every grown arm against the networks from scratch, and against a teacher that trains on. */
function defaultPairs(arms: readonly Arm[]): readonly (readonly [string, string])[] {
  const controls = arms.filter(
    ({ entry }) => entry.from === scratchName || (!growthOf(entry) && !entry.stages),
  )
  const grown = arms.filter((arm) => !controls.includes(arm))
  return grown.flatMap((arm) => controls.map((control) => [arm.name, control.name] as const))
}

function armSpec(
  entry: ArmEntry,
  given: {
    readonly parent: string | undefined
    readonly seed: number
    readonly threads: number
    readonly shared: Settings
    readonly specs: ReadonlyMap<string, { readonly spec: TrialSpec }>
  },
): TrialSpec {
  const { parent, seed, threads, shared, specs } = given
  const settings = resolveSettings(shared, entry)
  const growth = growthOf(entry)
  const stages = stagesOf(entry)
  const source = parent === undefined ? undefined : specs.get(parent)!.spec
  return {
    ...specOf(settings, seed, threads),
    ...(source
      ? {
          parent: parent!,
          network: source.network,
          width: source.width,
          // An arm that starts from a student goes on at its rate.
          learningRate:
            entry.learningRate ??
            (source.parent === undefined ? studentRate(source.learningRate) : source.learningRate),
        }
      : {}),
    ...(entry.carryOptimizer ? { carryOptimizer: true as const } : {}),
    ...(growth ? { growth } : {}),
    ...(growth && !source ? { fresh: true as const } : {}),
    ...(stages ? { stages } : {}),
  }
}

const specOf = (settings: ResolvedSettings, seed: number, threads: number): TrialSpec => ({
  format: 1,
  data: {
    set: settings.data,
    ...(settings.trainSize === undefined ? {} : { trainSize: settings.trainSize }),
    ...(settings.testSize === undefined ? {} : { testSize: settings.testSize }),
  },
  network: settings.network,
  width: settings.width,
  seed,
  // All but teachers see the same batches in the same order.
  order: randomStream(seed, 'students').below(2 ** 31),
  optimizer: optimizerOf(settings),
  learningRate: settings.learningRate,
  epochs: settings.epochs,
  batchSize: settings.batchSize,
  ...(settings.evaluateEvery === undefined ? {} : { evaluateEvery: settings.evaluateEvery }),
  threads,
})

/** Arms after those that they start from; arms whose start does not exist are left out. */
function inOrder(arms: readonly Arm[]): readonly Arm[] {
  const known = new Set([teacherArmName, scratchName])
  const ordered: Arm[] = []
  for (let before = -1; before < ordered.length; ) {
    before = ordered.length
    for (const arm of arms)
      if (!ordered.includes(arm) && known.has(arm.entry.from ?? teacherArmName)) {
        ordered.push(arm)
        known.add(arm.name)
      }
  }
  return ordered
}

/** The same specification has the same identity, whatever it is called and wherever it stands. */
export const trialId = (spec: TrialSpec): string =>
  `t${createHash('sha256')
    .update(JSON.stringify(sorted(spec)))
    .digest('hex')
    .slice(0, 16)}`

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (!isRecord(value)) return value
  return Object.fromEntries(
    Object.keys(value)
      .sort()
      .map((key) => [key, sorted(value[key])]),
  )
}

/** The settings among the fields of something; nothing where they are wrong. */
const settingsIn = (value: unknown): Settings => {
  const { data } = sweepSchema.shape.defaults.safeParse(
    isRecord(value)
      ? Object.fromEntries(
          Object.entries(value).filter(([key]) => key in armSchema.shape && isSetting(key)),
        )
      : {},
  )
  return data ?? {}
}

const isSetting = (key: string): boolean => settingKeys.has(key)
const settingKeys: ReadonlySet<string> = new Set(
  Object.keys(experimentSchema.shape.teacher.unwrap().shape),
)

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const lower = (message: string): string => message.charAt(0).toLowerCase() + message.slice(1)
