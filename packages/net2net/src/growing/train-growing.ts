/**
 * Growth in the middle of training: joins growth (which knows how a network and its slots grow) with
 * training (which knows when, and goes on).
 */
import { isSampleSet, mustServe, type TrainingData } from '../data/samples.ts'
import { usageError } from '../errors.ts'
import {
  applyPlan,
  countParameters,
  type GrowthPlan,
  type GrowthStep,
  grow,
  type ResolvedStep,
  shareOf,
  solve,
} from '../growth/index.ts'
import { planChosen } from '../measuring/gradmax.ts'
import type { Model } from '../model/model.ts'
import { newEntriesOf } from '../model/new-entries.ts'
import { separateConstants } from '../operators/shared-constants.ts'
import { hashKey } from '../tensor/random.ts'
import { withoutUnitRates } from '../training/compile/parameter-groups.ts'
import type { StepGraph } from '../training/compile/step-graph.ts'
import { withParameters } from '../training/compile/trainable.ts'
import {
  type EpochResult,
  momentOf,
  mostRecent,
  type RecentEpoch,
  type TrainingState,
} from '../training/run/state.ts'
import { stepOptionsOf, Training } from '../training/run/trainer.ts'
import { freshPlateau, rateAt } from '../training/schedules.ts'
import type { CheckpointHook, TrainOptions } from '../training/train-options.ts'
import {
  type AutoGrowth,
  chooseGrowth,
  type GrowthDecision,
  mustBeAutoGrowth,
} from './auto-growth.ts'
import { type CapacityJudgement, capacityRule, judgeArrival } from './capacity.ts'
import { carryInto } from './carry-state.ts'
import { growMeasured } from './grow-measured.ts'
import { rememberGrowth } from './remember-growth.ts'
import { type GrowthStage, isDue, mustBeStages, rateFactor, slowed } from './schedule.ts'

/** Epochs that validation may stand still before it is asked whether to grow. */
const defaultPatience = 2

/** Where a growing training stands, beside the state of its training. */
export interface GrowthPosition {
  /** The network as it is now. */
  readonly model: Model
  /** Stages that are done. */
  readonly stage: number
  /** With `auto`: all stages, those that were decided on the way included, and the decisions. */
  readonly stages?: readonly GrowthStage[]
  readonly decisions?: readonly GrowthDecision[]
}

export interface GrowingOptions extends Omit<TrainOptions, 'checkpoint' | 'resume' | 'untilStep'> {
  /** In the order in which they come. */
  readonly stages: readonly GrowthStage[]
  /** Grow, beside the stages, when the data ask for it; needs a set of samples. */
  readonly auto?: AutoGrowth | undefined
  readonly checkpoint?: Omit<CheckpointHook, 'save'> & {
    save(state: TrainingState, position: GrowthPosition): Promise<void>
  }
  readonly resume?: { readonly state: TrainingState; readonly position: GrowthPosition } | undefined
}

export type GrowingEvent =
  | { readonly kind: 'epoch'; readonly result: EpochResult }
  /** With `auto`: whether the network grows after an epoch, and why. */
  | { readonly kind: 'decision'; readonly decision: GrowthDecision }
  | {
      readonly kind: 'growth'
      /** How many stages are done. */
      readonly stage: number
      /** Steps since the training began. */
      readonly step: number
      readonly plans: readonly GrowthPlan[]
      /** The steps with every option, seed and plan written down: they grow the same network to the same bits. */
      readonly steps: readonly ResolvedStep[]
      readonly learningRateFactor: number
    }
  | { readonly kind: 'end'; readonly model: Model; readonly state: TrainingState }

/**
 * Trains a network that grows as the stages say, in their order. Ends with the event `end`.
 *
 * @throws usage or refused, at once, where a stage cannot be grown; while iterating, as `train`
 */
