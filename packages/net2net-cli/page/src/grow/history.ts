/** Undo and redo of what is chosen on the Grow tab. The browser's Back undoes larger things: another network, another tab. */
import { batch, computed, effect, signal } from '@preact/signals'
import type { GrowSettings } from '../engine/protocol.ts'
import { param } from '../state.ts'
import { t } from '../text/text.ts'
import { announce } from '../ui/announce.tsx'
import { change, settings } from './settings.ts'

/** A slider that is dragged makes one step, not hundreds: changes of the same thing so many milliseconds after one another are one. */
const pause = 700
/** More are not remembered. */
const most = 200

const past = signal<readonly GrowSettings[]>([])
const future = signal<readonly GrowSettings[]>([])
let current = settings.peek()
let changed = 0
let what: Change = { names: '', layers: [] }
let restoring = false

const model = param('model')
let ofModel = model.peek()

const plain = (value: GrowSettings) => ({ ...value, widths: [...value.widths] })

interface Change {
  /** Of settings other than widths; lists with their lengths, since another entry is another change. */
  readonly names: string
  /** Layers that got another width. */
  readonly layers: readonly string[]
}

function changeTo(next: GrowSettings, before: GrowSettings): Change {
  const { widths, ...others } = next
  const { widths: widthsBefore, ...othersBefore } = before
  const known = new Map<string, unknown>(Object.entries(othersBefore))
  const names = Object.entries(others).flatMap(([name, value]) =>
    JSON.stringify(value) === JSON.stringify(known.get(name))
      ? []
      : `${name}${Array.isArray(value) ? value.length : ''}`,
  )
  const layers = new Set([...widths.keys(), ...widthsBefore.keys()])
  return {
    names: names.join(),
    layers: [...layers].filter((layer) => widths.get(layer) !== widthsBefore.get(layer)),
  }
}

const isSame = (a: Change, b: Change): boolean =>
  a.names === b.names &&
  (a.layers.some((layer) => b.layers.includes(layer)) || a.layers.length + b.layers.length === 0)

effect(() => {
  const next = settings.value
  if (model.value !== ofModel) {
    // Another network has a history of its own, which begins with what is chosen for it now.
    ofModel = model.value
    current = next
    changed = 0
    batch(() => {
      past.value = []
      future.value = []
    })
    return
  }
  if (JSON.stringify(plain(next)) === JSON.stringify(plain(current))) {
    current = next
    return
  }
  const now = performance.now()
  const is = changeTo(next, current)
  batch(() => {
    if (!restoring) {
      if (now - changed > pause || !isSame(is, what))
        past.value = [...past.peek(), current].slice(-most)
      future.value = []
    }
  })
  changed = now
  what = is
  current = next
})

export const canUndo = computed(() => past.value.length > 0)
export const canRedo = computed(() => future.value.length > 0)

export function undo(): void {
  const before = past.peek().at(-1)
  if (before === undefined) return
  batch(() => {
    past.value = past.peek().slice(0, -1)
    future.value = [...future.peek(), current]
  })
  restore(before)
  announce(t('Undone.'))
}

export function redo(): void {
  const after = future.peek().at(-1)
  if (after === undefined) return
  batch(() => {
    future.value = future.peek().slice(0, -1)
    past.value = [...past.peek(), current]
  })
  restore(after)
  announce(t('Done again.'))
}

function restore(wanted: GrowSettings): void {
  restoring = true
  change(wanted)
  restoring = false
  // What is changed next is a step of its own.
  changed = 0
}

/** Ctrl+Z, Ctrl+Y and Ctrl+Shift+Z, but for fields, which have an undo of their own. */
export function onUndoKeys(event: KeyboardEvent): void {
  if (!(event.ctrlKey || event.metaKey) || event.altKey) return
  const { target } = event
  const ownUndo =
    (target instanceof HTMLInputElement && !['range', 'checkbox'].includes(target.type)) ||
    target instanceof HTMLTextAreaElement
  if (ownUndo) return
  const key = event.key.toLowerCase()
  if (key === 'z' && !event.shiftKey) undo()
  else if (key === 'y' || key === 'z') redo()
  else return
  event.preventDefault()
}
