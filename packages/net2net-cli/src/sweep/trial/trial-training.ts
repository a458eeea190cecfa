/** The training of one trial: what is measured, kept and told on the way. */
import { encodeModel, inspect, type Model, Net2NetError } from 'net2net'
import type { CheckpointFolder } from 'net2net/checkpoints'
import type { TrainTest } from 'net2net/data'
import { type GrowthPosition, trainGrowing } from 'net2net/growing'
import { nodeRuntime } from 'net2net/runtime'
import { evaluate, type StepEvent, type TrainingState } from 'net2net/training'
import { internalError } from '../../errors.ts'
import { Stopwatch, type Times } from './stopwatch.ts'
import {
  type CurvePoint,
  stepsOf,
  type Trial,
  type TrialProgress,
  type TrialResult,
} from './trial.ts'
import { optimizerOf, trialLoss } from './trial-start.ts'

const evaluationBatchSize = 100

/** Progress is told no more often than once in so many milliseconds. */
const TELLING_MS = 250

export interface TrialTrainingOptions {
  /** Least time between two checkpoints. */
  readonly checkpointSeconds: number
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: ((progress: TrialProgress) => void) | undefined
  /** Told when a checkpoint was written. */
  readonly onCheckpoint?: ((file: string) => void) | undefined
}

/** What a checkpoint says beside the training's state. */
export interface TrialRecord extends Times {
  readonly stage: number
  readonly curve: readonly CurvePoint[]
  readonly growths: TrialResult['outcome']['growths']
  readonly resumed: number
}

/** Where a training starts or goes on. */
export interface TrialStart {
  readonly model: Model
  readonly state?: TrainingState | undefined
}

export class TrialTraining {
  readonly #trial: Pick<Trial, 'id' | 'spec'>
  readonly #data: TrainTest
  readonly #checkpoints: CheckpointFolder
  readonly #options: TrialTrainingOptions
  /** Stages that were done before. */
  readonly #stage: number
  /** How often the training has gone on from a checkpoint. */
  readonly #resumed: number
  readonly #curve: CurvePoint[]
  readonly #growths: TrialResult['outcome']['growths'][number][]
  readonly #clock: Stopwatch
  #saved = Date.now()
  #told = 0

  /** @param before what the checkpoint says that the training goes on from */
  constructor(
    trial: Pick<Trial, 'id' | 'spec'>,
    data: TrainTest,
    checkpoints: CheckpointFolder,
    before: TrialRecord | undefined,
    options: TrialTrainingOptions,
  ) {
    this.#trial = trial
    this.#data = data
    this.#checkpoints = checkpoints
    this.#options = options
    this.#stage = before?.stage ?? 0
    this.#resumed = before ? before.resumed + 1 : 0
    this.#curve = [...(before?.curve ?? [])]
    this.#growths = [...(before?.growths ?? [])]
    this.#clock = new Stopwatch(before)
  }

  /** @throws Net2NetError as the training; interrupted where the signal said so, with a checkpoint written */
  async run(start: TrialStart): Promise<{ readonly model: Model; readonly state: TrainingState }> {
    await this.#measureStart(start)
    const training = this.#training(start)
    let ended: { readonly model: Model; readonly state: TrainingState } | undefined
    this.#clock.start()
    try {
      for await (const event of training) {
        if (event.kind === 'growth')
          this.#growths.push({
            step: event.step,
            parameters: inspect(training.model).parameters,
          })
        else if (event.kind === 'end') ended = event
      }
    } catch (error) {
      this.#clock.stop()
      const { state, position } = training
      if (error instanceof Net2NetError && error.kind === 'interrupted' && state.step > 0)
        await this.#keep(state, position)
      throw error
    }
    this.#clock.stop()
    if (!ended) throw internalError('A training ended without its end.')
    return ended
  }

  /** What the training has yielded beside its network and state. */
  get record(): Pick<TrialResult['outcome'], 'curve' | 'growths'> & {
    readonly cost: Pick<TrialResult['cost'], 'seconds' | 'processorSeconds' | 'resumed'>
  } {
    const { seconds, processorSeconds } = this.#clock
    return {
      curve: this.#curve,
      growths: this.#growths,
      cost: { seconds, processorSeconds, resumed: this.#resumed },
    }
  }

  #training({ model, state }: TrialStart) {
    const { spec } = this.#trial
    return trainGrowing(model, this.#data.train, {
      loss: trialLoss,
      optimizer: optimizerOf(spec),
      epochs: spec.epochs,
      batchSize: spec.batchSize,
      seed: spec.order,
      runtime: nodeRuntime,
      session: { threads: spec.threads },
      stages: spec.stages ?? [],
      signal: this.#options.signal,
      onStep: (event) => this.#tell(event),
      checkpoint: {
        everySteps: spec.evaluateEvery,
        save: (at, position) => this.#takeState(at, position),
      },
      resume: state && { state, position: { model, stage: this.#stage } },
    })
  }

  async #measureStart({ model, state }: TrialStart): Promise<void> {
    if (this.#curve.length === 0) await this.#measure(model, { step: 0, epoch: 0 })
    // The training may have been stopped just before it was measured.
    if (state && state.step > 0 && this.#isMeasured(state)) await this.#measure(model, state)
  }

  #isMeasured({ step, batch }: TrainingState): boolean {
    const { evaluateEvery } = this.#trial.spec
    return batch === 0 || (evaluateEvery !== undefined && step % evaluateEvery === 0)
  }

  /** Adds a point to the curve, unless it is there already. */
  async #measure(model: Model, { step, epoch }: Pick<TrainingState, 'step' | 'epoch'>) {
    if (this.#curve.at(-1)?.step === step) return
    const { loss: valLoss, accuracy: valAccuracy = Number.NaN } = await evaluate(
      model,
      this.#data.test,
      {
        loss: trialLoss,
        runtime: nodeRuntime,
        session: { threads: this.#trial.spec.threads },
        signal: this.#options.signal,
        batchSize: evaluationBatchSize,
      },
    )
    this.#curve.push({ step, epoch, valLoss, valAccuracy })
    this.#clock.note()
  }

  async #takeState(state: TrainingState, position: GrowthPosition): Promise<void> {
    this.#clock.stop()
    if (this.#isMeasured(state)) await this.#measure(position.model, state)
    const isDue = Date.now() - this.#saved >= this.#options.checkpointSeconds * 1000
    if (isDue && state.epoch < this.#trial.spec.epochs) await this.#keep(state, position)
    this.#clock.start()
  }

  async #keep(state: TrainingState, { model, stage }: GrowthPosition): Promise<void> {
    const file = await this.#checkpoints.save(state, {
      extra: {
        stage,
        curve: this.#curve,
        growths: this.#growths,
        ...this.#clock.record(),
        resumed: this.#resumed,
      } satisfies TrialRecord,
      attachments: new Map([['model', encodeModel(model)]]),
    })
    this.#saved = Date.now()
    this.#options.onCheckpoint?.(file)
  }

  #tell({ step, loss, accuracy }: StepEvent): void {
    if (Date.now() - this.#told < TELLING_MS) return
    this.#told = Date.now()
    const { id, spec } = this.#trial
    const steps = stepsOf(spec, this.#data.train.length)
    this.#options.onProgress?.({
      id,
      step,
      steps,
      loss,
      ...(accuracy === undefined ? {} : { accuracy }),
    })
  }
}
