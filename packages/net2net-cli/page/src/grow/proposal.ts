/** Widths for all layers within a budget: by what new units gain on data, or all layers alike. */
import { signal } from '@preact/signals'
import { client } from '../engine/client.ts'
import { models } from '../engine/model-client.ts'
import type { Budget, Failure } from '../engine/protocol.ts'
import { startWorker } from '../engine/start-worker.ts'
import { said, t } from '../text/text.ts'
import { settings as dataSettings, files } from '../train/own/choices.ts'
import { failureFrom } from '../ui/failure.tsx'
import { opened, openedBy } from './model.ts'
import { change, settings } from './settings.ts'
import type { WidthMethods } from './width-methods.ts'

export const proposing = signal(false)
export const failure = signal<Failure | undefined>(undefined)
/** What the last proposal goes by, in words, and the opening that it is of. */
export const basis = signal<{ readonly of: number; readonly text: string } | undefined>(undefined)

const measurer = client<WidthMethods>(() => startWorker('widths'))
/** What the worker has measured last: the network, and on which data. */
let measured: { readonly key: string; readonly samples: number } | undefined

/** Counts proposals: what comes of an older one is not wanted. */
let asked = 0

export function cancel(): void {
  asked++
  measured = undefined
  measurer.stop()
  proposing.value = false
}

export async function propose(budget: Budget, byGain: boolean): Promise<void> {
  // A slider that is dragged further asks anew.
  if (proposing.peek()) cancel()
  const of = openedBy.peek()
  failure.value = undefined
  proposing.value = true
  const mine = ++asked
  try {
    const gained = byGain ? await byGains(budget) : undefined
    const from = gained && 'widths' in gained ? gained.widths : new Map<string, number>()
    const { widths } = await models.growth.call('widenAll', {
      budget,
      from,
      settings: settings.peek(),
    })
    if (mine !== asked || of !== openedBy.peek()) return
    change({ widths })
    basis.value = { of, text: basisText(gained, widths) }
  } catch (error) {
    const found = failureFrom(error)
    if (mine === asked && found.kind !== 'interrupted') failure.value = found
  } finally {
    if (mine === asked) proposing.value = false
  }
}

type Gained =
  | { readonly widths: ReadonlyMap<string, number>; readonly samples: number }
  | { readonly reason: string }

/** Widths by gains, or why there are none: data may not fit the network. */
async function byGains({ of, most }: Budget): Promise<Gained> {
  const now = opened.peek()?.view[of] ?? 0
  try {
    const question = { settings: dataSettings.peek(), files: files.peek() }
    const { data, samples: learnt, loss, seed } = question.settings
    const names = question.files.map(({ name, bytes }) => `${name} ${bytes.length}`)
    const key = JSON.stringify([openedBy.peek(), data, learnt, loss, seed, names])
    if (measured?.key !== key) {
      measured = undefined
      const [model] = await models.growth.call('networks', undefined)
      const samples = await measurer.call('measure', { model: model!, ...question })
      measured = { key, samples }
    }
    const by = of === 'parameters' ? 'parameters' : 'multiply-adds'
    const widths = await measurer.call('within', { by, added: most - now })
    return { widths: new Map(Object.entries(widths)), samples: measured.samples }
  } catch (error) {
    const { kind, message } = failureFrom(error)
    if (kind === 'interrupted' || kind === 'internal') throw error
    return { reason: message }
  }
}

const isFilled = (gained: ReadonlyMap<string, number>, widths: ReadonlyMap<string, number>) =>
  [...widths].some(([name, width]) => width !== gained.get(name))

function basisText(gained: Gained | undefined, widths: ReadonlyMap<string, number>): string {
  if (gained === undefined) return t('All layers alike.')
  if ('reason' in gained)
    return t('All layers alike, since gains are not known: {0}', said(gained.reason))
  const text = t('By what new units gain on {0} samples.', gained.samples)
  return isFilled(gained.widths, widths)
    ? `${text} ${t('No layer more than doubles by that; what the budget leaves goes to all layers alike.')}`
    : text
}
