/** Writes down what is trained in this tab, so that the Runs tab lists it and a reload does not lose it. */
import { effect, untracked } from '@preact/signals'
import { tab } from '../state.ts'
import * as experiment from '../train/model.ts'
import * as own from '../train/own/arms.ts'
import * as choices from '../train/own/choices.ts'
import { trainingId } from '../train/own/model.ts'
import { hold, keep, read, release, show } from './kept-runs.ts'
import type { KeptRun } from './run-store.ts'

type Bytes = Uint8Array<ArrayBuffer>

/** A kind of training. */
interface Training {
  /** Under which it is kept otherwise, if it is. */
  readonly id?: () => string | undefined
  /** idle: nothing is trained. */
  readonly phase: () => string
  /** Changes with what it takes to go on; undefined where it cannot. */
  readonly form?: () => string | undefined
  /** How many epochs each arm has made. */
  readonly epochs: () => ReadonlyMap<string, number>
  readonly run: () => Omit<KeptRun, 'changed' | 'id'>
  /** The network of an arm as it is after its last epoch. */
  readonly model: (arm: string) => Promise<Bytes | undefined> | Bytes | undefined
}

/** Milliseconds between two looks at curves that grow. */
const pause = 1000
/** Of a curve so many steps are kept, evenly. */
const mostSteps = 1000

function follow({ id: idOf, phase, form, epochs, run, model }: Training): void {
  let id: string | undefined
  let made: ReadonlyMap<string, number> = new Map()
  /** Arms whose networks are newer than those that are kept. */
  const changed = new Set<string>()
  let written: string | undefined
  let timer: ReturnType<typeof setInterval> | undefined
  let record: KeptRun | undefined
  const write = async (of: string) => {
    record = { ...run(), id: of, changed: Date.now() }
    const models = new Map<string, Bytes>()
    const arms = [...changed]
    changed.clear()
    for (const arm of arms) {
      const bytes = await model(arm)
      if (bytes) models.set(arm, bytes)
    }
    // While networks were fetched there may have been news.
    if (record.id === of) await keep(record, models)
  }
  /** Epochs may be made faster than anybody can write them down. */
  const look = () => {
    if (id === undefined || made.size === 0) return
    if (changed.size > 0) void write(id)
    else if (tab.peek() === 'runs') show({ ...run(), id, changed: Date.now() })
  }
  const end = (of: string) => {
    clearInterval(timer)
    timer = undefined
    release(of)
  }
  effect(() => {
    const state = phase()
    const counts = epochs()
    const now = form?.()
    untracked(() => {
      if (state === 'idle') {
        if (id === undefined) return
        end(id)
        id = undefined
        changed.clear()
        written = undefined
        // What has neither an epoch nor a way to go on is not kept.
        void read()
        return
      }
      if (id === undefined) {
        id = idOf?.() ?? newId()
        made = new Map()
      }
      for (const [arm, count] of counts) if (count !== (made.get(arm) ?? 0)) changed.add(arm)
      made = counts
      if (now !== undefined && now !== written) void write(id)
      written = now
      const goesOn = state !== 'done' && state !== 'failed'
      if (goesOn && timer === undefined) {
        hold(id)
        timer = setInterval(look, pause)
      } else if (!goesOn && timer !== undefined) {
        end(id)
        if ([...counts.values()].some((count) => count > 0)) void write(id)
      }
    })
  })
}

/** In order of time, so that names tell which came first. */
const newId = (): string =>
  `${new Date().toISOString().replaceAll(/[-:]|\..*/g, '')}-${Math.random().toString(36).slice(2, 6)}`

function thinned<T>(values: readonly T[]): readonly T[] {
  const every = Math.ceil(values.length / mostSteps)
  return every <= 1 ? values : values.filter((_, i) => i % every === 0 || i === values.length - 1)
}

follow({
  phase: () => (experiment.ran.value === undefined ? 'idle' : experiment.phase.value),
  epochs: () =>
    new Map([...experiment.runs.value].map(([name, { epochs }]) => [name, epochs.length])),
  model: experiment.modelBytes,
  run() {
    const { seed, epochs, batchSize } = experiment.ran.value ?? experiment.settings.value
    const runs = [...experiment.runs.value.values()]
    return {
      data: 'mnist',
      finished: experiment.phase.value === 'done',
      seed,
      epochs,
      batchSize,
      arms: runs.map(({ arm, epochs: made }) => ({
        ...arm,
        epochs: made,
        hasModel: made.length > 0,
      })),
      steps: runs.flatMap(({ arm, steps, losses }) =>
        thinned(steps.map((step, i) => ({ arm: arm.name, step, loss: losses[i]! }))),
      ),
    }
  },
})

/** The user's networks are told apart by number; two may have one title. */
const ownArm = (id: number) => `network-${id}`

/** Where it is trained, and which networks have begun; undefined before the first one has. */
function ownForm(): string | undefined {
  const device = own.runsOn.value
  if (device === undefined || device === 'measuring') return undefined
  const begun = own.arms.value.filter(({ phase }) => phase !== 'loading').map(({ id }) => id)
  return begun.length === 0 ? undefined : `${device.device} ${begun}`
}

follow({
  id: trainingId,
  form: ownForm,
  phase: () => (own.ran.value === undefined ? 'idle' : own.phase.value),
  epochs: () => new Map(own.arms.value.map(({ id, epochs }) => [ownArm(id), epochs.length])),
  model: (name) => own.arms.peek().find(({ id }) => ownArm(id) === name)?.model,
  run() {
    const { name, count, ...settings } = own.ran.value ?? { ...choices.settings.value, name: '' }
    const { data, seed, epochs, batchSize } = settings
    const arms = own.arms.value
    const device = own.runsOn.value
    return {
      title: name,
      data: data === 'files' ? choices.files.value.map((file) => file.name).join(', ') : data,
      finished: own.phase.value === 'done',
      seed,
      epochs,
      batchSize,
      arms: arms.map((arm) => ({
        name: ownArm(arm.id),
        title: arm.title,
        parameters: arm.parameters,
        threads: arm.threads,
        initial: arm.initial,
        epochs: arm.epochs.map(({ valLoss, valAccuracy, seconds }) => ({
          valLoss,
          valAccuracy,
          seconds,
        })),
        epochsBefore: count ? arm.from / count : 0,
        hasModel: arm.epochs.length > 0,
        place: { id: arm.id, from: arm.from, stepsBefore: arm.stepsBefore },
      })),
      ...(device !== undefined && device !== 'measuring' && { goOn: { settings, device } }),
      steps: arms.flatMap(({ id, losses, from }) => {
        const before = Math.round(from / batchSize)
        return thinned(losses.map((loss, i) => ({ arm: ownArm(id), step: before + i + 1, loss })))
      }),
    }
  },
})
