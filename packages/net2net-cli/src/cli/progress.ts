/** Progress of long work: bars on a terminal, a plain line now and then elsewhere. */
import { MultiBar, Presets } from 'cli-progress'
import type { Io } from './command.ts'

const lineEverySeconds = 10

/** One piece of work. */
export interface Task {
  /** How much is done, and a few words on how it goes. */
  update(done: number, detail?: string): void
  stop(): void
}

export interface Progress {
  /** Begins work of size `total`. */
  task(title: string, total: number): Task
  /** Prints a line that stays, above the bars. */
  line(text: string): void
  /** Takes all bars away. */
  stop(): void
}

export const progress = (io: Io): Progress => (io.isTerminal ? bars(io) : lines(io))

function bars({ env }: Io): Progress {
  const plain = env.NO_COLOR !== undefined && env.NO_COLOR !== ''
  const view = new MultiBar(
    {
      format: '{title} {bar} {percentage}%  {detail}  {eta_formatted} left',
      hideCursor: true,
      clearOnComplete: true,
      etaBuffer: 50,
      fps: 10,
      barsize: 20,
      gracefulExit: false,
    },
    plain ? Presets.legacy : Presets.shades_classic,
  )
  return {
    task(title, total) {
      const bar = view.create(total, 0, { title, detail: '' })
      return {
        update: (done, detail = '') => bar.update(done, { detail }),
        stop: () => void view.remove(bar),
      }
    },
    line: (text) => view.log(`${text}\n`),
    stop: () => view.stop(),
  }
}

function lines(io: Io): Progress {
  return {
    task(title, total) {
      const start = Date.now()
      let last = start
      return {
        update(done, detail = '') {
          const now = Date.now()
          if (now - last < lineEverySeconds * 1000 || done === 0 || done >= total) return
          last = now
          const left = duration(((now - start) / 1000 / done) * (total - done))
          io.err(`${title}: ${Math.floor((100 * done) / total)}%  ${detail}  about ${left} left\n`)
        },
        stop() {},
      }
    },
    line: (text) => io.err(`${text}\n`),
    stop() {},
  }
}

/** A task whose size may be unknown: then a line now and then says how much is done. */
export function counted(view: Progress, io: Io, title: string, total: number | undefined): Task {
  if (total !== undefined) return view.task(title, total)
  let last = Date.now()
  return {
    update(done) {
      const now = Date.now()
      if (now - last < lineEverySeconds * 1000) return
      last = now
      io.err(`${title}: ${done} done\n`)
    },
    stop() {},
  }
}

/** `75` → `1 min 15 s` */
export function duration(seconds: number): string {
  const whole = Math.round(seconds)
  if (whole < 60) return `${whole} s`
  const minutes = Math.floor(whole / 60)
  return minutes < 60
    ? `${minutes} min ${whole % 60} s`
    : `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}
