/** Learning rates over time. A schedule is plain data; a function evaluates it. */
import { usageError } from '../errors.ts'

export type Schedule =
  | { readonly kind: 'constant'; readonly rate: number }
  /** Multiplied by `factor` at every `every`-th epoch. */
  | {
      readonly kind: 'step'
      readonly rate: number
      readonly every: number
      readonly factor: number
    }
  /** From `rate` to `end` over `epochs` along half a cosine (Loshchilov and Hutter 2017). */
  | {
      readonly kind: 'cosine'
      readonly rate: number
      readonly end: number
      readonly epochs: number
    }
  /**
   * `rate`, and over the last part of `epochs` (`decay` of them) linearly down to `end`: warm-up (with `warmUp`), stable, decay (Hu et al. 2024,
   * MiniCPM).
   */
  | {
      readonly kind: 'wsd'
      readonly rate: number
      readonly end: number
      readonly epochs: number
      readonly decay: number
    }
  /**
   * Along half cosines from `rate` / 25 up to `rate`, over the first part of `epochs` (`rise` of them), and down to `rate` / 250,000 (Smith and
   * Topin 2018, with the numbers of PyTorch's OneCycleLR).
   */
  | {
      readonly kind: 'one-cycle'
      readonly rate: number
      readonly epochs: number
      readonly rise: number
    }
  /** Rises linearly from 0 over the first `steps` steps, then follows `next`. */
  | { readonly kind: 'warm-up'; readonly steps: number; readonly next: Schedule }
  /** Multiplied by `factor` whenever the watched loss has not improved for `patience` epochs. */
  | {
      readonly kind: 'plateau'
      readonly rate: number
      readonly factor: number
      readonly patience: number
      readonly minimum: number
    }

/** A number is a constant rate. */
export type LearningRate = number | Schedule

export const constant = (rate: number): Schedule => ({ kind: 'constant', rate: positive(rate) })
export const stepDecay = (rate: number, every: number, factor = 0.1): Schedule => ({
  kind: 'step',
  rate: positive(rate),
  every: span('every', every),
  factor: notNegative('factor', factor),
})
export const cosine = (rate: number, epochs: number, end = 0): Schedule => ({
  kind: 'cosine',
  rate: positive(rate),
  end: notNegative('end', end),
  epochs: span('epochs', epochs),
})
export const warmupStableDecay = (
  rate: number,
  epochs: number,
  { decay = 0.2, end = 0 } = {},
): Schedule => ({
  kind: 'wsd',
  rate: positive(rate),
  end: notNegative('end', end),
  epochs: span('epochs', epochs),
  decay: share('decay', decay),
})
export const oneCycle = (rate: number, epochs: number, { rise = 0.3 } = {}): Schedule => ({
  kind: 'one-cycle',
  rate: positive(rate),
  epochs: span('epochs', epochs),
  rise: share('rise', rise),
})
export const warmUp = (steps: number, next: LearningRate): Schedule => ({
  kind: 'warm-up',
  steps: notNegative('steps', steps),
  next: scheduleOf(next),
})
export const reduceOnPlateau = (
  rate: number,
  { factor = 0.1, patience = 2, minimum = 0 } = {},
): Schedule => ({
  kind: 'plateau',
  rate: positive(rate),
  factor: notNegative('factor', factor),
  patience: notNegative('patience', patience),
  minimum: notNegative('minimum', minimum),
})

export const scheduleOf = (rate: LearningRate): Schedule =>
  typeof rate === 'number' ? constant(rate) : rate

/** The same course at another height. */
export function scaled(schedule: Schedule, factor: number): Schedule {
  switch (schedule.kind) {
    case 'warm-up':
      return { ...schedule, next: scaled(schedule.next, factor) }
    case 'cosine':
    case 'wsd':
      return { ...schedule, rate: schedule.rate * factor, end: schedule.end * factor }
    case 'plateau':
      return { ...schedule, rate: schedule.rate * factor, minimum: schedule.minimum * factor }
    default:
      return { ...schedule, rate: schedule.rate * factor }
  }
}

