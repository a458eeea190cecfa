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
