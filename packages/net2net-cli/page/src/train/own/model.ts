/**
 * The training of the user's networks. Every network is an arm in a worker of its own, and all see the same samples in the same
 * order: the network as it was opened, trained on; what grew from it; and what grows from any of them on the way.
 */
import { batch, computed, signal } from '@preact/signals'
import type { GrowthStep } from 'net2net'
import type { LossName } from 'net2net/training'
import { keepFile } from '../../engine/files.ts'
import { models } from '../../engine/model-client.ts'
import type { Failure, NamedBytes } from '../../engine/protocol.ts'
import { startWorker } from '../../engine/start-worker.ts'
import { stepsOf } from '../../engine/steps.ts'
import { grown as grownModel, modelParam, opened } from '../../grow/model.ts'
import { settings as growSettings } from '../../grow/settings.ts'
import { numberParam, param, setParams } from '../../state.ts'
import { t } from '../../text/text.ts'
import { announce } from '../../ui/announce.tsx'
import { failureFrom } from '../../ui/failure.tsx'
import { figure } from '../../ui/format.ts'
import { planWorkers } from '../worker-plan.ts'
import {
  builtIn,
  type OwnCommand,
  type OwnEpoch,
  type OwnEvent,
  type OwnSettings,
  optimizerNames,
  type Snapshot,
} from './protocol.ts'

type Bytes = Uint8Array<ArrayBuffer>

export const lossNames = [
  'softmax-cross-entropy',
  'mse',
  'mae',
  'huber',
  'bce-with-logits',
  'focal',
] as const satisfies readonly LossName[]

/** Where the learning rate of each optimizer usually begins. */
export const usualRates = { sgd: 0.01, adam: 0.001, adamw: 0.001, rmsprop: 0.001, lion: 0.0001 }

export const limits = {
  samples: { min: 1, max: 1_000_000 },
  epochs: { min: 1, max: 1000 },
  batchSize: { min: 1, max: 4096 },
  seed: { min: 0, max: 0xffffffff },
}

const data = param('data', 'mnist')
const loss = param('loss', 'auto')
const optimizer = param('optimizer', 'sgd')
const rate = numberParam('own-rate', 0)
const epochs = numberParam('own-epochs', 3)
const batchSize = numberParam('own-batch', 32)
const samples = numberParam('own-samples', 6000)
const seed = numberParam('own-seed', 0)

const within = (value: number, { min, max }: { readonly min: number; readonly max: number }) =>
  Math.min(max, Math.max(min, Math.round(value)))

export const settings = computed<OwnSettings>(() => {
  const chosen = optimizerNames.find((name) => name === optimizer.value) ?? 'sgd'
  return {
    data: builtIn.find((name) => name === data.value) ?? 'files',
    samples: within(samples.value, limits.samples),
    loss: lossNames.find((name) => name === loss.value) ?? 'auto',
    optimizer: chosen,
    rate: rate.value > 0 ? rate.value : usualRates[chosen],
    epochs: within(epochs.value, limits.epochs),
    batchSize: within(batchSize.value, limits.batchSize),
    seed: within(seed.value, limits.seed),
  }
})

export function change(changes: Partial<OwnSettings>): void {
  const next = { ...settings.peek(), ...changes }
  // Another optimizer has another usual rate.
  if (changes.optimizer !== undefined) next.rate = usualRates[changes.optimizer]
  const unless = (value: string | number, usual: string | number) =>
    value === usual ? undefined : String(value)
  setParams({
    data: unless(next.data, 'mnist'),
    loss: unless(next.loss, 'auto'),
    optimizer: unless(next.optimizer, 'sgd'),
    'own-rate': unless(next.rate, usualRates[next.optimizer]),
    'own-epochs': unless(next.epochs, 3),
    'own-batch': unless(next.batchSize, 32),
    'own-samples': unless(next.samples, 6000),
    'own-seed': unless(next.seed, 0),
  })
}

/** Data that were dropped. */
export const files = signal<readonly NamedBytes[]>([])

export async function useFiles(dropped: readonly File[]): Promise<void> {
  files.value = await Promise.all(
    dropped.map(async (file) => ({
      name: file.name,
      bytes: new Uint8Array(await file.arrayBuffer()),
    })),
  )
  change({ data: 'files' })
}

