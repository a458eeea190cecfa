/** The Compare tab: two models, what differs, and whether they compute the same. */
import { batch, effect, signal } from '@preact/signals'
import { Checker } from '../engine/checker.ts'
import { models } from '../engine/model-client.ts'
import type { Change, Check, ComparedModels, Failure } from '../engine/protocol.ts'
import {
  missingSource,
  modelsAmong,
  sameFile,
  sourceFromFiles,
  sourceOf,
} from '../engine/sources.ts'
import { param, setParams, tab } from '../state.ts'
import { t } from '../text/text.ts'
import { announce } from '../ui/announce.tsx'
import { failureFrom } from '../ui/failure.tsx'

export const sides = { a: param('a'), b: param('b') }

export const compared = signal<ComparedModels | undefined>(undefined)
export const comparing = signal(false)
export const number = signal(0)
export const failure = signal<Failure | undefined>(undefined)
export const check = signal<Check | Failure | 'running' | undefined>(undefined)
export const selected = signal<string | undefined>(undefined)
export const changes = signal<readonly Change[] | undefined>(undefined)

type Side = 'a' | 'b'

/** Opens files: two networks on both sides, one on the first side that is free. */
export async function openFiles(files: readonly File[]): Promise<void> {
  const { models: found, data } = modelsAmong(files)
  const free = sides.a.peek() === '' ? 'a' : 'b'
  const places: readonly Side[] = found.length > 1 ? ['a', 'b'] : [free]
  for (const [i, side] of places.entries()) await openModel(side, found[i]!, data)
}

export async function openSide(side: Side, files: readonly File[]): Promise<void> {
  const { models: found, data } = modelsAmong(files)
  if (found.length > 1) await openFiles(files)
  else await openModel(side, found[0]!, data)
}

async function openModel(side: Side, model: File, data: readonly File[]): Promise<void> {
  let name: string
  try {
    ;({ name } = await sourceFromFiles(model, data))
  } catch (error) {
    failure.value = failureFrom(error)
    return
  }
  const wanted = sides[side].peek()
  if (!sameFile(name, wanted)) setParams({ [side]: name }, { push: true })
  // The file that a link asks for: now it is there.
  else if (sides.a.peek() !== '' && sides.b.peek() !== '')
    await compare(sides.a.peek(), sides.b.peek())
}

const checker = new Checker('comparison')

async function compare(a: string, b: string): Promise<void> {
  checker.stop()
  const own = number.peek() + 1
  batch(() => {
    number.value = own
    comparing.value = true
    failure.value = undefined
    compared.value = undefined
    check.value = undefined
    changes.value = undefined
    selected.value = undefined
  })
  try {
    const sources = [await sourceOf(a), await sourceOf(b)] as const
    const [first, second] = sources
    if (number.peek() !== own) return
    if (first === undefined || second === undefined) {
      failure.value = missingSource(
        first === undefined ? a : b,
        t('Open that file here, on its side.'),
      )
      return
    }
    const result = await models.comparison.call('compare', [first, second])
    if (number.peek() !== own) return
    batch(() => {
      compared.value = result
      check.value = 'running'
    })
    const { same, widened, changed, inserted, removed } = result.drawing.counts
    announce(
      t(
        '{0} nodes the same, {1} changed, {2} new, {3} removed.',
        same,
        widened + changed,
        inserted,
        removed,
      ),
    )
    void runCheck(own)
    const found = await models.comparison.call('changes', undefined)
    if (number.peek() === own) changes.value = found
  } catch (error) {
    if (number.peek() === own) failure.value = failureFrom(error)
  } finally {
    if (number.peek() === own) comparing.value = false
  }
}

/** Draws blocks of large networks as their nodes. */
export async function expand(blocks: readonly string[] | 'all' | 'none'): Promise<void> {
  const before = compared.peek()
  const drawing = await models.comparison.ask('expand', { of: 'comparison', blocks })
  if (drawing === undefined) return
  if (before !== undefined && compared.peek() === before) compared.value = { ...before, drawing }
}

/** Ends what takes too long. */
export function cancel(): void {
  number.value = number.peek() + 1
  checker.stop()
  models.comparison.stop()
  shown = ''
  batch(() => {
    comparing.value = false
    check.value = undefined
    failure.value = { kind: 'interrupted', message: t('Cancelled.') }
  })
}

async function runCheck(own: number): Promise<void> {
  let result: Check | Failure | undefined
  try {
    result = await checker.check()
  } catch (error) {
    result = failureFrom(error)
  }
  if (result !== undefined && number.peek() === own) check.value = result
}

let shown = ''
export const followAddress = (): (() => void) =>
  effect(() => {
    const [a, b] = [sides.a.value, sides.b.value]
    if (tab.value !== 'compare' || a === '' || b === '' || shown === `${a}\n${b}`) return
    shown = `${a}\n${b}`
    void compare(a, b)
  })
