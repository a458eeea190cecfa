/** A trial: one training of a sweep, as plain data that decides every bit of its outcome. */
import type { GrowthStep } from 'net2net'
import type { GrowthStage } from 'net2net/growing'
import type { SweepNetworkName } from './networks.ts'

export interface TrialData {
  readonly set: 'mnist' | 'fashion-mnist'
  /** Only the first so many samples. */
  readonly trainSize?: number
  readonly testSize?: number
}

export interface TrialOptimizer {
  readonly name: 'sgd' | 'adam' | 'adamw'
  readonly momentum?: number
  readonly weightDecay?: number
}

export interface TrialSpec {
  /** Rises when the same specification means other bits, or when its form changes. */
  readonly format: 3
  readonly data: TrialData
  readonly network: SweepNetworkName
  /** Units of the network's first layer. */
  readonly width: number
  /** Decides the first weights, maps and noise. */
  readonly seed: number
  /** Decides the order of the samples. */
  readonly order: number
  /** Identity of the trial whose trained network this one starts from. */
  readonly parent?: string
  /** Go on with the parent's optimizer state, grown along. */
  readonly carryOptimizer?: true
  /** Before the training. */
  readonly growth?: readonly GrowthStep[]
  /** Only the architecture is kept: all parameters are drawn anew. */
  readonly fresh?: true
  /** In the middle of the training. */
  readonly stages?: readonly GrowthStage[]
  readonly optimizer: TrialOptimizer
  readonly learningRate: number
  readonly epochs: number
  readonly batchSize: number
  /** Steps between two validations; there is one after every epoch as well. */
  readonly evaluateEvery?: number
  /** Threads of ONNX Runtime: they may decide the last bits. */
  readonly threads: number
}

/** What a trial is called; several labels may name the same trial. */
export interface TrialLabel {
  readonly experiment: string
  readonly arm: string
  readonly seed: number
}

export interface Trial {
  /** Hash of the specification. */
  readonly id: string
  readonly spec: TrialSpec
  readonly labels: readonly TrialLabel[]
  /** Whether another trial goes on with this one's optimizer state. */
  readonly keepState: boolean
}

/** Which arms are compared, and by which validation loss they are timed. */
export interface ExperimentPlan {
  readonly name: string
  readonly teacher?: string
  /** Arms in their order, without the teacher. */
  readonly arms: readonly string[]
  /** Pairs of arms: the first is asked to be better. */
  readonly compare: readonly (readonly [string, string])[]
  /** A validation loss, or the arm whose final loss (of the same seed) it is. */
  readonly target?: number | string
}

export interface SweepPlan {
  readonly name: string
  readonly experiments: readonly ExperimentPlan[]
  /** Parents come before their children. */
  readonly trials: readonly Trial[]
}

/** Names in `from` that are no arms of the file. */
export const teacherArmName = 'teacher'
export const scratchName = 'scratch'

/** How a trial is called in messages. */
export const trialTitle = ({ labels: [label] }: Pick<Trial, 'labels'>): string =>
  label ? `${label.experiment}/${label.arm}, seed ${label.seed}` : 'unnamed trial'

export interface CurvePoint {
  readonly step: number
  readonly epoch: number
  readonly valLoss: number
  readonly valAccuracy: number
}

/** What a trial yields. `outcome` is the same bits wherever it ran; `cost` is not. */
export interface TrialResult {
  readonly id: string
  readonly spec: TrialSpec
  readonly outcome: {
    readonly parameters: number
    /** Before the first step, and from then on as often as the specification says. */
    readonly curve: readonly CurvePoint[]
    /** Means over the epochs' samples. */
    readonly epochs: readonly { readonly epoch: number; readonly loss: number }[]
    readonly growths: readonly { readonly step: number; readonly parameters: number }[]
    readonly steps: number
    /** SHA-256 of the trained network's file. */
    readonly model: string
  }
  readonly cost: {
    /** Of training alone, validations left out, at each point of the curve. */
    readonly seconds: readonly number[]
    /** Processor time of the same. */
    readonly processorSeconds: readonly number[]
    readonly finished: string
    readonly environment: Readonly<Record<string, string | number>>
    /** How often it went on from a checkpoint. */
    readonly resumed: number
  }
}

export interface TrialFailure {
  readonly id: string
  readonly kind: string
  readonly message: string
}

export interface TrialProgress {
  readonly id: string
  readonly step: number
  readonly steps: number
  /** Of the last step. */
  readonly loss: number
  readonly accuracy?: number
}

/** Steps of a whole trial. */
export const stepsOf = (spec: TrialSpec, samples: number): number =>
  spec.epochs * Math.ceil(samples / spec.batchSize)