export interface Arm {
  readonly id: number
  readonly title: string
  /** Samples that its forerunners had seen since the first growth, when it began. */
  readonly from: number
  readonly threads: number
  readonly parameters?: number
  readonly initial?: { readonly valLoss: number; readonly valAccuracy?: number }
  readonly losses: readonly number[]
  readonly epochs: readonly OwnEpoch[]
  /** Of the steps of its training, those before it began here. */
  readonly stepsBefore: number
  readonly phase: 'loading' | 'training' | 'done' | 'failed'
  /** The network before its first step here, and as it is now. */
  readonly start?: Bytes
  readonly model?: Bytes
  readonly speed: number
  readonly failure?: Failure
}

export const arms = signal<readonly Arm[]>([])
export const paused = signal(false)
/** What is trained, and how; undefined before the start. */
export const ran = signal<
  | (OwnSettings & {
      readonly name: string
      readonly loss: LossName | 'auto'
      readonly count?: number
      readonly validation?: number
    })
  | undefined
>(undefined)
export const failure = signal<Failure | undefined>(undefined)
export const notes = signal<readonly string[]>([])

export type Phase = 'idle' | 'loading' | 'running' | 'paused' | 'done' | 'failed'
export const phase = computed<Phase>(() => {
  if (arms.value.length === 0) return failure.value ? 'failed' : 'idle'
  if (arms.value.every(({ phase: of }) => of === 'done' || of === 'failed'))
    return arms.value.some(({ phase: of }) => of === 'failed') ? 'failed' : 'done'
  if (paused.value) return 'paused'
  return arms.value.some(({ phase: of }) => of === 'training') ? 'running' : 'loading'
})

const workers = new Map<number, Worker>()
/** States to go on from, of arms that have ended. */
const ends = new Map<number, Snapshot>()
const waiting = new Map<number, (snapshot: Snapshot) => void>()
let nextId = 0

const tell = (id: number, command: OwnCommand) => workers.get(id)?.postMessage(command)
const update = (id: number, changed: (arm: Arm) => Partial<Arm>) => {
  arms.value = arms.peek().map((arm) => (arm.id === id ? { ...arm, ...changed(arm) } : arm))
}

interface Beginning {
  readonly title: string
  readonly model: Bytes
  readonly from: number
  readonly stepsBefore: number
  readonly grown?: { readonly from: Snapshot; readonly steps: readonly GrowthStep[] }
}

function add(beginnings: readonly Beginning[]): void {
  const all = arms.peek().length + beginnings.length
  const cores = Math.max(1, navigator.hardwareConcurrency)
  // All arms have equally many threads: those that began have as many as there were to have for two.
  const { threads } = planWorkers(Math.max(2, all), { cores, isolated: crossOriginIsolated })
  const given = arms.peek()[0]?.threads ?? threads
  for (const { title, model, from, stepsBefore, grown } of beginnings) {
    const id = nextId++
    const worker = startWorker('own')
    workers.set(id, worker)
    worker.addEventListener('message', ({ data: event }: MessageEvent<OwnEvent>) => take(id, event))
    worker.addEventListener('error', (event) => {
      event.preventDefault()
      const message = t('The training stopped: {0}', event.message || 'worker')
      take(id, { type: 'failed', failure: { kind: 'internal', message } })
    })
    arms.value = [
      ...arms.peek(),
      {
        id,
        title,
        from,
        stepsBefore,
        threads: given,
        losses: [],
        epochs: [],
        phase: 'loading',
        speed: 0,
      },
    ]
    tell(id, {
      type: 'begin',
      settings: ran.peek() ?? settings.peek(),
      files: files.peek(),
      threads: given,
      model,
      ...(grown && { grown }),
      paused: paused.peek(),
    })
  }
}

/** Trains what the Grow tab shows: the network, and beside it what grew from it. */
export async function start(): Promise<void> {
  const before = opened.peek()
  if (before === undefined) return
  reset()
  const isGrown = grownModel.peek() !== undefined
  try {
    const [teacher, student] = await models.growth.call('networks', undefined)
    if (teacher === undefined) return
    batch(() => {
      ran.value = { ...settings.peek(), name: before.view.name }
      const common = { from: 0, stepsBefore: 0 }
      add([
        {
          ...common,
          title: isGrown ? t('as it was, trained on') : before.view.name,
          model: teacher,
        },
        ...(isGrown && student ? [{ ...common, title: t('grown'), model: student }] : []),
      ])
    })
  } catch (error) {
    failure.value = failureFrom(error)
  }
}

