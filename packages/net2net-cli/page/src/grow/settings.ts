/** What the user chose on the Grow tab, as it stands in the address. */
import { computed } from '@preact/signals'
import type { GrowthStep } from 'net2net'
import type { GrowSettings } from '../engine/protocol.ts'
import { escapeName, numberParam, param, setParams, unescapeName } from '../state.ts'

const widen = param('widen')
const deepen = param('deepen')
const init = param('init')
const block = param('block')
const deepInit = param('deep-init')
const noise = param('noise')
const seed = numberParam('seed', 0)
const kernel = numberParam('kernel', 0)
const more = param('more')

/** Steps of a recipe as JSON; what is none counts as none: the worker says what is wrong with a step. */
function parseSteps(text: string): readonly GrowthStep[] {
  try {
    const steps: unknown = JSON.parse(text)
    return Array.isArray(steps) ? (steps as GrowthStep[]) : []
  } catch {
    return []
  }
}

function parseWidths(text: string): Map<string, number> {
  const widths = new Map<string, number>()
  for (const part of text.split(',')) {
    const [name, width] = part.split('=')
    if (name && Number.isSafeInteger(Number(width))) widths.set(unescapeName(name), Number(width))
  }
  return widths
}

const parseNames = (text: string) => [...new Set(text.split(',').filter(Boolean).map(unescapeName))]

/** Seeds are 32-bit integers without sign. */
export const largestSeed = 0xffffffff
const isSeed = (value: number) => Number.isInteger(value) && value >= 0 && value <= largestSeed

export const settings = computed<GrowSettings>(() => ({
  widths: parseWidths(widen.value),
  deepen: parseNames(deepen.value),
  init: init.value === 'random-pad' ? 'random-pad' : 'net2wider',
  block: block.value === 'residual' ? 'residual' : 'identity',
  deepInit: deepInit.value === 'random-init' ? 'random-init' : 'net2deeper',
  noise: noise.value === 'paper' || noise.value === 'none' ? noise.value : 'zero-sum',
  seed: isSeed(seed.value) ? seed.value : 0,
  kernel: Number.isInteger(kernel.value) && kernel.value > 0 ? kernel.value : undefined,
  more: more.value === '' ? [] : parseSteps(more.value),
}))

/** True if anything is to be grown. */
export const growing = computed(() => {
  const { widths, deepen, more: others } = settings.value
  return widths.size > 0 || deepen.length > 0 || others.length > 0
})

export function change(changes: Partial<GrowSettings>, { push = false } = {}): void {
  const next = { ...settings.peek(), ...changes }
  const values = {
    widen: [...next.widths].map(([name, width]) => `${escapeName(name)}=${width}`).join(','),
    deepen: next.deepen.map(escapeName).join(','),
    init: next.init === 'net2wider' ? undefined : next.init,
    block: next.block === 'identity' ? undefined : next.block,
    'deep-init': next.deepInit === 'net2deeper' ? undefined : next.deepInit,
    noise: next.noise === 'zero-sum' ? undefined : next.noise,
    seed: next.seed === 0 ? undefined : String(next.seed),
    kernel: next.kernel === undefined ? undefined : String(next.kernel),
    more: next.more.length === 0 ? undefined : JSON.stringify(next.more),
  }
  setParams(values, { push })
}

/** What the address says of growth, for another network: nothing. */
export const noGrowth = { widen: undefined, deepen: undefined, more: undefined }

/** Takes back all widths and insertions; the browser's Back brings them again. */
export const clear = (): void => change({ widths: new Map(), deepen: [], more: [] }, { push: true })

/** Sets one layer's width; undefined: as it is. The layers of its group follow by themselves. */
export function setWidth(group: readonly string[], layer: string, width: number | undefined): void {
  const widths = new Map(settings.peek().widths)
  for (const member of group) widths.delete(member)
  if (width !== undefined) widths.set(layer, width)
  change({ widths })
}

export function toggleDeeper(layer: string, on: boolean): void {
  const others = settings.peek().deepen.filter((name) => name !== layer)
  change({ deepen: on ? [...others, layer] : others })
}
