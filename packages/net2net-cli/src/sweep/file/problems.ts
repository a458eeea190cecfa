/** What is wrong with a sweep file, each problem with its line. */

import { type LocatedYaml, type Path, type Problem, schemaMessage } from 'net2net/recipe'
import type { z } from 'zod'

export class Problems {
  readonly all: Problem[]
  readonly #yaml: LocatedYaml

  constructor(yaml: LocatedYaml) {
    this.#yaml = yaml
    this.all = [...yaml.problems]
  }

  add(path: Path, message: string): void {
    this.all.push(this.#yaml.at(path, message))
  }

  /** Those that a schema found in what stands at the path. */
  addAll(error: z.ZodError, path: Path): void {
    for (const issue of error.issues) {
      const at = [...path, ...issue.path]
      if (issue.code === 'unrecognized_keys')
        for (const key of issue.keys) this.add([...at, key], noField(key))
      else this.add(at, `${String(at.at(-1) ?? 'the sweep')}: ${lower(schemaMessage(issue))}`)
    }
  }
}

export const noField = (name: string): string => `there is no field "${name}" here`

export const lower = (message: string): string => message.charAt(0).toLowerCase() + message.slice(1)

export const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
