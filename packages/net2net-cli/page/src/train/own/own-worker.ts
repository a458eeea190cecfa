/** Trains one network of the user; each in a worker of its own, on the same data in the same order. */
import { countParameters, decodeModel, encodeModel, type Model } from 'net2net'
import { trainGrowing } from 'net2net/growing'
import { classesOf } from 'net2net/model'
import { type EpochResult, evaluate, type TrainingState } from 'net2net/training'
import { runtime } from '../../engine/runtime.ts'
import { failureOf } from '../../engine/serve.ts'
import { orOnCpu } from '../device.ts'
import { Gate, gated } from '../gate.ts'
import type { ChosenDevice } from '../protocol.ts'
import { forClassesOf, lossFor, type OwnData, outputFor, ownData } from './data.ts'
import { keepProgress, keptProgress } from './kept.ts'
import { chooseFor, optimizerOf } from './own-device.ts'
import type { ArmProgress, OwnCommand, OwnEpoch, OwnEvent, Snapshot, Task } from './protocol.ts'
import { plainState, stateFrom } from './snapshot.ts'

/** Samples per run of the validation: larger ones need more memory and are no faster. */
const evaluationBatchSize = 100
/** Milliseconds between two reports of losses, and between two times that the training is kept. */
const interval = 250
/** The speed is that of the steps of so many last milliseconds. */
const remembered = 5000
const keptEvery = 20_000
/** Epochs that end sooner after one another are not all kept. */
const keptNoSooner = 2000

const gate = new Gate()
const send = (event: OwnEvent) => postMessage(event)
const fail = (error: unknown) => {
  tell()
  send({ type: 'failed', failure: failureOf(error) })
}
const fileOf = (model: Model) => new Uint8Array(encodeModel(model))

/** What waits for the state after the next step. */
let wanted: 'nothing' | 'to keep it' | 'to send it' = 'nothing'
let untold: number[] = []
let told = 0
interface Mark {
  /** When a step ended. */
  readonly time: number
  /** Made until then. */
  readonly steps: number
}
let last: Mark = { time: 0, steps: 0 }
/** The step of each report, as long as steps follow on one another: the speed is theirs. */
let marks: Mark[] = []
let keptAt = performance.now()

addEventListener('message', ({ data }: MessageEvent<OwnCommand>) => {
  switch (data.type) {
    case 'choose':
      choose(data).catch(fail)
      break
    case 'begin':
      if (data.paused) gate.pause()
      begin(data).catch(fail)
      break
    case 'pause':
      tell()
      gate.pause()
      askForState('to keep it')
      break
    case 'resume':
      marks = []
      gate.resume()
      break
    case 'keep':
      if (wanted === 'nothing') wanted = 'to keep it'
      break
    case 'snapshot':
      askForState('to send it')
  }
})

/** The state is had after a step: a training that is held makes one more. */
function askForState(reason: typeof wanted): void {
  if (wanted !== 'to send it') wanted = reason
  if (!gate.isOpen) gate.single()
}

const list = (model: Model) => classesOf(model)?.join(', ') ?? ''

let loaded: Promise<OwnData> | undefined
function load({ settings, files }: Task, model: Model): Promise<OwnData> {
  loaded ??= ownData(settings, files, model)
  return loaded
}

async function choose(command: OwnCommand & { type: 'choose' }): Promise<void> {
  const given = decodeModel(command.model)
  const { settings, threads } = command
  const model = forClassesOf(await load(command, given), given)
  const chosen = await chooseFor(settings, {
    model,
    data: () => load(command, given),
    engine: () => runtime(threads),
    threads,
    onMeasure: () => send({ type: 'measuring' }),
  })
  send({ type: 'chosen', ...chosen })
}

