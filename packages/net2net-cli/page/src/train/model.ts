/** What the Train tab shows: settings in the address, and the run that goes on in its worker. */
import { batch, computed, signal } from '@preact/signals'
import type { ArmEpoch, ArmResult } from '../../../src/runs/results.ts'
import type { Failure } from '../engine/protocol.ts'
import { startWorker } from '../engine/start-worker.ts'
import { numberParam, param, setParams, within } from '../state.ts'
import { t } from '../text/text.ts'
import { announce } from '../ui/announce.tsx'
import { figure, percent } from '../ui/format.ts'
import { armTitle } from './arm-names.ts'
import { allArmNames, defaultArmNames } from './arms.ts'
import {
  type ChosenDevice,
  type Command,
  deviceSetting,
  type Prediction,
  type TrainEvent,
  type TrainSettings,
} from './protocol.ts'

export const limits = {
  epochs: { min: 1, max: 50 },
  images: { min: 32, max: 6000 },
  batchSize: { min: 1, max: 512 },
  seed: { min: 0, max: 0xffffffff },
}
const testImages = 1000

const arms = param('arms', defaultArmNames.join(','))
const epochs = numberParam('epochs', 1)
const images = numberParam('images', 6000)
const batchSize = numberParam('batch', 32)
const teacherRate = numberParam('rate', 0.01)
const studentRate = numberParam('student-rate', 0.001)
const seed = numberParam('run-seed', 0)
const device = param('device', 'auto')

export const settings = computed<TrainSettings>(() => ({
  arms: allArmNames.filter((name) => arms.value.split(',').includes(name)),
  epochs: within(epochs.value, limits.epochs),
  images: within(images.value, limits.images),
  testImages,
  batchSize: within(batchSize.value, limits.batchSize),
  teacherRate: Math.max(0, teacherRate.value),
  studentRate: Math.max(0, studentRate.value),
  seed: within(seed.value, limits.seed),
  device: deviceSetting(device.value),
}))

export function change(changes: Partial<TrainSettings>): void {
  const next = { ...settings.peek(), ...changes }
  const unless = (value: number, usual: number) => (value === usual ? undefined : String(value))
  const chosen = next.arms.join(',')
  setParams({
    arms: chosen === defaultArmNames.join(',') ? undefined : chosen || 'none',
    epochs: unless(next.epochs, 1),
    images: unless(next.images, 6000),
    batch: unless(next.batchSize, 32),
    rate: unless(next.teacherRate, 0.01),
    'student-rate': unless(next.studentRate, 0.001),
    'run-seed': unless(next.seed, 0),
    device: next.device === 'auto' ? undefined : next.device,
  })
}

export interface ArmRun {
  readonly arm: ArmResult
  readonly steps: readonly number[]
  readonly losses: readonly number[]
  readonly epochs: readonly ArmEpoch[]
  /** Step after which each epoch ended. */
  readonly epochSteps: readonly number[]
}

/** What goes on, or was trained last; the settings of the next run may differ. */
export const ran = signal<TrainSettings | undefined>(undefined)

export type Phase = 'idle' | 'loading' | 'running' | 'paused' | 'done' | 'failed'
export const phase = signal<Phase>('idle')
export const failure = signal<Failure | undefined>(undefined)
export const runs = signal<ReadonlyMap<string, ArmRun>>(new Map())
export const planned = signal<{ readonly arms: readonly string[]; readonly stepsPerEpoch: number }>(
  {
    arms: [],
    stepsPerEpoch: 1,
  },
)
const noProgress = { done: 0, total: 1, imagesPerSecond: 0 }
export const progress = signal<typeof noProgress & { readonly secondsLeft?: number | undefined }>(
  noProgress,
)
/** Where the run goes on, and why; 'measuring' while that is found out. */
export const runsOn = signal<ChosenDevice | 'measuring' | undefined>(undefined)
export const totalSeconds = signal<number | undefined>(undefined)
export const predictions = signal<readonly Prediction[]>([])
/** Changes whenever there are new models to ask. */
export const modelsVersion = signal(0)

let worker: Worker | undefined
/** What follows on loading. */
let begun: Phase = 'running'
let nextId = 0
const answers = new Map<number, (event: TrainEvent | undefined) => void>()

const command = (message: Command) => worker?.postMessage(message)

function launch(): Worker {
  const started = startWorker('train')
  started.addEventListener('message', ({ data }: MessageEvent<TrainEvent>) => take(data))
  started.addEventListener('error', (event) =>
    take({
      type: 'failed',
      failure: { kind: 'internal', message: t('The training stopped: {0}', event.message) },
    }),
  )
  return started
}

