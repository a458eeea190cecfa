/** The training of one network of the user: from where it was kept, from what is to grow, or from the beginning, to its last epoch. */
import { countParameters, decodeModel, encodeModel, type Model } from 'net2net'
import { type GrowingTraining, trainGrowing } from 'net2net/growing'
import { classesOf } from 'net2net/model'
import type { Runtime } from 'net2net/runtime'
import { type EpochResult, evaluate, type TrainingState } from 'net2net/training'
import { runtime } from '../../engine/runtime.ts'
import { orOnCpu } from '../device.ts'
import { gated } from '../gate.ts'
import type { ChosenDevice } from '../protocol.ts'
import { forClassesOf, lossFor, type OwnData, outputFor } from './data.ts'
import { Keeping } from './keeping.ts'
import { keepProgress, keptProgress } from './kept.ts'
import { optimizerOf } from './own-device.ts'
import type { ArmProgress, OwnCommand, OwnEpoch, OwnEvent, Snapshot, Started } from './protocol.ts'
import { plainState, stateFrom } from './snapshot.ts'
import type { StepReports } from './step-reports.ts'
import type { TrainingControl } from './training-control.ts'

/** Samples per run of the validation: larger ones need more memory and are no faster. */
const evaluationBatchSize = 100

type BeginCommand = OwnCommand & { readonly type: 'begin' }

/** Whom a training tells what happens, and who may hold it. */
export interface Connections {
  readonly send: (event: OwnEvent) => void
  readonly reports: StepReports
  readonly control: TrainingControl
}

/** @param load the user's data, for a model */
export async function trainOwn(
  command: BeginCommand,
  load: (model: Model) => Promise<OwnData>,
  connections: Connections,
): Promise<void> {
  const { beginning, key, threads } = command
  // A browser that keeps nothing has nothing to go on from.
  const kept = await keptProgress(key).catch(() => undefined)
  const bytes = kept?.snapshot.model ?? beginning.grown?.from.model ?? beginning.model
  const given = decodeModel(bytes)
  const data = await load(given)
  const engine = await runtime(threads)
  await new OwnTraining(command, { kept, given, data, engine }, connections).run()
}

/** What a training begins with. */
interface Basis {
  readonly kept: ArmProgress | undefined
  readonly given: Model
  readonly data: OwnData
  readonly engine: Runtime
}

class OwnTraining {
  readonly #command: BeginCommand
  readonly #basis: Basis
  readonly #connections: Connections
  readonly #keeping: Keeping
  /** The given model, for the classes of the data. */
  readonly #start: Model
  readonly #output: string
  readonly #loss: ReturnType<typeof lossFor>
  /** Steps that were made before this arm: it has grown from another one. */
  readonly #stepsBefore: number
  readonly #epochs: number
  /** To be made here. */
  readonly #steps: number
  readonly #losses: number[]
  #started: Started | undefined
  /** Where it goes on, if it has to begin again; undefined: at the given model. */
  #from: Snapshot | undefined

  constructor(command: BeginCommand, basis: Basis, connections: Connections) {
    const { settings, key, beginning } = command
    const { kept, given, data } = basis
    const { grown } = beginning
    this.#command = command
    this.#basis = basis
    this.#connections = connections
    this.#keeping = new Keeping((progress) => keepProgress(key, progress), connections.send)
    this.#start = forClassesOf(data, given)
    this.#output = outputFor(settings, data, this.#start)
    this.#loss = lossFor(settings, data)
    this.#stepsBefore = grown?.from.state.step ?? 0
    // An arm that has grown on the way ends the epoch in which it was, and makes as many as the others then.
    const stepsOfEpoch = Math.ceil(data.train.length / settings.batchSize)
    this.#epochs = settings.epochs + Math.floor(this.#stepsBefore / stepsOfEpoch)
    this.#steps = this.#epochs * stepsOfEpoch - this.#stepsBefore
    this.#losses = [...(kept?.losses ?? [])]
    this.#started = kept && { ...kept.started, steps: this.#steps }
    this.#from = kept?.snapshot ?? grown?.from
  }

  async run(): Promise<void> {
    const { kept } = this.#basis
    if (kept) this.#tellRestored(kept)
    if (kept?.isDone) this.#connections.send({ type: 'end', snapshot: kept.snapshot })
    else
      await orOnCpu(
        this.#command.device,
        (chosen) => this.#attempt(chosen),
        (instead) => this.#tellAgain(instead),
      )
  }

