/** What growth of each layer costs: asked layer by layer, after what is more urgent, and kept. */
import { effect, signal } from '@preact/signals'
import { models } from '../engine/model-client.ts'
import type { LayerPrice } from '../engine/protocol.ts'
import { opened, openedBy, regrowing } from './model.ts'
import { settings } from './settings.ts'

export const prices = signal<ReadonlyMap<string, LayerPrice>>(new Map())

/** Of what prices depend on: another network, or another kind of inserted layers. */
const basis = () => {
  const { block, deepInit, kernel } = settings.value
  return `${openedBy.value} ${block} ${deepInit} ${kernel}`
}
let known = ''
/** Layers that somebody looks at, and those of them whose prices are not known. */
let watched: readonly string[] = []
let wanted = new Set<string>()
let asking = false

/** Asks for the prices of these layers, and no longer of others; what they are is told by `prices`. */
export function wantPrices(layers: readonly string[]): void {
  watched = layers
  wanted = new Set(layers.filter((name) => !prices.peek().has(name)))
  void ask()
}

async function ask(): Promise<void> {
  if (asking) return
  asking = true
  try {
    for (;;) {
      const [layer] = wanted
      if (layer === undefined || opened.peek() === undefined || regrowing.peek()) return
      wanted.delete(layer)
      const of = known
      const price = await models.growth
        .call('price', { layer, settings: settings.peek() })
        .catch(() => undefined)
      if (price && of === known) prices.value = new Map([...prices.peek(), [layer, price]])
    }
  } finally {
    asking = false
  }
}

effect(() => {
  const now = basis()
  const idle = !regrowing.value && opened.value !== undefined
  if (now !== known) {
    known = now
    wanted = new Set(watched)
    prices.value = new Map()
  }
  if (idle) void ask()
})
