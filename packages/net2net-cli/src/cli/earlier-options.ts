/** What a training or an exploration was begun with that is gone on with, where it is not what is said now. */

import type { ExplorationSettings } from '../exploration/settings.ts'

/** Values of options by their names in the program: `learningRate` is `--learning-rate`. */
export type SaidOptions = Readonly<Record<string, unknown>>

/** Those that were given, as JSON has them. */
export const asJson = (options: object): ExplorationSettings['data']['options'] =>
  JSON.parse(JSON.stringify(options))

/**
 * For each option that has another value now: `with --seed 4 (now 5)`.
 *
 * @param before as JSON has them
 */
export function differences(before: SaidOptions, now: SaidOptions): readonly string[] {
  const given = asJson(now)
  const names = [...new Set([...Object.keys(before), ...Object.keys(given)])]
  return names
    .filter((name) => canonical(before[name]) !== canonical(given[name]))
    .map((name) => {
      const flag = `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`
      const [then, here] = [before[name], given[name]].map((value) => text(name, value))
      if (then === undefined) return `without ${flag}`
      const value = then === '' ? flag : `${flag} ${then}`
      return `with ${value} (now ${here === undefined ? 'without' : here || 'without a value'})`
    })
}

/** A value as on the command line, nothing for an option that is there or not; undefined where it is not given. */
function text(name: string, value: unknown): string | undefined {
  if (value === undefined) return undefined
  if (value === true) return ''
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return String(value)
  const entries = Object.entries(value)
  if (name === 'normalize') return entries.map(([, numbers]) => String(numbers)).join('/')
  return entries.map(([key, one]) => (one === true ? key : `${key}=${String(one)}`)).join(',')
}

/** The same text for the same value, whatever the order of its entries. */
const canonical = (value: unknown): string | undefined =>
  JSON.stringify(value, (_, one: unknown) =>
    typeof one === 'object' && one !== null && !Array.isArray(one)
      ? Object.fromEntries(Object.entries(one).sort(([a], [b]) => (a < b ? -1 : 1)))
      : one,
  )
