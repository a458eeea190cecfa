/** Carries an exploration out: begins jobs, waits for what comes of them, and writes everything down in its order. */
import { Net2NetError, usageError } from '../errors.ts'
import {
  type EndReason,
  type ExplorationRecord,
  keyOf,
  type NetworkAtRung,
  type RungJob,
  type RungOutcome,
} from './records.ts'
import { type Entry, type ExploredNetwork, Search, type SearchSettings } from './search.ts'

export interface RungProgress extends NetworkAtRung {
  /** Steps of the rung that are done. */
  readonly step: number
  readonly steps: number
  /** Of the last step. */
  readonly loss: number
}

/** Whoever trains: this program, other processes, other machines. */
export interface RungRunner {
  /** @throws interrupted where the signal said so; other errors end the exploration */
  run(
    job: RungJob,
    options: {
      readonly signal: AbortSignal
      readonly onProgress: (progress: RungProgress) => void
    },
  ): Promise<RungOutcome>
}

/** Where the records of an exploration are kept: with them it goes on after whatever stopped it. */
export interface ExplorationJournal {
  /** What was written before, in its order. */
  readonly records: readonly ExplorationRecord[]
  /** Keeps a record for good before the promise is fulfilled. */
  append(record: ExplorationRecord): Promise<void>
}

export interface ExplorationOptions {
  readonly runner: RungRunner
  /** Networks that train at a time; default 1. */
  readonly jobs?: number | undefined
  readonly journal?: ExplorationJournal | undefined
  /**
   * The records of an exploration with the same settings that is gone through again: outcomes are taken in the order in which
   * they came then, so that every decision is the same, however many jobs there are.
   */
  readonly follow?: readonly ExplorationRecord[] | undefined
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: ((progress: RungProgress) => void) | undefined
}

export type ExplorationEvent =
  | { readonly kind: 'start'; readonly job: RungJob }
  | (NetworkAtRung & {
      readonly kind: 'finish'
      readonly job: RungJob
      readonly outcome: RungOutcome
      /** As of now, the best predictions first. */
      readonly front: readonly Entry[]
    })
  | { readonly kind: 'end'; readonly reason: EndReason }

interface Ended {
  readonly job: RungJob
  readonly result: { readonly outcome: RungOutcome } | { readonly error: unknown }
}

/**
 * An exploration that is under way. Iterating carries it out; interrupted, it goes on from its journal.
 *
 * @throws usage for a journal of other settings; interrupted, where the signal said so; as the runner
 */
export class Exploration implements AsyncIterable<ExplorationEvent> {
  readonly #settings: SearchSettings
  readonly #options: ExplorationOptions
  readonly #search: Search
  readonly #follow: ExplorationRecord[]

  constructor(settings: SearchSettings, options: ExplorationOptions) {
    this.#settings = settings
    this.#options = options
    this.#search = new Search(settings)
    const { records = [] } = options.journal ?? {}
    for (const record of records) {
      if (record.kind === 'begin') mustBeSame(record, decisive(settings))
      this.#search.apply(record)
    }
    const { follow = [] } = options
    for (const record of follow) if (record.kind === 'begin') mustBeSame(record, decisive(settings))
    const done = records.filter(isDecision).length
    this.#follow = follow.filter(isDecision).slice(done)
  }

  /** All networks so far. */
  get networks(): readonly ExploredNetwork[] {
    return this.#search.networks
  }

  /** Networks, each at its best rung, that none is better than in everything; the best predictions first. */
  get front(): readonly Entry[] {
    return this.#search.front
  }

