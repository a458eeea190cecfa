/**
 * The training of the user's networks. Every network is an arm in a worker of its own, and all see the same samples in the same
 * order: the network as it was opened, trained on; what grew from it; and what grows from any of them on the way.
 */
import { batch } from '@preact/signals'
import { WorkerFailure } from '../../engine/client.ts'
import { models } from '../../engine/model-client.ts'
import { startWorker } from '../../engine/start-worker.ts'
import { grown as grownModel, opened } from '../../grow/model.ts'
import { forget as forgetRun } from '../../runs/kept-runs.ts'
import { said, t } from '../../text/text.ts'
import { announce } from '../../ui/announce.tsx'
import { failureFrom } from '../../ui/failure.tsx'
import { figure } from '../../ui/format.ts'
import type { ChosenDevice } from '../protocol.ts'
import { planWorkers } from '../worker-plan.ts'
import {
  type Arm,
  arms,
  failure,
  keeping,
  kept,
  notes,
  type Place,
  paused,
  ran,
  runsOn,
} from './arms.ts'
import { files, settings } from './choices.ts'
import {
  forgetTraining,
  hold,
  type KeptArm,
  type KeptTraining,
  keepBeginning,
  keepFiles,
  keepTraining,
  keptBeginning,
  keptFiles,
  keptTrainings,
} from './kept.ts'
import { titleText } from './look.ts'
import type { Beginning, OwnCommand, OwnEvent, Snapshot } from './protocol.ts'

type Bytes = Uint8Array<ArrayBuffer>

/** The training that goes on: under which it is kept, and what tells other tabs that it goes on here. */
let current: { readonly id: string; readonly release: () => void } | undefined
/** Its name, as long as there is one. */
export const trainingId = (): string | undefined => current?.id
const workers = new Map<number, Worker>()
/** States to go on from, of arms that have ended. */
const ends = new Map<number, Snapshot>()
const waiting = new Map<number, (snapshot: Snapshot) => void>()

const tell = (id: number, command: OwnCommand) => workers.get(id)?.postMessage(command)
const tellAll = (command: OwnCommand) => {
  for (const worker of workers.values()) worker.postMessage(command)
}
const update = (id: number, changed: (arm: Arm) => Partial<Arm>) => {
  arms.value = arms.peek().map((arm) => (arm.id === id ? { ...arm, ...changed(arm) } : arm))
}

/** An arm and its worker, which waits for what it is to do. */
function addArm(place: Place, id: number, threads: number): void {
  const worker = startWorker('own')
  workers.set(id, worker)
  worker.addEventListener('message', ({ data }: MessageEvent<OwnEvent>) => arrived(id, data))
  worker.addEventListener('error', (event) => {
    event.preventDefault()
    const message = t('The training stopped: {0}', event.message || 'worker')
    take(id, { type: 'failed', failure: { kind: 'internal', message } })
  })
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
  const id = crypto.getRandomValues(new Uint32Array(2)).join('-')
  const mine = { id, release: hold(id) }
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
      for (const [i, model] of networks.entries()) await keepBeginning(id, i, { model })
    })
    if (current !== mine) return
    await chooseDevice(networks[0]!, threads)
    if (current !== mine) return
    for (const [i, model] of networks.entries()) begin({ id: i, threads }, { model })
    void keepNow()
  } catch (error) {
    if (current !== mine) return
    endWorkers()
    batch(() => {
      arms.value = []
      failure.value = failureFrom(error)
    })
  }
}

/** Whoever waits for the device that the first worker finds. */
let choosing: { chosen(device: ChosenDevice): void; failed(error: Error): void } | undefined
/** All networks are trained on one device, which the first one's worker finds. */
async function chooseDevice(model: Bytes, threads: number): Promise<void> {
  const answer = new Promise<ChosenDevice>((chosen, failed) => {
    choosing = { chosen, failed }
  })
  tell(0, { type: 'choose', model, settings: ran.peek()!, files: files.peek(), threads })
  runsOn.value = await answer
  choosing = undefined
}