  #tellRestored({ snapshot }: ArmProgress): void {
    const epochs = snapshot.state.history
      .filter(({ step }) => step > this.#stepsBefore)
      .map(epochOf)
    const { model } = snapshot
    const [started, losses] = [this.#started!, this.#losses]
    this.#connections.send({ type: 'restored', started, losses, epochs, model })
  }

  #tellAgain(instead: ChosenDevice): void {
    const steps = (this.#from?.state.step ?? 0) - this.#stepsBefore
    this.#losses.length = Math.min(this.#losses.length, steps)
    this.#connections.reports.discard()
    this.#connections.send({ type: 'again', steps, instead })
  }

  /** Trains to the end on one device. */
  async #attempt({ device }: ChosenDevice): Promise<void> {
    const { settings, threads, beginning } = this.#command
    const { data, engine } = this.#basis
    const { control, send } = this.#connections
    const from = this.#from
    const model = from ? forClassesOf(data, decodeModel(from.model)) : this.#start
    const grown = this.#started === undefined ? beginning.grown : undefined
    const training: GrowingTraining = trainGrowing(model, data.train, {
      ...this.#measuring(),
      session: { threads, device },
      runtime: gated(engine, control.gate, (loss) => this.#took(loss)),
      optimizer: optimizerOf(settings),
      epochs: this.#epochs,
      batchSize: settings.batchSize,
      seed: settings.seed,
      validation: data.validation,
      evaluationBatchSize,
      stages: grown
        ? [{ when: { step: this.#stepsBefore }, steps: grown.steps, learningRateFactor: 1 }]
        : [],
      checkpoint: {
        isDue: () => control.isDue,
        save: async (state) => this.#reached(snapshotOf(training.model, state)),
      },
      ...(from && { resume: { state: stateFrom(from.state), position: { model, stage: 0 } } }),
    })
    // Exporters store equal weights of several layers once.
    if (!grown && this.#started === undefined) await this.#tellStart(training, model)
    for await (const event of training)
      if (event.kind === 'growth') await this.#tellStart(training)
      else if (event.kind === 'epoch') this.#tellEpoch(event.result, training.model)
    const snapshot = snapshotOf(training.model, training.state)
    this.#keep(snapshot, true)
    await this.#keeping.idle
    send({ type: 'end', snapshot })
  }

  #measuring() {
    return { loss: this.#loss, output: this.#output, runtime: this.#basis.engine }
  }

  /** @param before the network of the file, where its layers may share weights that training gives to each */
  async #tellStart({ model, state, notes }: GrowingTraining, before?: Model): Promise<void> {
    const { data } = this.#basis
    const measuring = { ...this.#measuring(), batchSize: evaluationBatchSize }
    const { loss: valLoss, accuracy } = await evaluate(model, data.validation, measuring)
    const isApart = before !== undefined && countParameters(model) > countParameters(before)
    const started: Started = {
      parameters: countParameters(model),
      steps: this.#steps,
      loss: this.#loss,
      samples: data.train.length,
      validation: data.validation.length,
      initial: { valLoss, ...(accuracy !== undefined && { valAccuracy: accuracy }) },
      model: fileOf(model),
      notes: [
        ...this.#notes(),
        ...notes,
        ...(isApart
          ? [
              'Some layers share equal weights in the file; in training each has its own, so there are more parameters.',
            ]
          : []),
      ],
    }
    this.#started = started
    this.#connections.send({ type: 'started', ...started })
    this.#from = { model: started.model, state: plainState(state) }
    this.#keep(this.#from, false)
  }

  #notes(): readonly string[] {
    const { given } = this.#basis
    const start = this.#start
    const several = start.graph.outputs.length
    return [
      ...(start === given
        ? []
        : [`The network told ${list(given)} apart; it is trained for ${list(start)} now.`]),
      ...(several > 1
        ? [`The network has ${several} outputs: the loss is of "${this.#output}" alone.`]
        : []),
    ]
  }

  #took(loss: number): void {
    this.#losses.push(loss)
    this.#connections.reports.took(loss)
  }

  #reached(snapshot: Snapshot): void {
    const { send, reports, control } = this.#connections
    reports.tell()
    this.#from = snapshot
    const { isToBeSent, isToBeKept } = control.take()
    if (isToBeSent) send({ type: 'snapshot', snapshot })
    if (isToBeKept) this.#keep(snapshot, false)
  }

  #tellEpoch(result: EpochResult, model: Model): void {
    const { send, reports } = this.#connections
    reports.tell()
    // Grown after the last step of an epoch, it ends one of which it has made no step.
    if (result.step > this.#stepsBefore)
      send({ type: 'epoch', result: epochOf(result), model: fileOf(model) })
    // Validation and what is kept are none of a step.
    reports.interrupt()
  }

  #keep(snapshot: Snapshot, isDone: boolean): void {
    const started = this.#started
    if (started === undefined) return
    this.#connections.control.wasKept()
    this.#keeping.add({ started, losses: [...this.#losses], snapshot, isDone })
  }
}

const fileOf = (model: Model) => new Uint8Array(encodeModel(model))

const list = (model: Model) => classesOf(model)?.join(', ') ?? ''

const snapshotOf = (model: Model, state: TrainingState): Snapshot => ({
  model: fileOf(model),
  state: plainState(state),
})

const epochOf = (result: EpochResult): OwnEpoch => {
  const { epoch, step, loss, valLoss = Number.NaN, valAccuracy, seconds } = result
  const accuracy = valAccuracy === undefined ? {} : { valAccuracy }
  return { epoch, step, loss, valLoss, ...accuracy, seconds }
}
