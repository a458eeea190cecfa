/** Costs of networks on the command line: their names, limits, and how long something may take. */
import { InvalidArgumentError } from 'commander'
import type { Cost, Limits } from 'net2net/exploring'
import { list } from './options.ts'

const costsByName: Readonly<Record<string, Cost>> = {
  parameters: 'parameters',
  'multiply-adds': 'multiplyAdds',
  latency: 'latency',
  size: 'size',
}

function costNamed(name: string): Cost {
  const cost = Object.hasOwn(costsByName, name) ? costsByName[name] : undefined
  if (cost) return cost
  throw new InvalidArgumentError(`It must name ${Object.keys(costsByName).join(', ')}.`)
}

export const costNames = (text: string): readonly Cost[] =>
  text.trim() === 'none' ? [] : list(text).map(costNamed)

/** What a number may be followed by, in the unit of the cost: milliseconds, bytes, or one. */
const units: Readonly<Record<Cost, Readonly<Record<string, number>>>> = {
  parameters: { '': 1, k: 1e3, M: 1e6, G: 1e9 },
  multiplyAdds: { '': 1, k: 1e3, M: 1e6, G: 1e9 },
  latency: { '': 1, ms: 1, s: 1000 },
  size: { '': 1, B: 1, kB: 1e3, MB: 1e6, GB: 1e9, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 },
}

/** `parameters=2M`, after those that were given before. */
export function limit(text: string, before: Limits = {}): Limits {
  const at = text.indexOf('=')
  if (at < 1) throw new InvalidArgumentError('It must be a cost, = and a number.')
  const cost = costNamed(text.slice(0, at).trim())
  const value = amount(text.slice(at + 1), units[cost])
  return { ...before, [cost]: value }
}

/** `30m` in seconds. */
export const duration = (text: string): number =>
  amount(text, { '': 1, s: 1, m: 60, min: 60, h: 3600 })

function amount(text: string, known: Readonly<Record<string, number>>): number {
  const [, digits, unit = ''] = /^\s*(\d*\.?\d+)\s*([A-Za-z]*)\s*$/.exec(text) ?? []
  const factor =
    known[unit] ??
    Object.entries(known).find(([name]) => name.toLowerCase() === unit.toLowerCase())?.[1]
  const value = Number(digits) * (factor ?? Number.NaN)
  if (value > 0) return value
  const named = Object.keys(known).filter((name) => name !== '')
  throw new InvalidArgumentError(
    `It must be a number above 0, with ${named.join(', ')} or nothing.`,
  )
}