/** Goes on with a training of an earlier visit, from where it was kept. */
export async function goOnWith(training: KeptTraining): Promise<void> {
  reset()
  const { id, settings: own, name, device } = training
  const mine = { id, release: hold(id) }
  current = mine
  ran.value = { ...own, name }
  try {
    const data = await keptFiles(id)
    if (current !== mine) return
    if (own.data === 'files') files.value = data
    runsOn.value = device
    batch(() => {
      for (const { id: arm, threads, ...place } of training.arms)
        addArm(place, arm, Math.min(threads, threadsOf(training.arms.length)))
    })
    for (const arm of arms.peek()) {
      const beginning = await keptBeginning(id, arm.id)
      if (current !== mine) return
      if (beginning) begin(arm, beginning)
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
  await keepQuietly(() => keepBeginning(mine.id, id, beginning))
  if (current !== mine) return
  begin(arms.peek().find((arm) => arm.id === id)!, beginning)
  void keepNow()
}

/** Keeps what is trained; how far each arm is its worker keeps. */
async function keepNow(): Promise<void> {
  const device = runsOn.peek()
  const own = ran.peek()
  if (!current || !own || !device || device === 'measuring') return
  const { id } = current
  const { name, ...rest } = own
  const known = arms.peek().map(
    ({ id: arm, title, from, stepsBefore, threads }): KeptArm => ({
      id: arm,
      title,
      from,
      stepsBefore,
      threads,
    }),
  )
  await keepQuietly(() =>
    keepTraining({ id, name, time: Date.now(), settings: rest, device, arms: known }),
  )
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

export async function lookForKept(): Promise<void> {
  const found = await keptTrainings()
  kept.value = found.filter(({ id }) => id !== current?.id)
}

/** Forgets all that this browser has of a training: how far it is, and its curves and networks on the Runs tab. */
export async function forget(id: string): Promise<void> {
  await Promise.all([forgetTraining(id).catch(() => undefined), forgetRun(id)])
  await lookForKept()
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

function endWorkers(): void {
  for (const worker of workers.values()) worker.terminate()
  workers.clear()
  arrivals = []
}

/** Ends it here; what was kept of it stays, to be gone on with. */
export function reset(): void {
  endWorkers()
  choosing = undefined
  ends.clear()
  waiting.clear()
  current?.release()
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
  void lookForKept()
}

// Whoever leaves the page may not come back to it.
document.addEventListener('visibilitychange', () => {
  if (document.visibilityState === 'hidden') tellAll({ type: 'keep' })
})

/** Milliseconds between two drawings. Small networks make hundreds of epochs a second: drawn one by one they would stop the page. */
const pauseOfDrawing = 50
let arrivals: (readonly [id: number, event: OwnEvent])[] = []

function arrived(id: number, event: OwnEvent): void {
  arrivals.push([id, event])
  if (event.type !== 'steps' && event.type !== 'epoch') takeAll()
  else if (arrivals.length === 1) setTimeout(takeAll, pauseOfDrawing)
}

function takeAll(): void {
  const taken = arrivals
  arrivals = []
  batch(() => {
    for (const [id, event] of taken) take(id, event)
  })
}

function take(id: number, event: OwnEvent): void {
  batch(() => {
    switch (event.type) {
      case 'measuring':
        runsOn.value = 'measuring'
        break
      case 'chosen':
        choosing?.chosen({ device: event.device, reason: event.reason })
        announce(said(event.reason))
        break
      case 'again':
        runsOn.value = event.instead
        update(id, ({ losses, epochs, stepsBefore }) => ({
          losses: losses.slice(0, event.steps),
          epochs: epochs.filter(({ step }) => step <= stepsBefore + event.steps),
        }))
        break
      case 'started':
      case 'restored': {
        const {
          parameters,
          steps,
          initial,
          model: start,
          loss,
          samples,
          validation,
          notes: more,
        } = event.type === 'started' ? event : event.started
        update(id, () => ({ parameters, steps, initial, start, model: start, phase: 'training' }))
        if (event.type === 'restored') {
          const { losses, epochs, model } = event
          update(id, () => ({ losses, epochs, model }))
        }
        const now = ran.peek()
        if (now) ran.value = { ...now, loss, count: samples, validation }
        notes.value = [...new Set([...notes.peek(), ...more])]
        break
      }
      case 'steps':
        update(id, ({ losses, speed }) => ({
          losses: [...losses, ...event.losses],
          speed: event.stepsPerSecond ? event.stepsPerSecond * (ran.peek()?.batchSize ?? 1) : speed,
        }))
        break
      case 'epoch':
        update(id, (arm) => ({ epochs: [...arm.epochs, event.result], model: event.model }))
        announce(
          t(
            '{0}, epoch {1}: validation loss {2}.',
            titleText(arms.peek().find((arm) => arm.id === id)?.title ?? ''),
            event.result.epoch,
            figure(event.result.valLoss),
          ),
        )
        break
      case 'kept':
        keeping.value = { state: 'kept' }
        void keepNow()
        break
      case 'not kept':
        keeping.value = { state: 'not kept', isFull: event.isFull, reason: event.reason }
        break
      case 'snapshot':
        waiting.get(id)?.(event.snapshot)
        waiting.delete(id)
        break
      case 'end':
        ends.set(id, event.snapshot)
        waiting.get(id)?.(event.snapshot)
        waiting.delete(id)
        update(id, () => ({ phase: 'done', speed: 0 }))
        workers.get(id)?.terminate()
        workers.delete(id)
        break
      case 'failed':
        choosing?.failed(new WorkerFailure(event.failure))
        choosing = undefined
        update(id, () => ({ phase: 'failed', failure: event.failure, speed: 0 }))
        failure.value = event.failure
    }
  })
}

/** An arm's training as it is now; one that goes on makes a step first. */
export function snapshotOf(id: number): Promise<Snapshot> {
  const end = ends.get(id)
  if (end) return Promise.resolve(end)
  return new Promise((resolve) => {
    waiting.set(id, resolve)
    tell(id, { type: 'snapshot' })
  })
}
