/** Trains one network of the user; each in a worker of its own, on the same data in the same order. */
import { countParameters, decodeModel, encodeModel, type Model, Net2NetError } from 'net2net'
import { trainGrowing } from 'net2net/growing'
import {
  adam,
  adamw,
  type EpochResult,
  evaluate,
  lion,
  type Optimizer,
  rmsprop,
  sgd,
} from 'net2net/training'
import { runtime } from '../../engine/runtime.ts'
import { failureOf } from '../../engine/serve.ts'
import { Gate, gated } from '../gate.ts'
import { lossFor, ownData } from './data.ts'
import type { OptimizerName, OwnCommand, OwnEvent, Snapshot } from './protocol.ts'
import { type PlainState, plainState, stateFrom } from './snapshot.ts'

const optimizers: Readonly<Record<OptimizerName, (rate: number) => Optimizer>> = {
  sgd: (learningRate) => sgd({ learningRate, momentum: 0.9 }),
  adam: (learningRate) => adam({ learningRate }),
  adamw: (learningRate) => adamw({ learningRate }),
  rmsprop: (learningRate) => rmsprop({ learningRate }),
  lion: (learningRate) => lion({ learningRate }),
}

/** Samples per run of the validation: larger ones need more memory and are no faster. */
const evaluationBatchSize = 100
/** Milliseconds between two reports of losses. */
const interval = 250

const gate = new Gate()
const send = (event: OwnEvent) => postMessage(event)
const fileOf = (model: Model) => new Uint8Array(encodeModel(model))

type Training = ReturnType<typeof trainGrowing>
let training: Training | undefined
/** Ends the training after the step that runs, for its state; then it goes on. */
let interruption = new AbortController()
let losses: number[] = []
let told = 0
let made = 0
let since = 0

addEventListener('message', ({ data }: MessageEvent<OwnCommand>) => {
  switch (data.type) {
    case 'begin':
      if (data.paused) gate.pause()
      begin(data).catch((error) => send({ type: 'failed', failure: failureOf(error) }))
      break
    case 'pause':
      tell()
      gate.pause()
      break
    case 'resume':
      since = performance.now()
      made = 0
      gate.resume()
      break
    case 'snapshot':
      interruption.abort()
      // One that waits for its next step makes it.
      gate.single()
  }
})

async function begin(command: OwnCommand & { type: 'begin' }): Promise<void> {
  const { settings, files, threads, grown } = command
  const start = decodeModel(grown?.from.model ?? command.model)
  const data = await ownData(settings, files, start)
  const loss = lossFor(settings, data)
  const engine = await runtime(threads)
  const common = { loss, runtime: engine, session: { threads } } as const
  const { epochs, batchSize, seed, rate, optimizer } = settings
  let state = grown && stateFrom(grown.from.state as PlainState)
  const epochsInAll = epochs + (state?.epoch ?? 0)
  let position = { model: start, stage: 0 }
  const stages = grown
    ? [{ when: { step: grown.from.step }, steps: grown.steps, learningRateFactor: 1 }]
    : []
  const nextTraining = (): Training =>
    trainGrowing(position.model, data.train, {
      ...common,
      signal: interruption.signal,
      runtime: gated(engine, gate, took),
      optimizer: optimizers[optimizer](rate),
      // Epochs of a network that has grown on the way are counted on.
      epochs: epochsInAll,
      batchSize,
      seed,
      validation: data.validation,
      evaluationBatchSize,
      stages,
      ...(state && { resume: { state, position } }),
    })
  training = nextTraining()
  const started = async (model: Model) => {
    const initial = await evaluate(model, data.validation, {
      ...common,
      batchSize: evaluationBatchSize,
    })
    send({
      type: 'started',
      parameters: countParameters(model),
      loss,
      samples: data.train.length,
      validation: data.validation.length,
      initial: {
        valLoss: initial.loss,
        ...(initial.accuracy !== undefined && { valAccuracy: initial.accuracy }),
      },
      model: fileOf(model),
      notes: training?.notes ?? [],
    })
    since = performance.now()
  }
  if (!grown) await started(start)
  while (await goOn(training)) {
    ;({ state, position } = training)
    send({ type: 'snapshot', snapshot: snapshotOf(training) })
    interruption = new AbortController()
    training = nextTraining()
  }
  send({ type: 'end', snapshot: snapshotOf(training) })

  /** Whether it was interrupted for its state. */
  async function goOn(current: Training): Promise<boolean> {
    try {
      for await (const event of current)
        if (event.kind === 'growth') await started(current.model)
        else if (event.kind === 'epoch') toldEpoch(current, event.result)
      return false
    } catch (error) {
      if (
        interruption.signal.aborted &&
        error instanceof Net2NetError &&
        error.kind === 'interrupted'
      )
        return true
      throw error
    }
  }

  function toldEpoch({ model }: Training, result: EpochResult) {
    tell()
    const { epoch, step, loss: mean, valLoss = Number.NaN, valAccuracy, seconds } = result
    const accuracy = valAccuracy === undefined ? {} : { valAccuracy }
    send({
      type: 'epoch',
      result: { epoch, step, loss: mean, valLoss, ...accuracy, seconds },
      model: fileOf(model),
    })
  }

  function took(value: number) {
    losses.push(value)
    made++
    if (performance.now() - told > interval) tell()
  }
}

const snapshotOf = ({ model, state }: Training): Snapshot => ({
  model: fileOf(model),
  state: plainState(state),
  step: state.step,
})

function tell(): void {
  if (losses.length === 0) return
  const seconds = (performance.now() - since) / 1000
  send({ type: 'steps', losses, samplesPerSecond: seconds > 0 ? made / seconds : 0 })
  losses = []
  told = performance.now()
}