async function begin(command: OwnCommand & { type: 'begin' }): Promise<void> {
  const { settings, threads, key, beginning } = command
  const { grown } = beginning
  // A browser that keeps nothing has nothing to go on from.
  const kept = await keptProgress(key).catch(() => undefined)
  const given = decodeModel(kept?.snapshot.model ?? grown?.from.model ?? beginning.model)
  const data = await load(command, given)
  const start = forClassesOf(data, given)
  const otherClasses =
    start === given
      ? []
      : [`The network told ${list(given)} apart; it is trained for ${list(start)} now.`]
  const output = outputFor(settings, data, start)
  const several = start.graph.outputs.length
  const oneOutput =
    several > 1 ? [`The network has ${several} outputs: the loss is of "${output}" alone.`] : []
  const loss = lossFor(settings, data)
  const engine = await runtime(threads)
  const stepsBefore = grown?.from.state.step ?? 0
  // An arm that has grown on the way ends the epoch in which it was, and makes as many as the others then.
  const stepsOfEpoch = Math.ceil(data.train.length / settings.batchSize)
  const epochs = settings.epochs + Math.floor(stepsBefore / stepsOfEpoch)
  const steps = epochs * stepsOfEpoch - stepsBefore
  let started = kept && { ...kept.started, steps }
  const losses = [...(kept?.losses ?? [])]
  if (kept && started) {
    const { snapshot, isDone } = kept
    const { history } = snapshot.state
    const made = history.filter(({ step }) => step > stepsBefore).map(epochOf)
    send({ type: 'restored', started, losses, epochs: made, model: snapshot.model })
    if (isDone) {
      send({ type: 'end', snapshot })
      return
    }
  }
  /** Where it goes on: from what was kept, from what is to grow, or from the beginning. */
  let from = kept?.snapshot ?? grown?.from
  const keeping = new Keeping((progress) => keepProgress(key, progress))

  const attempt = async (chosen: ChosenDevice) => {
    const { device } = chosen
    const session = { threads, device }
    const common = { loss, output, runtime: engine } as const
    const state = from && stateFrom(from.state)
    const position = { model: from ? forClassesOf(data, decodeModel(from.model)) : start, stage: 0 }
    const isGrowing = grown !== undefined && started === undefined
    const training = trainGrowing(position.model, data.train, {
      ...common,
      session,
      runtime: gated(engine, gate, took),
      optimizer: optimizerOf(settings),
      epochs,
      batchSize: settings.batchSize,
      seed: settings.seed,
      validation: data.validation,
      evaluationBatchSize,
      stages: isGrowing
        ? [{ when: { step: stepsBefore }, steps: grown.steps, learningRateFactor: 1 }]
        : [],
      checkpoint: {
        isDue: () => wanted !== 'nothing' || performance.now() - keptAt > keptEvery,
        save: async (saved) => reached(saved),
      },
      ...(state && { resume: { state, position } }),
    })
    if (!isGrowing && started === undefined) await tellStart(training.model, training.state)
    for await (const event of training)
      if (event.kind === 'growth') await tellStart(training.model, training.state)
      else if (event.kind === 'epoch') toldEpoch(event.result)
    const snapshot = snapshotOf(training.state)
    keep({ snapshot, isDone: true })
    await keeping.idle
    send({ type: 'end', snapshot })

    async function tellStart(model: Model, now: TrainingState) {
      const { loss: valLoss, accuracy } = await evaluate(model, data.validation, {
        ...common,
        batchSize: evaluationBatchSize,
      })
      // Exporters store equal weights of several layers once.
      const isApart = !isGrowing && countParameters(model) > countParameters(position.model)
      started = {
        parameters: countParameters(model),
        steps,
        loss,
        samples: data.train.length,
        validation: data.validation.length,
        initial: { valLoss, ...(accuracy !== undefined && { valAccuracy: accuracy }) },
        model: fileOf(model),
        notes: [
          ...otherClasses,
          ...oneOutput,
          ...training.notes,
          ...(isApart
            ? [
                'Some layers share equal weights in the file; in training each has its own, so there are more parameters.',
              ]
            : []),
        ],
      }
      send({ type: 'started', ...started })
      from = { model: started.model, state: plainState(now) }
      keep({ snapshot: from, isDone: false })
    }

    function reached(now: TrainingState) {
      tell()
      from = snapshotOf(now)
      if (wanted === 'to send it') send({ type: 'snapshot', snapshot: from })
      const isSoon = wanted === 'nothing' && performance.now() - keptAt < keptNoSooner
      wanted = 'nothing'
      if (!isSoon) keep({ snapshot: from, isDone: false })
    }

    function snapshotOf(now: TrainingState): Snapshot {
      return { model: fileOf(training.model), state: plainState(now) }
    }

    function toldEpoch(result: EpochResult) {
      tell()
      // Grown after the last step of an epoch, it ends one of which it has made no step.
      if (result.step > stepsBefore)
        send({ type: 'epoch', result: epochOf(result), model: fileOf(training.model) })
      // Validation and what is kept are none of a step.
      marks = []
    }
  }

  await orOnCpu(command.device, attempt, (instead) => {
    const steps = (from?.state.step ?? 0) - stepsBefore
    losses.length = Math.min(losses.length, steps)
    untold = []
    send({ type: 'again', steps, instead })
  })

  function took(value: number) {
    losses.push(value)
    untold.push(value)
    last = { time: performance.now(), steps: last.steps + 1 }
    if (marks.length === 0) marks.push(last)
    if (last.time - told > interval) tell()
  }

  function keep({ snapshot, isDone }: Pick<ArmProgress, 'snapshot' | 'isDone'>) {
    if (started === undefined) return
    keptAt = performance.now()
    keeping.add({ started, losses: [...losses], snapshot, isDone })
  }
}

const epochOf = (result: EpochResult): OwnEpoch => {
  const { epoch, step, loss, valLoss = Number.NaN, valAccuracy, seconds } = result
  const accuracy = valAccuracy === undefined ? {} : { valAccuracy }
  return { epoch, step, loss, valLoss, ...accuracy, seconds }
}

/** Keeps one after the other; what comes meanwhile waits, and of that the last alone is kept. */
class Keeping {
  readonly #write: (progress: ArmProgress) => Promise<void>
  #next: ArmProgress | undefined
  /** Resolves when nothing is left to keep. */
  idle: Promise<void> = Promise.resolve()
  #isBusy = false

  constructor(write: (progress: ArmProgress) => Promise<void>) {
    this.#write = write
  }

  add(progress: ArmProgress): void {
    this.#next = progress
    if (!this.#isBusy) this.idle = this.#run()
  }

  async #run(): Promise<void> {
    this.#isBusy = true
    for (let now = this.#next; now; now = this.#next) {
      this.#next = undefined
      await this.#write(now).then(
        () => send({ type: 'kept', step: now.snapshot.state.step }),
        (error) =>
          send({
            type: 'not kept',
            isFull: error instanceof DOMException && error.name === 'QuotaExceededError',
            reason: error instanceof Error ? error.message : String(error),
          }),
      )
    }
    this.#isBusy = false
  }
}

function tell(): void {
  if (untold.length === 0) return
  marks = [...marks, last].filter(({ time }) => last.time - time < remembered)
  const [{ time, steps } = last] = marks
  const seconds = (last.time - time) / 1000
  const perSecond = seconds > 0 ? (last.steps - steps) / seconds : undefined
  send({ type: 'steps', losses: untold, ...(perSecond && { stepsPerSecond: perSecond }) })
  untold = []
  told = performance.now()
}
