/** The experiments and arms of a sweep file, grids written out, as far as they can be read. */

import { type Path, schemaMessage } from 'net2net/recipe'
import type { z } from 'zod'
import { scratchName, teacherArmName } from '../trial/trial.ts'
import { gridChoices, seedsOf } from './expand.ts'
import { isRecord, lower, noField, type Problems } from './problems.ts'
import { type ArmEntry, armSchema, experimentSchema, type Settings, sweepSchema } from './schema.ts'

/** An arm after its grids, and where it stands in the file. */
export interface Arm {
  readonly name: string
  readonly entry: ArmEntry
  readonly path: Path
}

export interface Experiment {
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

/** Whatever of the experiments can be read, so that its further mistakes are found too. */
export function readExperiments(root: unknown, problems: Problems): Experiment[] {
  if (!isRecord(root) || !Array.isArray(root.experiments)) return []
  const defaults = settingsIn(root.defaults)
  const found: Experiment[] = []
  root.experiments.forEach((raw: unknown, i) => {
    if (!isRecord(raw)) return
    const path = ['experiments', i]
    const rawArms = Array.isArray(raw.arms) ? raw.arms : []
    const entry = readable(experimentSchema, { ...raw, arms: [] }, { name: nameIn(raw), arms: [] })
    const arms = readArms(rawArms, path, problems)
    for (const { suffix, values } of choicesOf(entry.grid, [...path, 'grid'], problems, (value) =>
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
        mentioned: new Set(rawArms.filter(isRecord).map((arm) => nameIn(arm))),
        compare: entry.compare,
        target: entry.target,
      })
    }
  })
  const names = new Map<string, Experiment>()
  for (const each of found) {
    if (names.has(each.name))
      problems.add([...each.path, 'name'], `there are two experiments "${each.name}"`)
    names.set(each.name, each)
  }
  return found
}

/** The name that an entry gives itself, whatever it is, for messages. */
const nameIn = ({ name }: Record<string, unknown>): string =>
  typeof name === 'string' ? name : `${JSON.stringify(name)}`

function readArms(raw: readonly unknown[], path: Path, problems: Problems): Arm[] {
  const arms: Arm[] = []
  raw.forEach((value, i) => {
    if (!isRecord(value)) return
    const data = readable(armSchema, value, { name: nameIn(value) })
    const at = [...path, 'arms', i]
    if (data.name === teacherArmName || data.name === scratchName)
      problems.add([...at, 'name'], `an arm cannot be called "${data.name}"`)
    const { grid, ...entry } = data
    for (const { suffix, values } of choicesOf(grid, [...at, 'grid'], problems, (choice) =>
      armSchema.safeParse({ name: 'x', ...choice }),
    ))
      arms.push({ name: `${data.name}${suffix}`, entry: { ...entry, ...values }, path: at })
  })
  const names = new Set<string>()
  for (const { name, path: at } of arms) {
    if (names.has(name)) problems.add([...at, 'name'], `there are two arms "${name}"`)
    names.add(name)
  }
  return arms
}

/** What is right of an entry; its wrong fields are left out, since the schema has told of them. */
function readable<T>(
  schema: z.ZodType<T>,
  value: Readonly<Record<string, unknown>>,
  named: T & { readonly name: string },
): T {
  const { data, error } = schema.safeParse(value)
  if (data) return data
  const wrong = new Set<PropertyKey | undefined>(
    error?.issues.flatMap((issue) =>
      issue.code === 'unrecognized_keys' && issue.path.length === 0 ? issue.keys : [issue.path[0]],
    ),
  )
  const right = Object.entries(value).filter(([field]) => !wrong.has(field))
  return schema.safeParse({ ...named, ...Object.fromEntries(right) }).data ?? named
}

/** The combinations of a grid, without the values that cannot be. */
function choicesOf(
  grid: Readonly<Record<string, readonly unknown[]>> | undefined,
  path: Path,
  problems: Problems,
  check: (value: Readonly<Record<string, unknown>>) => z.ZodSafeParseResult<unknown>,
) {
  const good: Record<string, unknown[]> = {}
  for (const [field, values] of Object.entries(grid ?? {})) {
    if (['name', 'grid', 'arms', 'teacher', 'compare', 'target'].includes(field)) {
      problems.add([...path, field], `"${field}" cannot vary in a grid`)
      continue
    }
    good[field] = values.filter((value, i) => {
      const result = check({ [field]: value })
      for (const issue of result.error?.issues ?? [])
        if (issue.code === 'unrecognized_keys') problems.add([...path, field], noField(field))
        else problems.add([...path, field, i], `${field}: ${lower(schemaMessage(issue))}`)
      return result.success
    })
  }
  return gridChoices(good)
}

/** The settings among the fields of something; nothing where they are wrong. */
export const settingsIn = (value: unknown): Settings => {
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