export function pause(): void {
  paused.value = true
  for (const { id } of arms.peek()) tell(id, { type: 'pause' })
  announce(t('Paused.'))
}

export function goOn(): void {
  paused.value = false
  for (const { id } of arms.peek()) tell(id, { type: 'resume' })
}

export function reset(): void {
  for (const worker of workers.values()) worker.terminate()
  workers.clear()
  ends.clear()
  waiting.clear()
  growing.value = undefined
  batch(() => {
    arms.value = []
    paused.value = false
    ran.value = undefined
    failure.value = undefined
    notes.value = []
  })
}

function take(id: number, event: OwnEvent): void {
  batch(() => {
    switch (event.type) {
      case 'started': {
        const { parameters, initial, model } = event
        update(id, () => ({ parameters, initial, start: model, model, phase: 'training' }))
        const now = ran.peek()
        if (now)
          ran.value = {
            ...now,
            loss: event.loss,
            count: event.samples,
            validation: event.validation,
          }
        notes.value = [...new Set([...notes.peek(), ...event.notes])]
        break
      }
      case 'steps':
        update(id, ({ losses }) => ({
          losses: [...losses, ...event.losses],
          speed: event.samplesPerSecond * (ran.peek()?.batchSize ?? 1),
        }))
        break
      case 'epoch':
        update(id, (arm) => ({ epochs: [...arm.epochs, event.result], model: event.model }))
        announce(
          t(
            '{0}, epoch {1}: validation loss {2}.',
            arms.peek().find((arm) => arm.id === id)?.title ?? '',
            event.result.epoch,
            figure(event.result.valLoss),
          ),
        )
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
        update(id, () => ({ phase: 'failed', failure: event.failure, speed: 0 }))
        failure.value = event.failure
    }
  })
}

/** An arm that is to grow on its way, and the name of its network on the Grow tab. */
export const growing = signal<
  { readonly arm: number; readonly snapshot: Snapshot; readonly model: string } | undefined
>(undefined)

/** Opens the network of an arm, as it is now, on the Grow tab; what is grown there goes on from this moment. */
export async function growFurther(id: number): Promise<void> {
  const arm = arms.peek().find((candidate) => candidate.id === id)
  if (arm === undefined) return
  const snapshot =
    ends.get(id) ??
    (await new Promise<Snapshot>((resolve) => {
      waiting.set(id, resolve)
      tell(id, { type: 'snapshot' })
    }))
  const stem = (ran.peek()?.name ?? 'network').replace(/\.\w+$/, '')
  const name = `${stem}-${snapshot.step}.onnx`
  const model = `file:${await keepFile({ name, bytes: snapshot.model })}:${name}`
  growing.value = { arm: id, snapshot, model }
  setParams(
    { tab: 'grow', model, widen: undefined, deepen: undefined, more: undefined },
    { push: true },
  )
}

/** Whether what the Grow tab shows is an arm's network that has grown there. */
export const canJoin = computed(
  () =>
    growing.value !== undefined &&
    growing.value.model === modelParam.value &&
    grownModel.value !== undefined,
)

/** The grown network of the Grow tab becomes an arm, and goes on from where the one that it grew from stood. */
export function join(): void {
  const from = growing.peek()
  const parent = arms.peek().find(({ id }) => id === from?.arm)
  if (from === undefined || parent === undefined) return
  growing.value = undefined
  const { batchSize: size } = ran.peek() ?? settings.peek()
  const steps = stepsOf(growSettings.peek())
  const number = arms.peek().filter(({ stepsBefore }) => stepsBefore > 0).length + 2
  add([
    {
      title: t('grown, {0}', number),
      model: from.snapshot.model,
      from: parent.from + (from.snapshot.step - parent.stepsBefore) * size,
      stepsBefore: from.snapshot.step,
      grown: { from: from.snapshot, steps },
    },
  ])
  setParams({ tab: 'train', what: 'own' }, { push: true })
}