function positive(rate: number): number {
  if (rate >= 0 && Number.isFinite(rate)) return rate
  throw usageError(`The learning rate must be a number that is not negative, not ${rate}.`)
}

function notNegative(name: string, value: number): number {
  if (value >= 0 && Number.isFinite(value)) return value
  throw usageError(`${name} of a schedule must be a number that is not negative, not ${value}.`)
}

/** A length of time: of none, a rate would become NaN. */
function span(name: string, value: number): number {
  if (value > 0 && Number.isFinite(value)) return value
  throw usageError(`${name} of a schedule must be a positive number, not ${value}.`)
}

function share(name: string, value: number): number {
  if (value > 0 && value < 1) return value
  throw usageError(`${name} of a schedule must be between 0 and 1, not ${value}.`)
}

/** Where training stands. */
export interface Moment {
  /** Steps done before this one. */
  readonly step: number
  /** Epochs done, with the part of the running one: 1.5 is the middle of the second. */
  readonly epoch: number
  /** Steps of an epoch, where they are known. */
  readonly batches?: number | undefined
  readonly plateau: PlateauState
}

/** What reduce-on-plateau remembers. */
export interface PlateauState {
  readonly best: number
  /** Epochs since the best one. */
  readonly waited: number
  readonly reductions: number
}

export const freshPlateau: PlateauState = {
  best: Number.POSITIVE_INFINITY,
  waited: 0,
  reductions: 0,
}

/** The learning rate of the step at `moment`. */
export function rateAt(schedule: Schedule, moment: Moment): number {
  switch (schedule.kind) {
    case 'constant':
      return schedule.rate
    case 'step':
      return schedule.rate * schedule.factor ** Math.floor(moment.epoch / schedule.every)
    case 'cosine': {
      const { rate, end, epochs } = schedule
      const done = Math.min(1, moment.epoch / epochs)
      return end + ((rate - end) * (1 + Math.cos(Math.PI * done))) / 2
    }
    case 'wsd': {
      const { rate, end, epochs, decay } = schedule
      const left = Math.max(0, 1 - moment.epoch / epochs)
      return end + (rate - end) * Math.min(1, left / decay)
    }
    case 'one-cycle': {
      const { rate, epochs, rise } = schedule
      // As in PyTorch, the peak and the end are at the last step of their part, not behind it.
      const step = moment.batches === undefined ? 0 : 1 / (epochs * moment.batches)
      const top = rise - step
      const done = Math.min(1 - step, moment.epoch / epochs)
      const first = rate / 25
      return done < top
        ? alongCosine(first, rate, done / top)
        : alongCosine(rate, first / 1e4, (done - top) / (1 - rise))
    }
    case 'warm-up': {
      const rise = Math.min(1, (moment.step + 1) / schedule.steps)
      return rise * rateAt(schedule.next, moment)
    }
    case 'plateau':
      return Math.max(
        schedule.minimum,
        schedule.rate * schedule.factor ** moment.plateau.reductions,
      )
  }
}

/** From one value to another along half a cosine. */
const alongCosine = (from: number, to: number, done: number): number =>
  to + ((from - to) * (1 + Math.cos(Math.PI * done))) / 2

const plateauOf = (schedule: Schedule): Extract<Schedule, { kind: 'plateau' }> | undefined =>
  schedule.kind === 'plateau'
    ? schedule
    : schedule.kind === 'warm-up'
      ? plateauOf(schedule.next)
      : undefined

/** The plateau's memory after an epoch with this loss. */
export function afterEpoch(schedule: Schedule, state: PlateauState, loss: number): PlateauState {
  const plateau = plateauOf(schedule)
  if (loss < state.best) return { ...state, best: loss, waited: 0 }
  const waited = state.waited + 1
  return plateau && waited > plateau.patience
    ? { ...state, waited: 0, reductions: state.reductions + 1 }
    : { ...state, waited }
}