export class GrowingTraining implements AsyncIterable<GrowingEvent> {
  readonly #data: TrainingData
  readonly #options: GrowingOptions
  #training: Training
  /** The network that `#training` began with. */
  #model: Model
  #stage: number
  readonly #stages: GrowthStage[]
  readonly #decisions: GrowthDecision[]
  /** The epoch at whose end it was last asked whether to grow. */
  #judged = 0
  /** No growth fits any more. */
  #isFull = false

  constructor(model: Model, data: TrainingData, options: GrowingOptions) {
    const { resume, auto } = options
    const { stages = options.stages, decisions = [] } = resume?.position ?? {}
    this.#data = data
    this.#options = options
    this.#stage = resume?.position.stage ?? 0
    this.#stages = [...stages]
    this.#decisions = [...decisions]
    mustBeStages(stages)
    if (auto) {
      mustBeAutoGrowth(auto)
      if (!isSampleSet(data))
        throw usageError('To grow by itself a training needs a set of samples, not batches.')
    }
    const left = stages.slice(this.#stage)
    // An epoch may be interrupted by growth, and is gone through anew up to there.
    mustServe(data, 'The training data', 1 + left.length)
    const current = resume?.position.model ?? model
    mustGrow(current, left, isSampleSet(data))
    this.#model = current
    this.#training = this.#start(current, resume && goneOnWith(resume.state, auto?.earlier))
  }

  /** Everything that decides the future, with `position`. */
  get state(): TrainingState {
    return this.#training.state
  }
  /** The network with its present weights. */
  get model(): Model {
    return this.#training.model
  }
  /** The network with the moving averages of its weights, where the optimizer keeps them. */
  get averagedModel(): Model {
    return this.#training.averagedModel
  }
  /** What differs from what was asked for, in sentences. */
  get notes(): readonly string[] {
    return this.#training.notes
  }
  get position(): GrowthPosition {
    const { step, state } = this.#training
    return { model: withTrained(this.#model, step, state), ...this.#progress }
  }
  /** All stages, those that were decided on the way included. */
  get stages(): readonly GrowthStage[] {
    return this.#stages
  }
  /** With `auto`: what was decided so far. */
  get decisions(): readonly GrowthDecision[] {
    return this.#decisions
  }

  get #progress(): Omit<GrowthPosition, 'model'> {
    return {
      stage: this.#stage,
      ...(this.#options.auto ? { stages: [...this.#stages], decisions: [...this.#decisions] } : {}),
    }
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<GrowingEvent, void> {
    const { epochs = 1 } = this.#options
    const arrived = this.#judgeArrival()
    if (arrived) yield* this.#follow(arrived, this.#moreSamples)
    for (;;) {
      const next = this.#stages[this.#stage]
      const isDueNow = () => next !== undefined && isDue(next.when, this.state)
      let judgement = this.#judge()
      if (!judgement?.grow && !isDueNow())
        for await (const result of this.#training) {
          yield { kind: 'epoch', result }
          judgement = this.#judge()
          if (judgement?.grow || isDueNow()) break
          if (judgement) yield* this.#follow(judgement)
        }
      if (this.state.epoch >= epochs) break
      if (judgement?.grow) {
        yield* this.#follow(judgement)
        continue
      }
      if (!next || !isDueNow()) break
      yield await this.#grow(next)
    }
    yield { kind: 'end', model: this.model, state: this.state }
  }

  /** At the end of an epoch, what the rule says; undefined where it was asked already, or there is nothing to decide. */
  #judge(): CapacityJudgement | undefined {
    const { auto } = this.#options
    const { epoch, batch, history, waited } = this.state
    if (!auto || this.#isFull || batch > 0 || epoch === this.#judged) return undefined
    this.#judged = epoch
    const grown = this.#decisions.findLast(({ grow }) => grow)?.epoch ?? 0
    const epochs = history.slice(grown)
    const { rule = capacityRule(auto.patience ?? defaultPatience) } = auto
    if (epochs.length === 0) return undefined
    return rule({ epochs, waited, parameters: countParameters(this.model) })
  }

  /** Before the first step, whether the network is too small for data that are new to it. */
  #judgeArrival(): CapacityJudgement | undefined {
    const { auto } = this.#options
    const { epoch, batch } = this.state
    const isAsked = this.#decisions.some((decision) => decision.epoch === 0)
    const steps = this.#stepsOfEpoch
    if (!auto?.earlier || auto.rule || steps === undefined || epoch > 0 || batch > 0 || isAsked)
      return undefined
    return judgeArrival(recentOf(auto.earlier), steps)
  }

  /** How many times as many samples there are as in the training before this one, as far as its steps tell; at least 1. */
  get #moreSamples(): number {
    const { earlier } = this.#options.auto ?? {}
    const before = earlier && recentOf(earlier).at(-1)?.steps
    const now = this.#stepsOfEpoch
    return before === undefined || now === undefined ? 1 : Math.max(1, now / before)
  }

  get #stepsOfEpoch(): number | undefined {
    const { batchSize = 32 } = this.#options
    return isSampleSet(this.#data) ? Math.ceil(this.#data.length / batchSize) : undefined
  }

  /**
   * Decides as judged, and grows where that is the decision.
   *
   * @param atLeast how many times as large it is to become
   */
  async *#follow(
    judgement: CapacityJudgement,
    atLeast?: number,
  ): AsyncGenerator<GrowingEvent, void> {
    const decision = judgement.grow
      ? await this.#chosen(judgement, atLeast)
      : this.#decide(judgement)
    yield { kind: 'decision', decision }
    if (decision.grow) yield await this.#grow(this.#stages[this.#stage]!)
  }

  /** Writes a decision down. */
  #decide(judgement: CapacityJudgement, more: Pick<GrowthDecision, 'steps'> = {}): GrowthDecision {
    const { epoch, step } = this.state
    const decision = { epoch, step, ...judgement, parameters: countParameters(this.model), ...more }
    // A training that was interrupted just then decides again, and the same.
    const at = this.#decisions.findIndex((known) => known.epoch === epoch)
    this.#decisions.splice(at < 0 ? this.#decisions.length : at, at < 0 ? 0 : 1, decision)
    return decision
  }

