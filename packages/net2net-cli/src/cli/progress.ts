/** Progress of long work: bars on a terminal, a plain line now and then elsewhere. */
import { MultiBar, Presets } from 'cli-progress'
import type { Io } from './command.ts'
import { grouped } from './table.ts'

const lineEverySeconds = 10

/** One piece of work. */
export interface Task {
  /** How much is done, and a few words on how it goes. */
  update(done: number, detail?: string): void
  stop(): void
}

export interface TaskOptions {
  /** What is counted (samples, say): then it is shown how many there are in a second. */
  readonly unit?: string
  /** How much comes after this piece: the time that is left for all is shown beside its own. */
  readonly later?: number
}

export interface Progress {
  /** Begins work of size `total`, if that is known. */
  task(title: string, total: number | undefined, options?: TaskOptions): Task
  /** Prints a line that stays, above the bars. */
  line(text: string): void
  /** Takes all bars away. */
  stop(): void
}

export const progress = (io: Io): Progress => (io.isTerminal ? bars(io) : lines(io))

function bars(io: Io): Progress {
  const { env } = io
  const plain = env.NO_COLOR !== undefined && env.NO_COLOR !== ''
  const view = new MultiBar(
    {
      format: '{title} {bar} {percentage}%  {detail}',
      hideCursor: true,
      clearOnComplete: true,
      fps: 10,
      barsize: 20,
      gracefulExit: false,
    },
    plain ? Presets.legacy : Presets.shades_classic,
  )
  return {
    task(title, total, options) {
      if (total === undefined) return countedTask(io, title, options)
      const bar = view.create(total, 0, { title, detail: '' })
      const estimate = estimator(total, options)
      return {
        update: (done, detail = '') => bar.update(done, { detail: joined(detail, estimate(done)) }),
        stop: () => void view.remove(bar),
      }
    },
    line: (text) => view.log(`${text}\n`),
    stop: () => view.stop(),
  }
}

function lines(io: Io): Progress {
  return {
    task(title, total, options) {
      if (total === undefined) return countedTask(io, title, options)
      const estimate = estimator(total, options)
      const isDue = everySoOften()
      return {
        update(done, detail = '') {
          const left = estimate(done)
          if (done === 0 || done >= total || !isDue()) return
          const share = `${Math.floor((100 * done) / total)}%`
          io.err(`${title}: ${joined(share, detail, left)}\n`)
        },
        stop() {},
      }
    },
    line: (text) => io.err(`${text}\n`),
    stop() {},
  }
}

/** Of a size that is not known: a line now and then says how much is done. */
function countedTask(io: Io, title: string, options: TaskOptions | undefined): Task {
  const estimate = estimator(undefined, options)
  const isDue = everySoOften()
  return {
    update(done, detail = '') {
      const speed = estimate(done)
      if (isDue()) io.err(`${title}: ${joined(`${done} done`, detail, speed)}\n`)
    },
    stop() {},
  }
}

const joined = (...parts: readonly string[]): string =>
  parts.filter((part) => part !== '').join('  ')

function everySoOften(): () => boolean {
  let last = Date.now()
  return () => {
    const now = Date.now()
    if (now - last < lineEverySeconds * 1000) return false
    last = now
    return true
  }
}

/** How fast it goes, and how long it takes until the end. */
function estimator(total: number | undefined, { unit, later = 0 }: TaskOptions = {}) {
  // What was done before, by an earlier process or while things were loaded, says nothing of the speed.
  let first: { readonly done: number; readonly at: number } | undefined
  return (all: number): string => {
    first ??= { done: all, at: Date.now() }
    const done = all - first.done
    const seconds = (Date.now() - first.at) / 1000
    if (done === 0 || seconds === 0) return ''
    const left = (more: number) => duration((seconds / done) * more)
    const whole = later > 0 && total !== undefined ? `, ${left(total - all + later)} in all` : ''
    return joined(
      unit === undefined ? '' : `${speed(done / seconds)} ${unit}/s`,
      total === undefined ? '' : `about ${left(total - all)} left${whole}`,
    )
  }
}

const speed = (perSecond: number): string =>
  perSecond < 10 ? perSecond.toPrecision(2) : grouped(Math.round(perSecond))

/** Loss and accuracy so far. */
export const measuredText = (loss: number, accuracy?: number | undefined): string =>
  joined(
    `loss ${loss.toFixed(4)}`,
    accuracy === undefined ? '' : `accuracy ${(100 * accuracy).toFixed(2)}%`,
  )

/** `75` → `1 min 15 s` */
export function duration(seconds: number): string {
  const whole = Math.round(seconds)
  if (whole < 60) return `${whole} s`
  const minutes = Math.floor(whole / 60)
  return minutes < 60
    ? `${minutes} min ${whole % 60} s`
    : `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}
