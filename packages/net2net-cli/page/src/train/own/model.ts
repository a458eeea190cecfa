/**
 * The training of the user's networks. Every network is an arm in a worker of its own, and all see the same samples in the same
 * order: the network as it was opened, trained on; what grew from it; and what grows from any of them on the way.
 */
import { batch } from '@preact/signals'
import { models } from '../../engine/model-client.ts'
import { grown as grownModel, opened } from '../../grow/model.ts'
import type { KeptRun } from '../../runs/run-store.ts'
import { t } from '../../text/text.ts'
import { announce } from '../../ui/announce.tsx'
import { failureFrom } from '../../ui/failure.tsx'
import { planWorkers } from '../worker-plan.ts'
import { type Arm, arms, failure, keeping, notes, type Place, paused, ran, runsOn } from './arms.ts'
import { files, settings } from './choices.ts'
import { deviceFound, forgetAll, take } from './events.ts'
import { keepBeginning, keepFiles, keptBeginning, keptFiles } from './kept.ts'
import type { Beginning } from './protocol.ts'
import { addWorker, endWorkers, tell, tellAll } from './workers.ts'

/** The training that goes on: one object for each start. */
let current: { readonly id: string } | undefined
/** The name under which it is kept, as long as there is one. */
export const trainingId = (): string | undefined => current?.id

/** An arm and its worker, which waits for what it is to do. */
function addArm(place: Place, id: number, threads: number): void {
  addWorker(id, take)
  const fresh = { losses: [], epochs: [], phase: 'loading', speed: 0 } as const
  arms.value = [...arms.peek(), { ...place, id, threads, ...fresh }]
}

function begin({ id, threads }: Pick<Arm, 'id' | 'threads'>, beginning: Beginning): void {
  const device = runsOn.peek()
  if (current === undefined || device === undefined || device === 'measuring') return
  tell(id, {
    type: 'begin',
    key: { training: current.id, arm: id },
    settings: ran.peek() ?? settings.peek(),
    files: files.peek(),
    threads,
    beginning,
    device,
    paused: paused.peek(),
  })
}

/** Threads of each arm, where so many train side by side. */
const threadsOf = (count: number): number =>
  planWorkers(Math.max(2, count), {
    cores: Math.max(1, navigator.hardwareConcurrency),
    isolated: crossOriginIsolated,
  }).threads

/** Trains what the Grow tab shows: the network, and beside it what grew from it. */
export async function start(): Promise<void> {
  const before = opened.peek()
  if (before === undefined) return
  reset()
  const isGrown = grownModel.peek() !== undefined
  const mine = { id: crypto.getRandomValues(new Uint32Array(2)).join('-') }
  const { id } = mine
  current = mine
  ran.value = { ...settings.peek(), name: before.view.name }
  try {
    const networks = await models.growth.call('networks', undefined)
    if (current !== mine) return
    const titles = [isGrown ? 'as it was, trained on' : before.view.name, 'grown']
    const threads = threadsOf(networks.length)
    batch(() => {
      for (const [i] of networks.entries())
        addArm({ title: titles[i]!, from: 0, stepsBefore: 0 }, i, threads)
    })
    await keepQuietly(async () => {
      await keepFiles(id, settings.peek().data === 'files' ? files.peek() : [])
      for (const [arm, model] of networks.entries())
        await keepBeginning({ training: id, arm }, { model })
    })
    if (current !== mine) return
    // All networks are trained on one device, which the first one's worker finds.
    const found = deviceFound()
    const [model] = networks
    tell(0, {
      type: 'choose',
      model: model!,
      settings: ran.peek()!,
      files: files.peek(),
      threads,
    })
    runsOn.value = await found
    if (current !== mine) return
    for (const [arm, network] of networks.entries()) begin({ id: arm, threads }, { model: network })
  } catch (error) {
    if (current !== mine) return
    endWorkers()
    batch(() => {
      arms.value = []
      failure.value = failureFrom(error)
    })
  }
}

/** Goes on with a training of an earlier visit, from where it was kept. */
export async function goOnWith({ id, title = '', goOn, arms: kept }: KeptRun): Promise<void> {
  if (goOn === undefined) return
  reset()
  const mine = { id }
  current = mine
  ran.value = { ...goOn.settings, name: title }
  try {
    const data = await keptFiles(id)
    const beginnings = await Promise.all(
      kept.flatMap(({ place, ...arm }) =>
        place === undefined
          ? []
          : [
              keptBeginning({ training: id, arm: place.id }).then((begun) => ({
                ...arm,
                place,
                begun,
              })),
            ],
      ),
    )
    if (current !== mine) return
    if (goOn.settings.data === 'files') files.value = data
    runsOn.value = goOn.device
    for (const { title: own = '', threads, place, begun } of beginnings) {
      if (begun === undefined) continue
      addArm({ title: own, ...place }, place.id, Math.min(threads, threadsOf(beginnings.length)))
      begin(arms.peek().at(-1)!, begun)
    }
  } catch (error) {
    if (current === mine) failure.value = failureFrom(error)
  }
}

/** An arm that goes on, grown, from where another one stood. */
export async function addGrown(place: Place, beginning: Beginning): Promise<void> {
  const mine = current
  if (mine === undefined) return
  const id = arms.peek().reduce((next, arm) => Math.max(next, arm.id + 1), 0)
  // All arms have equally many threads: those that began have as many as there were to have for two.
  addArm(place, id, arms.peek()[0]?.threads ?? threadsOf(id + 1))
  await keepQuietly(() => keepBeginning({ training: mine.id, arm: id }, beginning))
  if (current === mine) begin(arms.peek().find((arm) => arm.id === id)!, beginning)
}

/** Where the browser refuses to keep a training, the training goes on, and the page says why it is not kept. */
async function keepQuietly(keep: () => Promise<void>): Promise<void> {
  try {
    await keep()
  } catch (error) {
    const isFull = error instanceof DOMException && error.name === 'QuotaExceededError'
    keeping.value = { state: 'not kept', isFull, reason: failureFrom(error).message }
  }
}

export function pause(): void {
  paused.value = true
  tellAll({ type: 'pause' })
  announce(t('Paused.'))
}

export function goOn(): void {
  paused.value = false
  tellAll({ type: 'resume' })
}

/** Ends it here; what was kept of it stays, to be gone on with. */
export function reset(): void {
  endWorkers()
  forgetAll()
  current = undefined
  batch(() => {
    arms.value = []
    paused.value = false
    ran.value = undefined
    failure.value = undefined
    notes.value = []
    runsOn.value = undefined
    keeping.value = { state: 'unknown' }
  })
}

// Whoever leaves the page may not come back to it.
document.addEventListener('visibilitychange', () => {
  if (document.visibilityState === 'hidden') tellAll({ type: 'keep' })
})