  /** The decision to grow, with what to grow by as the next stage; or not to grow, where nothing fits. */
  async #chosen(judgement: CapacityJudgement, atLeast?: number): Promise<GrowthDecision> {
    const { auto = {}, loss, output, runtime, session, signal, seed = 0 } = this.#options
    const data = this.#data
    const place = this.#stage
    const steps = isSampleSet(data)
      ? await chooseGrowth(this.model, data, auto, {
          ...{ loss, output, runtime, session, signal, atLeast },
          seed: hashKey([seed, 'auto', place]) >>> 1,
        })
      : []
    if (steps.length === 0) {
      this.#isFull = true
      return this.#decide({
        grow: false,
        reason: `${judgement.reason}; but no growth fits${auto.limits ? ' within the limits' : ''}`,
      })
    }
    this.#stages.splice(place, 0, {
      when: { epoch: this.state.epoch },
      steps,
      seed: hashKey([seed, 'auto growth', place]) >>> 1,
      learningRateFactor: auto.learningRateFactor ?? 1,
    })
    return this.#decide(judgement, { steps })
  }

  async #grow(stage: GrowthStage): Promise<GrowingEvent> {
    const old = this.#training
    const { runtime, session, loss, output, signal } = this.#options
    const grown = await growMeasured(old.model, stage.steps, {
      seed: stage.seed,
      loss,
      output,
      signal,
      // Batches that are not a set of samples can be gone through only once.
      samples: isSampleSet(this.#data) ? this.#data : undefined,
      runtime,
      session,
    })
    const { plans, steps } = grown
    const model = rememberGrowth(grown, old.state.step)
    this.#stages[this.#stage++] = { ...stage, steps }
    this.#model = model
    const options = this.#trainOptions()
    const { step, state } = carryInto(model, old, plans, {
      ...stepOptionsOf(options, this.#data),
      learningRate: this.#nextRate(options, old.state),
    })
    this.#training = this.#start(model, state, step)
    return {
      kind: 'growth',
      stage: this.#stage,
      step: state.step,
      plans,
      steps,
      learningRateFactor: rateFactor(stage),
    }
  }

  /** The learning rate of the next step. */
  #nextRate({ optimizer, batchSize = 32 }: TrainOptions, state: TrainingState): number {
    const data = this.#data
    const batches = isSampleSet(data) ? Math.ceil(data.length / batchSize) : undefined
    return rateAt(optimizer.learningRate, momentOf({ ...state, plateau: freshPlateau }, batches))
  }

  /** Of the training up to the next stage, but for its checkpoints and state. */
  #trainOptions(): TrainOptions {
    const { stages: _, resume: __, checkpoint: ___, auto: ____, ...rest } = this.#options
    const stages = this.#stages
    const when = stages[this.#stage]?.when
    // Until something has grown, nothing is new.
    const isMixed =
      (stages.length === 0 && !this.#options.auto) || newEntriesOf(this.#model).size > 0
    return {
      ...rest,
      ...(isMixed ? {} : { rates: withoutUnitRates(rest.rates) }),
      optimizer: slowed(rest.optimizer, stages.slice(0, this.#stage)),
      ...(when && 'step' in when ? { untilStep: when.step } : {}),
    }
  }

  #start(model: Model, state: TrainingState | undefined, step?: StepGraph): Training {
    const { checkpoint } = this.#options
    const options: TrainOptions = {
      ...this.#trainOptions(),
      resume: state,
      ...(checkpoint
        ? {
            checkpoint: {
              everySteps: checkpoint.everySteps,
              isDue: () => checkpoint.isDue?.() ?? false,
              save: (saved) =>
                checkpoint.save(saved, {
                  model: withTrained(model, training.step, saved),
                  ...this.#progress,
                }),
            },
          }
        : {}),
    }
    const training: Training = new Training(model, this.#data, options, step)
    return training
  }
}

/** What the last epochs were; of states that do not tell, those of their own training. */
const recentOf = (state: TrainingState): readonly RecentEpoch[] =>
  state.recent ??
  state.history
    .map((epoch, i) => ({ ...epoch, steps: epoch.step - (state.history[i - 1]?.step ?? 0) }))
    .slice(-mostRecent)

/** A state before its first step, with the last epochs of the training that it goes on from: those of one training may be few. */
const goneOnWith = (state: TrainingState, earlier: TrainingState | undefined): TrainingState =>
  earlier && state.step === 0 && state.recent === undefined
    ? { ...state, recent: recentOf(earlier) }
    : state

/** A growth that is not possible is refused before the first step, not after hours. */
function mustGrow(model: Model, stages: readonly GrowthStage[], hasSamples: boolean): void {
  // What training makes of it: what was merged apart, what was tied as one.
  let grown = separateConstants(model)
  for (const { steps, seed = 0 } of stages)
    for (const [i, step] of steps.entries())
      grown =
        (hasSamples && measuredLater(grown, step)) || grow(grown, [step], { seed: seed + i }).model
}

/** A network as large as it will be after a step that depends on what is measured then, as far as that is known. */
function measuredLater(model: Model, step: GrowthStep): Model | undefined {
  if (!('widen' in step) || step.plan) return undefined
  if (shareOf(step.widen) !== undefined) return model
  return step.init === 'gradmax'
    ? applyPlan(model, planChosen(solve(model), step.widen))
    : undefined
}

const withTrained = (model: Model, step: StepGraph, state: TrainingState): Model =>
  withParameters(
    model,
    new Map(
      [...step.parameters, ...step.statistics].map((name) => [name, state.tensors.get(name)!]),
    ),
  )
