/** What a report is made of: a finished (or stopped) run, as plain data. */

export interface EpochRecord {
  readonly epoch: number
  readonly loss: number
  /** Absent where nothing is classified, or nothing was validated. */
  readonly accuracy?: number | undefined
  readonly valLoss?: number | undefined
  readonly valAccuracy?: number | undefined
  readonly seconds: number
}

/** What `evaluate` measures. A figure that is not finite is NaN. */
export interface EvaluationRecord {
  readonly metrics: Readonly<
    Record<
      string,
      {
        readonly value: number
        readonly low?: number | undefined
        readonly high?: number | undefined
        readonly interval?: 'wilson' | 'normal' | 'bootstrap' | undefined
      }
    >
  >
  readonly perClass?:
    | readonly {
        readonly class: string
        readonly precision: number
        readonly recall: number
        readonly f1: number
        readonly support: number
      }[]
    | undefined
  readonly confusion?: readonly (readonly number[])[] | undefined
}

export interface ArmRecord {
  readonly name: string
  readonly parameters: number
  /** Multiply-adds of one forward pass on one sample. */
  readonly multiplyAdds?: number | null
  readonly epochs: readonly EpochRecord[]
  /** Whether the network grew after an epoch, and why. */
  readonly decisions?: readonly DecisionRecord[] | undefined
  /** What was kept and what was forgotten of earlier data, where these were replayed. */
  readonly forgetting?: ForgettingRecord | undefined
  /** Students: measured before their first step. */
  readonly initial?: { readonly valLoss: number; readonly valAccuracy: number }
  /** Of the trained network (the best one, where that is kept), on the validation data. */
  readonly evaluation?: EvaluationRecord | undefined
  /** The layers in the order of the network, where the trained model was kept. */
  readonly layers?: readonly LayerRecord[]
}

export interface DecisionRecord {
  readonly epoch: number
  readonly grow: boolean
  readonly reason: string
  /** Before it grew. */
  readonly parameters: number
}

/** How a class, or all of them, was told before and after a training. */
export interface Retention {
  readonly samples: number
  readonly before: number
  readonly after: number
}

export interface ForgettingRecord {
  /** Share of right predictions, or the loss where nothing is classified, on samples of the earlier data. */
  readonly measure: 'accuracy' | 'loss'
  /** Whether these samples were held out of the training; else they are some of its own. */
  readonly heldOut: boolean
  readonly old: Retention
  /** What is worse than before: accuracy that was lost, or loss that was added; negative where it is better. */
  readonly forgetting: number
  /** Each class of old and new samples: share of its samples that were told right. */
  readonly perClass: readonly (Retention & { readonly class: string })[]
  readonly newClasses: readonly string[]
}

export interface LayerRecord {
  readonly name: string
  readonly op: string
  readonly width: number | null
}

/** The training loss of one step (or the mean of a few). */
export interface StepRecord {
  readonly arm: string
  /** Counted from the arm's first step. */
  readonly step: number
  readonly loss: number
}

export interface RunRecord {
  /** What to call the run: its folder's name. */
  readonly name: string
  readonly seed: number
  readonly arms: readonly ArmRecord[]
  readonly steps: readonly StepRecord[]
  /** Facts about how it was run (command, date, machine, versions), in order. */
  readonly facts: readonly (readonly [name: string, value: string])[]
}

export const teacherName = 'teacher'

/** How each arm is called in sentences and legends; other arms are called as they are. */
const titles: Readonly<Record<string, string>> = {
  teacher: 'Teacher',
  wider_random_pad: 'Wider, random padding',
  wider_net2wider: 'Wider, Net2Wider',
  wider_net2wider_exact: 'Wider, Net2Wider, exact',
  wider_from_scratch: 'Wider, from scratch',
  deeper_random_init: 'Deeper, random layers',
  deeper_net2deeper: 'Deeper, Net2Deeper',
  deeper_from_scratch: 'Deeper, from scratch',
  teacher_continued: 'Teacher, continued',
}

export const armTitle = (name: string): string => titles[name] ?? name.replaceAll('_', ' ')

/** Arm names over all runs, each once, in order of appearance. */
export const armNames = (runs: readonly RunRecord[]): readonly string[] => [
  ...new Set(runs.flatMap((run) => run.arms.map((arm) => arm.name))),
]

/** Was any arm measured on data that it did not learn? */
export const isValidated = (runs: readonly RunRecord[]): boolean =>
  runs.some((run) =>
    run.arms.some((arm) => arm.epochs.some((epoch) => epoch.valLoss !== undefined)),
  )

/** Every run's record of one arm. */
export const armsCalled = (runs: readonly RunRecord[], name: string): readonly ArmRecord[] =>
  runs.flatMap((run) => run.arms.filter((arm) => arm.name === name))

export const mean = (values: readonly number[]): number =>
  values.reduce((total, value) => total + value, 0) / values.length
