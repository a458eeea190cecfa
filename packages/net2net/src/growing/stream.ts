/** A network that learns for life: data come in portions, one after the other, and everything is kept between them. */
import { numberedAs } from '../data/renumbered.ts'
import { replayed } from '../data/replay.ts'
import type { SampleSet } from '../data/samples.ts'
import { Net2NetError, usageError } from '../errors.ts'
import type { Model } from '../model/model.ts'
import type { Optimizer } from '../training/compile/optimizers/index.ts'
import type { TrainingState } from '../training/run/state.ts'
import { stepOptionsOf } from '../training/run/trainer.ts'
import type { CheckpointHook } from '../training/train-options.ts'
import { continueState } from './continue-state.ts'
import { withClassesOf } from './new-classes.ts'
import type { GrowthStage } from './schedule.ts'
import {
  type GrowingEvent,
  type GrowingOptions,
  GrowingTraining,
  type GrowthPosition,
} from './train-growing.ts'

/** Data that a network learns from next. */
export interface Portion {
  readonly data: SampleSet
  /** Held-out samples, measured after each epoch. */
  readonly validation?: SampleSet | undefined
  /** Earlier samples, and how large a share of every batch they are: see `replayed`. */
  readonly replay?: { readonly data: SampleSet; readonly share: number } | undefined
  /** Default: those of the options. */
  readonly epochs?: number | undefined
  /** With a schedule over the epochs of this portion; its slots are those of the options' optimizer, which it stands for. */
  readonly optimizer?: Optimizer | undefined
  /** When it grows within this portion, and how: before the first step at `{ epoch: 0 }`. */
  readonly stages?: readonly GrowthStage[] | undefined
}

/** Where a stream stands in the middle of a portion, beside the state of its training. */
export interface StreamPosition extends GrowthPosition {
  /** From 0. */
  readonly portion: number
}

export interface StreamOptions
  extends Omit<GrowingOptions, 'checkpoint' | 'resume' | 'stages' | 'validation'> {
  /** Goes on from the end of an earlier stream or training of this model: the portions are those that come next. */
  readonly earlier?: TrainingState | undefined
  /** Saves within portions: after each epoch, after so many steps, and where the signal interrupts. */
  readonly checkpoint?: Omit<CheckpointHook, 'save'> & {
    save(state: TrainingState, position: StreamPosition): Promise<void>
  }
  /** Goes on within the portion of the position, in place of `earlier`: the portions begin with that one. */
  readonly resume?: { readonly state: TrainingState; readonly position: StreamPosition } | undefined
}

export type StreamEvent =
  | {
      readonly kind: 'portion'
      /** From 0. */
      readonly portion: number
      /** As it begins with this portion: with an output for every class. */
      readonly model: Model
      readonly newClasses: readonly string[]
    }
  | (Exclude<GrowingEvent, { kind: 'end' }> & { readonly portion: number })
  | {
      readonly kind: 'learned'
      readonly portion: number
      readonly model: Model
      readonly state: TrainingState
    }

/**
 * Trains on every portion in its turn. The optimizer's slots and running statistics go on, the model's metadata keep names of
 * classes and growths; epochs and schedules begin anew with each portion.
 *
 * @throws while iterating: as `trainGrowing`, refused where an output cannot get the classes of a portion
 */
export class StreamTraining implements AsyncIterable<StreamEvent> {
  readonly #portions: AsyncIterable<Portion> | Iterable<Portion>
  readonly #options: StreamOptions
  #model: Model
  #state: TrainingState | undefined

  constructor(
    model: Model,
    portions: AsyncIterable<Portion> | Iterable<Portion>,
    options: StreamOptions,
  ) {
    const { earlier, resume } = options
    if (earlier && resume)
      throw usageError('A stream goes on from earlier, or with resume within a portion: give one.')
    this.#model = resume?.position.model ?? model
    this.#portions = portions
    this.#options = options
    this.#state = earlier
  }

  /** After the last portion that is done. */
  get model(): Model {
    return this.#model
  }
  /** Of the last portion that is done: the `earlier` of a stream that goes on; undefined before the first. */
  get state(): TrainingState | undefined {
    return this.#state
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<StreamEvent, void> {
    let { resume } = this.#options
    let portion = resume?.position.portion ?? 0
    for await (const { data, validation, replay, stages = [], ...own } of this.#portions) {
      const { earlier: _, resume: __, checkpoint, ...common } = this.#options
      const options = {
        ...common,
        epochs: own.epochs ?? common.epochs,
        optimizer: own.optimizer ?? common.optimizer,
      }
      const step = stepOptionsOf(options, data)
      const sets = [replay?.data, data, validation].filter((set) => set !== undefined)
      const { model, grown, newClasses, classes } = withClassesOf(this.#model, sets, step)
      const numbered = (set: SampleSet) => (classes ? numberedAs(set, classes) : set)
      const samples = replay
        ? replayed(numbered(data), numbered(replay.data), replay.share)
        : numbered(data)
      const before = this.#state
      const plans = grown?.plans ?? []
      const state = before && continueState(this.#model, before.tensors, plans, step)
      const begun = resume ?? (state && { state, position: { model, stage: 0 } })
      resume = undefined
      yield { kind: 'portion', portion, model, newClasses }
      const at = portion
      const training = new GrowingTraining(model, samples, {
        ...options,
        stages,
        validation: validation && numbered(validation),
        ...(options.auto && { auto: { ...options.auto, earlier: before } }),
        ...(begun && { resume: begun }),
        ...(checkpoint && {
          checkpoint: {
            everySteps: checkpoint.everySteps,
            isDue: () => checkpoint.isDue?.() ?? false,
            save: (saved, position) => checkpoint.save(saved, { ...position, portion: at }),
          },
        }),
      })
      try {
        for await (const event of training) if (event.kind !== 'end') yield { ...event, portion }
      } catch (error) {
        const isStopped = error instanceof Net2NetError && error.kind === 'interrupted'
        // Before its first step a portion has learned nothing, and is begun with what was before it.
        if (isStopped && training.state.step > 0)
          await checkpoint?.save(training.state, { ...training.position, portion })
        throw error
      }
      this.#model = training.model
      this.#state = training.state
      yield { kind: 'learned', portion, model: this.#model, state: this.#state }
      portion++
    }
  }
}