/** Starts, or goes on. */
export function run(): void {
  if (phase.peek() === 'paused') {
    command({ type: 'resume' })
    phase.value = 'running'
    return
  }
  begin(false)
}

export function pause(): void {
  command({ type: 'pause' })
  phase.value = 'paused'
  announce(t('Paused.'))
}

/** One step of training. */
export function step(): void {
  if (phase.peek() === 'running' || phase.peek() === 'paused') {
    command({ type: 'step' })
    phase.value = 'paused'
  } else {
    begin(true)
    command({ type: 'step' })
  }
}

function begin(paused: boolean): void {
  reset()
  worker = launch()
  begun = paused ? 'paused' : 'running'
  const chosen = settings.peek()
  batch(() => {
    phase.value = 'loading'
    ran.value = chosen
  })
  command({ type: 'run', settings: chosen, paused })
}

export function reset(): void {
  worker?.terminate()
  worker = undefined
  forgetAnswers()
  batch(() => {
    phase.value = 'idle'
    failure.value = undefined
    ran.value = undefined
    runs.value = new Map()
    planned.value = { arms: [], stepsPerEpoch: 1 }
    progress.value = noProgress
    totalSeconds.value = undefined
    runsOn.value = undefined
    predictions.value = []
  })
}

function take(event: TrainEvent): void {
  batch(() => {
    switch (event.type) {
      case 'plan':
        planned.value = event
        break
      case 'measuring':
        runsOn.value = 'measuring'
        break
      case 'device':
        runsOn.value = { device: event.device, reason: event.reason }
        announce(event.reason)
        break
      case 'start':
        if (phase.peek() === 'loading') phase.value = begun
        update(event.arm.name, () => ({
          arm: event.arm,
          steps: [],
          losses: [],
          epochs: [],
          epochSteps: [],
        }))
        announce(t('{0} starts.', armTitle(event.arm.name)))
        break
      case 'steps': {
        for (const name of new Set(event.losses.map(({ arm }) => arm))) {
          const own = event.losses.filter(({ arm }) => arm === name)
          update(name, (old) => ({
            ...old!,
            steps: [...old!.steps, ...own.map((loss) => loss.step)],
            losses: [...old!.losses, ...own.map(({ loss }) => loss)],
          }))
        }
        const { done, total, imagesPerSecond, secondsLeft } = event
        progress.value = { done, total, imagesPerSecond, secondsLeft }
        break
      }
      case 'epoch': {
        update(event.arm, (old) => ({
          ...old!,
          epochs: [...old!.epochs, event.result],
          epochSteps: [...old!.epochSteps, event.step],
        }))
        modelsVersion.value++
        const { epoch, valLoss, valAccuracy } = event.result
        announce(
          t(
            '{0}, epoch {1}: validation loss {2}, accuracy {3}.',
            armTitle(event.arm),
            epoch,
            figure(valLoss),
            percent(valAccuracy),
          ),
        )
        break
      }
      case 'done':
        phase.value = 'done'
        totalSeconds.value = event.seconds
        announce(t('All arms are trained.'))
        break
      case 'failed':
        phase.value = 'failed'
        failure.value = event.failure
        forgetAnswers()
        break
      case 'predicted':
        if (event.id === asked) predictions.value = event.predictions
        break
      default:
        answers.get(event.id)?.(event)
        answers.delete(event.id)
    }
  })
}

function update(name: string, change: (old: ArmRun | undefined) => ArmRun): void {
  const next = new Map(runs.peek())
  next.set(name, change(next.get(name)))
  // In the usual order, whoever started first.
  const order = allArmNames.filter((each) => next.has(each))
  runs.value = new Map(order.map((each) => [each, next.get(each)!]))
}

/** Nobody answers any more: whoever waits goes on without. */
function forgetAnswers(): void {
  for (const answer of answers.values()) answer(undefined)
  answers.clear()
}

/** The question about what is drawn now: answers to others come too late. */
let asked: number | undefined

/** Asks every trained network what it sees; undefined: there is nothing to see. */
export function predict(pixels: Float32Array | undefined): void {
  asked = pixels && nextId++
  if (pixels === undefined || asked === undefined) predictions.value = []
  else command({ type: 'predict', id: asked, pixels })
}

/** An arm's network as an ONNX file. */
export function modelBytes(arm: string): Promise<Uint8Array<ArrayBuffer> | undefined> {
  return new Promise((resolve) => {
    const id = nextId++
    answers.set(id, (event) => resolve(event?.type === 'model' ? event.bytes : undefined))
    if (worker === undefined) forgetAnswers()
    command({ type: 'model', id, arm })
  })
}
