/** What the user chose on the Grow tab, as it stands in the address. */
import { computed } from '@preact/signals'
import type { GrowSettings } from '../engine/protocol.ts'
import { numberParam, param, setParams } from '../state.ts'

const widen = param('widen')
const deepen = param('deepen')
const init = param('init')
const block = param('block')
const deepInit = param('deep-init')
const noise = param('noise')
const seed = numberParam('seed', 0)

/** Layer names may hold any character: those that separate are escaped. */
const escapeName = (name: string) => encodeURIComponent(name)
const unescapeName = (text: string) => {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

function parseWidths(text: string): Record<string, number> {
  const widths: Record<string, number> = {}
  for (const part of text.split(',')) {
    const [name, width] = part.split('=')
    if (name && Number.isSafeInteger(Number(width))) widths[unescapeName(name)] = Number(width)
  }
  return widths
}

const parseNames = (text: string) => text.split(',').filter(Boolean).map(unescapeName)

export const settings = computed<GrowSettings>(() => ({
  widths: parseWidths(widen.value),
  deepen: parseNames(deepen.value),
  init: init.value === 'random-pad' ? 'random-pad' : 'net2wider',
  block: block.value === 'residual' ? 'residual' : 'identity',
  deepInit: deepInit.value === 'random-init' ? 'random-init' : 'net2deeper',
  noise: noise.value === 'paper' || noise.value === 'none' ? noise.value : 'zero-sum',
  seed: seed.value,
}))

/** True if anything is to be grown. */
export const growing = computed(
  () => Object.keys(settings.value.widths).length > 0 || settings.value.deepen.length > 0,
)

export function change(changes: Partial<GrowSettings>): void {
  const next = { ...settings.peek(), ...changes }
  setParams({
    widen: Object.entries(next.widths)
      .map(([name, width]) => `${escapeName(name)}=${width}`)
      .join(','),
    deepen: next.deepen.map(escapeName).join(','),
    init: next.init === 'net2wider' ? undefined : next.init,
    block: next.block === 'identity' ? undefined : next.block,
    'deep-init': next.deepInit === 'net2deeper' ? undefined : next.deepInit,
    noise: next.noise === 'zero-sum' ? undefined : next.noise,
    seed: next.seed === 0 ? undefined : String(next.seed),
  })
}

/** Sets one layer's width; undefined: as it is. The layers of its group follow by themselves. */
export function setWidth(group: readonly string[], layer: string, width: number | undefined): void {
  const widths = { ...settings.peek().widths }
  for (const member of group) delete widths[member]
  if (width !== undefined) widths[layer] = width
  change({ widths })
}

export function toggleDeeper(layer: string, on: boolean): void {
  const others = settings.peek().deepen.filter((name) => name !== layer)
  change({ deepen: on ? [...others, layer] : others })
}
