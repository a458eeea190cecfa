/** The curves of a run, aligned at the moment of growth. */
import { smoothed } from '../../../src/report/smooth.ts'
import type { Line } from '../ui/line.ts'
import { armTitle } from './arm-names.ts'
import { armDash, armSeries } from './arms.ts'

/** What the curves need of an arm, from this page's training or from a run's files. */
export interface Curve {
  readonly name: string
  readonly steps: readonly number[]
  readonly losses: readonly number[]
  readonly epochs: readonly {
    readonly valLoss?: number | null | undefined
    readonly valAccuracy?: number | null | undefined
  }[]
  readonly initial?: { readonly valLoss: number; readonly valAccuracy?: number | undefined }
  /** undefined: as the experiment's arm of that name. */
  readonly look?: Look | undefined
  /** Epochs since growth before it began; of steps that is in their numbers. */
  readonly epochsBefore?: number | undefined
}

/** How a network is called and drawn. */
export type Look = Pick<Line, 'colour' | 'dash' | 'label'>

export const lookOf = (arm: { readonly name: string; readonly look?: Look | undefined }): Look =>
  arm.look ?? {
    label: armTitle(arm.name),
    colour: `series-${armSeries(arm.name)}`,
    dash: armDash(arm.name),
  }

const mostPoints = 600

/**
 * Training loss by images since growth, so that arms and runs with other batches are compared on equal images. The teacher's lie
 * left of 0, where they are as many as planned.
 */
export function lossLines(
  curves: readonly Curve[],
  { teacherSteps, batchSize }: { readonly teacherSteps: number; readonly batchSize: number },
): Line[] {
  return curves.map((curve) => {
    const shift = isTeacher(curve) ? -teacherSteps : 0
    const smooth = smoothed(curve.losses)
    const every = Math.max(1, Math.ceil(curve.steps.length / mostPoints))
    const at = (values: readonly number[]) =>
      curve.steps.flatMap((step, i) =>
        (i % every === 0 || i === curve.steps.length - 1) && values[i]! > 0
          ? [[(step + shift) * batchSize, values[i]!] as const]
          : [],
      )
    return { ...lookOf(curve), points: at(smooth), raw: at(curve.losses) }
  })
}

/** Validation figures per epoch; the students begin at 0 with what growth gave them. */
export function validationLines(
  curves: readonly Curve[],
  figure: 'valLoss' | 'valAccuracy',
  teacherEpochs: number,
): Line[] {
  return curves.map((curve) => {
    const shift = isTeacher(curve) ? -teacherEpochs : (curve.epochsBefore ?? 0)
    const first = curve.initial?.[figure]
    const start = first === undefined ? [] : [[curve.epochsBefore ?? 0, first] as const]
    const points = curve.epochs.flatMap((epoch, i) => {
      const value = epoch[figure]
      return typeof value === 'number' ? [[i + 1 + shift, value] as const] : []
    })
    return { ...lookOf(curve), marks: true, points: [...start, ...points] }
  })
}

const isTeacher = (curve: Curve) => curve.name === 'teacher'
