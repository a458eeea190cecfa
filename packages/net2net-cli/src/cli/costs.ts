/** Costs of networks on the command line: their names, limits, and how long something may take. */
import { InvalidArgumentError } from 'commander'
import { countMultiplyAdds, countParameters, encodeModel, type Model } from 'net2net'
import type { Cost, Limits } from 'net2net/exploring'
import { usageError } from '../errors.ts'
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

const nameOf = (cost: Cost): string =>
  Object.keys(costsByName).find((name) => costsByName[name] === cost) ?? cost

/** A network that may not begin, since it costs too much already. */
export function beyondLimit(cost: Cost, value: number, limit?: number) {
  const figure = (number: number) =>
    number.toLocaleString('en', { maximumSignificantDigits: cost === 'latency' ? 3 : 21 })
  const unit = cost === 'latency' ? ' ms' : cost === 'size' ? ' bytes' : ''
  const most = limit === undefined ? '' : `, and the limit is ${figure(limit)}${unit}`
  return usageError(
    `The network itself is beyond the limit of ${nameOf(cost)}: it has ${figure(value)}${unit}${most}. Give a smaller one, or another --limit.`,
  )
}

/** @throws usage for a network that costs more than it may; its latency is measured later */
export function mustBeWithin(model: Model, limits: Limits = {}): void {
  const values = {
    parameters: () => countParameters(model),
    multiplyAdds: () => countMultiplyAdds(model),
    size: () => encodeModel(model).byteLength,
  }
  if (limits.multiplyAdds !== undefined) mustKnowMultiplyAdds(model, ['multiplyAdds'])
  for (const cost of ['parameters', 'multiplyAdds', 'size'] as const) {
    const limit = limits[cost]
    const value = limit === undefined ? null : values[cost]()
    if (value !== null && limit !== undefined && value > limit)
      throw beyondLimit(cost, value, limit)
  }
}

/** @throws usage where multiply-adds are to be compared, and the model leaves a size open that they depend on */
export function mustKnowMultiplyAdds(model: Model, costs: readonly Cost[]): void {
  if (costs.includes('multiplyAdds') && countMultiplyAdds(model) === null)
    throw usageError(
      'The multiply-adds of this model are not known, since it leaves a size open: choose another cost.',
    )
}

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
