/** Undo and redo of what is chosen on the Grow tab. The browser's Back undoes larger things: another network, another tab. */
import { batch, computed, effect, signal } from '@preact/signals'
import type { GrowSettings } from '../engine/protocol.ts'
import { param } from '../state.ts'
import { t } from '../text/text.ts'
import { announce } from '../ui/announce.tsx'
import { change, settings } from './settings.ts'

/** A slider that is dragged makes one step, not hundreds. */
const pause = 700
/** More are not remembered. */
const most = 200

const past = signal<readonly GrowSettings[]>([])
const future = signal<readonly GrowSettings[]>([])
let current = settings.peek()
let changed = 0
let restoring = false

const model = param('model')
let ofModel = model.peek()

const plain = (value: GrowSettings) => ({ ...value, widths: [...value.widths] })

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
  batch(() => {
    if (!restoring) {
      if (now - changed > pause) past.value = [...past.peek(), current].slice(-most)
      future.value = []
    }
  })
  changed = now
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