  /**
   * Networks at rungs that something may still begin from, that are being made, or that are on the front: the files of others are
   * not needed any more.
   */
  get needed(): readonly NetworkAtRung[] {
    const latest = this.networks.flatMap(({ network, rungs }) => {
      const rung = rungs.findLastIndex(({ kind }) => kind === 'trained')
      return rung < 0 ? [] : [{ network, rung }]
    })
    const running = this.#search.running.flatMap(({ network, rung, growth }) => [
      { network, rung },
      ...(growth ? [growth.parent] : rung > 0 ? [{ network, rung: rung - 1 }] : []),
    ])
    return [...latest, ...running, ...this.front]
  }

  /** What has been spent. */
  get spent(): { readonly trials: number; readonly steps: number; readonly seconds: number } {
    const { trials, stepsTaken: steps, seconds } = this.#search
    return { trials, steps, seconds }
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<ExplorationEvent, void> {
    const { journal, jobs = 1 } = this.#options
    const search = this.#search
    const before = search.seconds
    const begun = performance.now()
    const seconds = () => before + (performance.now() - begun) / 1000
    let last = journal?.records.at(-1)?.kind
    const write = async (record: ExplorationRecord) => {
      await journal?.append(record)
      last = record.kind
      search.apply(record)
    }
    const stop = new AbortController()
    const crew = new Crew(this.#options, stop.signal)
    const abort = () => stop.abort()
    this.#options.signal?.addEventListener('abort', abort)
    try {
      this.#throwIfAborted()
      if ((journal?.records.length ?? 0) === 0)
        await write({ kind: 'begin', version, settings: decisive(this.#settings) })
      for (const job of search.running) {
        crew.begin(this.#measured(job))
        yield { kind: 'start', job }
      }
      for (;;) {
        this.#throwIfAborted()
        const job = crew.size < jobs || this.#follow.length > 0 ? this.#next(seconds()) : undefined
        if (job) {
          await write({ kind: 'start', job, seconds: seconds() })
          crew.begin(this.#measured(job))
          yield { kind: 'start', job }
          continue
        }
        if (crew.size === 0) break
        const { job: ended, result } = await crew.next(this.#awaited())
        if ('error' in result) throw result.error
        const { outcome } = result
        const { network, rung } = ended
        await write({ kind: 'finish', network, rung, outcome, seconds: seconds() })
        this.#follow.shift()
        yield { kind: 'finish', network, rung, job: ended, outcome, front: search.front }
      }
      const reason = search.endReason ?? 'nothing left'
      if (last !== 'end') await write({ kind: 'end', reason, seconds: seconds() })
      yield { kind: 'end', reason }
    } finally {
      // Whoever stops iterating stops what runs.
      stop.abort()
      this.#options.signal?.removeEventListener('abort', abort)
      await crew.settled()
    }
  }

  #throwIfAborted(): void {
    if (this.#options.signal?.aborted)
      throw new Net2NetError('interrupted', 'The exploration was interrupted.')
  }

  /** The next decision: that of the records that are followed, or a new one. */
  #next(seconds: number): RungJob | undefined {
    const [record] = this.#follow
    if (!record) return this.#search.next(seconds)
    if (record.kind !== 'start') return undefined
    this.#follow.shift()
    return record.job
  }

  /** With the latency that was measured at an earlier rung, or when the followed records were made. */
  #measured(job: RungJob): RungJob {
    for (const outcome of this.#search.networks[job.network]?.rungs ?? [])
      if (outcome.kind === 'trained' && outcome.latency !== undefined)
        return { ...job, latency: outcome.latency }
    const record = this.#options.follow?.find(
      (each) => each.kind === 'finish' && keyOf(each) === keyOf(job),
    )
    if (record?.kind !== 'finish') return job
    const { outcome } = record
    if (outcome.kind === 'trained' && outcome.latency !== undefined)
      return { ...job, latency: outcome.latency }
    return outcome.kind === 'beyond' && outcome.limit === 'latency'
      ? { ...job, latency: outcome.value }
      : job
  }

  /** The job whose outcome comes next, where records are followed. */
  #awaited(): string | undefined {
    const [record] = this.#follow
    return record?.kind === 'finish' ? keyOf(record) : undefined
  }
}

const isDecision = ({ kind }: ExplorationRecord): boolean => kind === 'start' || kind === 'finish'

/** The settings that decide; budgets may change from run to run. */
const decisive = ({ budget: _, ...settings }: SearchSettings): unknown =>
  JSON.parse(JSON.stringify(settings))

/** Rises when the same records lead to other decisions. */
const version = 3

function mustBeSame(
  recorded: Extract<ExplorationRecord, { kind: 'begin' }>,
  settings: unknown,
): void {
  if (recorded.version !== version)
    throw usageError('The journal is of another version, whose decisions were others.', {
      hint: 'Begin a new exploration; its first network may be one that the old one found.',
    })
  if (JSON.stringify(recorded.settings) !== JSON.stringify(settings))
    throw usageError('The journal is of an exploration with other settings.', {
      hint: 'Give all options of that exploration again.',
    })
}

/** The jobs that run, and those that have ended and were not taken yet. */
class Crew {
  readonly #options: ExplorationOptions
  readonly #signal: AbortSignal
  readonly #running = new Map<string, Promise<unknown>>()
  readonly #ended: Ended[] = []
  #wake: () => void = () => {}

  constructor(options: ExplorationOptions, signal: AbortSignal) {
    this.#options = options
    this.#signal = signal
  }

  get size(): number {
    return this.#running.size + this.#ended.length
  }

  begin(job: RungJob): void {
    const { runner, onProgress = () => {} } = this.#options
    const end = (result: Ended['result']) => {
      this.#running.delete(keyOf(job))
      this.#ended.push({ job, result })
      this.#wake()
    }
    const work = runner.run(job, { signal: this.#signal, onProgress }).then(
      (outcome) => end({ outcome }),
      (error: unknown) => end({ error }),
    )
    this.#running.set(keyOf(job), work)
  }

  /** The job that ended first, or the one with this key. */
  async next(key: string | undefined): Promise<Ended> {
    for (;;) {
      const at = this.#ended.findIndex(
        ({ job, result }) => key === undefined || 'error' in result || keyOf(job) === key,
      )
      if (at >= 0) return this.#ended.splice(at, 1)[0]!
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }

  async settled(): Promise<void> {
    await Promise.allSettled(this.#running.values())
  }
}
