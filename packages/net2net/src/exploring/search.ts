/**
 * The search: what to do next, as a function of what has happened. Asynchronous successive halving (ASHA, Li et al.,
 * arXiv:1810.05934, without a largest resource unless one is given): of the networks that reached a rung the best 1/η go on to
 * the next one, η times as far; where none may, a new network grows from one of the best. Several objectives are
 * ordered by nondominated sorting (arXiv:2106.12639).
 *
 * What a network knows it has from its parent, so that it begins at the parent's rung: it is trained for 1/η of what the rung takes from
 * scratch, and is compared with networks that were trained for as long. Costs are what children and parents never agree on: a
 * child is better and larger. So the smallest of equals goes first, whose steps are cheap and serve all that grow from it, and no rung may
 * take more than 1/η of all compute so far, its own included, nor of what is left of the budget: what grows from the network takes the rest.
 *
 * It knows neither models nor data nor time: the same records give the same decisions.
 */
import { inputError, usageError } from '../errors.ts'
import { randomStream } from '../tensor/random.ts'
import { bestFirst, paretoFront } from './front.ts'
import { type Objectives, pointOf } from './objectives.ts'
import {
  type EndReason,
  type ExplorationRecord,
  type GrowthDraw,
  keyOf,
  type NetworkAtRung,
  type RungJob,
  type RungOutcome,
  type Trained,
} from './records.ts'

export interface Rungs {
  /** Steps of the first rung; default 200. */
  readonly steps?: number | undefined
  /** η: the best 1/η go on, and each rung ends after η times as many steps. Default 3. */
  readonly factor?: number | undefined
  /** How many there are at most. Default: no end. */
  readonly most?: number | undefined
  /**
   * Where a network begins that grew: at the rung that its parent reached (the default), or at the first one, as in searches in which nothing
   * is inherited.
   */
  readonly children?: 'first' | 'parent' | undefined
}

export interface Budget {
  /** Networks, the first one included. */
  readonly trials?: number | undefined
  /** Of all networks together. */
  readonly steps?: number | undefined
  /** Wall time; rungs that have begun are finished. */
  readonly seconds?: number | undefined
}

export interface SearchSettings {
  /** Default 0. */
  readonly seed?: number | undefined
  readonly rungs?: Rungs | undefined
  readonly objectives?: Objectives | undefined
  /** Share of growths that are chosen at random, so that the search is not blind where gains mislead. Default 0.25. */
  readonly randomShare?: number | undefined
  readonly budget: Budget
}

/** A network of the search. */
export interface ExploredNetwork {
  readonly network: number
  readonly growth?: GrowthDraw
  /** What came of each of its rungs, so far. */
  readonly rungs: readonly RungOutcome[]
}

/** A trained network, with where it stands. */
export interface Entry extends NetworkAtRung {
  readonly measured: Trained
}

interface Network extends ExploredNetwork {
  readonly rungs: RungOutcome[]
}

export class Search {
  readonly #seed: number
  readonly #steps: number
  readonly #factor: number
  readonly #mostRungs: number
  readonly #inherits: boolean
  readonly #randomShare: number
  readonly #objectives: Objectives
  readonly #budget: Budget
  readonly #networks: Network[] = []
  /** By key, in the order in which they began. */
  readonly #running = new Map<string, RungJob>()
  /** Parents and ways of choosing that have no candidates left. */
  readonly #exhausted = new Set<string>()
  #seconds = 0
  #stepsTaken = 0
  /** Steps times what a step costs, of all rungs that have ended. */
  #costTaken = 0
  /** Of all rungs that have ended, one after the other. */
  #secondsTaken = 0
  /** As of the decision that is made. */
  #now = 0
  #end: EndReason | undefined

  /** @throws usage for settings that no search can have */
  constructor({
    seed = 0,
    rungs = {},
    objectives = {},
    randomShare = 0.25,
    budget,
  }: SearchSettings) {
    this.#seed = seed
    this.#steps = rungs.steps ?? 200
    this.#factor = rungs.factor ?? 3
    this.#mostRungs = rungs.most ?? Number.POSITIVE_INFINITY
    this.#inherits = rungs.children !== 'first'
    this.#objectives = objectives
    this.#randomShare = randomShare
    this.#budget = budget
    const isCount = (value: number) => Number.isInteger(value) && value >= 1
    if (!isCount(this.#steps)) throw usageError('rungs.steps must be a whole number from 1 on.')
    if (!(this.#factor > 1)) throw usageError('rungs.factor must be above 1.')
    if (rungs.most !== undefined && !isCount(rungs.most))
      throw usageError('rungs.most must be a whole number from 1 on.')
    if (!['first', 'parent', undefined].includes(rungs.children))
      throw usageError(`rungs.children must be first or parent, not ${rungs.children}.`)
    if (!(randomShare >= 0 && randomShare <= 1))
      throw usageError('randomShare must be a number from 0 to 1.')
    const limits = Object.entries(budget).filter(([, value]) => value !== undefined)
    if (limits.length === 0)
      throw usageError('A budget is needed: trials, steps or seconds.', { where: 'budget' })
    for (const [name, value] of limits)
      if (!(value > 0)) throw usageError(`budget.${name} must be above 0, not ${value}.`)
  }

  get networks(): readonly ExploredNetwork[] {
    return this.#networks
  }

  /** Jobs that have begun and not ended, in the order in which they began. */
  get running(): readonly RungJob[] {
    return [...this.#running.values()]
  }

  /** Of everything so far. */
  get seconds(): number {
    return this.#seconds
  }

  /** Of all networks together, those that are being made included. */
  get stepsTaken(): number {
    return this.#stepsTaken
  }

  /** Networks that were trained or are being trained. */
  get trials(): number {
    return this.#networks.filter(({ rungs: [first] }) => isTrial(first)).length
  }

  get endReason(): EndReason | undefined {
    return this.#end
  }

  /** The end of each rung that was reached. */
  get entries(): readonly Entry[] {
    return this.#networks.flatMap(({ network, rungs }) =>
      rungs.flatMap((measured, rung) =>
        measured.kind === 'trained' ? [{ network, rung, measured }] : [],
      ),
    )
  }

  /** Networks, each at its best rung, that none is better than in everything; the best predictions first. */
  get front(): readonly Entry[] {
    const front = paretoFront(this.entries, this.#point)
    return [...front].sort((a, b) => this.#point(a)[0]! - this.#point(b)[0]!)
  }

  /** A record that was made: a decision, or what came of one. @throws input for one that cannot have been made */
  apply(record: ExplorationRecord): void {
    if (record.kind === 'begin') return
    this.#seconds = Math.max(this.#seconds, record.seconds)
    this.#end = undefined
    if (record.kind === 'end') this.#end = record.reason
    else if (record.kind === 'start') this.#begin(record.job)
    else this.#finish(record, record.outcome)
  }

  #begin(job: RungJob): void {
    const { network, rung, growth, steps } = job
    if (rung === 0) {
      if (network !== this.#networks.length) throw notOfThis(`network ${network} begins`)
      this.#networks.push({ network, ...(growth ? { growth } : {}), rungs: [] })
    } else if (this.#networks[network]?.rungs.length !== rung)
      throw notOfThis(`network ${network} begins rung ${rung}`)
    this.#running.set(keyOf(job), job)
    this.#stepsTaken += steps
  }

  #finish(at: NetworkAtRung, outcome: RungOutcome): void {
    const job = this.#running.get(keyOf(at))
    if (!job) throw notOfThis(`network ${at.network} ends rung ${at.rung}`)
    this.#running.delete(keyOf(at))
    this.#networks[at.network]!.rungs.push(outcome)
    if (outcome.kind === 'trained') {
      this.#costTaken += job.steps * stepCost(outcome)
      this.#secondsTaken += outcome.seconds
    }
    if (outcome.kind === 'exhausted' && job.growth) this.#exhausted.add(drawKey(job.growth))
    if (outcome.kind === 'exhausted' || outcome.kind === 'beyond') this.#stepsTaken -= job.steps
  }

  /** The next job, if there is one now; after so many seconds none is begun. */
  next(seconds: number): RungJob | undefined {
    this.#end = undefined
    this.#now = seconds
    const budget = this.#budget
    if (seconds >= (budget.seconds ?? Number.POSITIVE_INFINITY)) return this.#stop('seconds')
    if (this.#networks.length === 0) {
      const job = this.#job({ network: 0, rung: 0 })
      return job.steps <= (budget.steps ?? endless) ? job : this.#stop('steps')
    }
    const promoted = this.#promotion((steps, network) => {
      const isSmall = steps * stepCost(network) <= this.#costTaken / (this.#factor - 1)
      return isSmall && this.#lack(this.#factor * steps, network, 1) === undefined
    })
    if (promoted) return promoted
    if (this.trials >= (budget.trials ?? Number.POSITIVE_INFINITY)) return this.#stop('trials')
    const growth = this.#draw()
    if (growth) return this.#job({ network: this.#networks.length, rung: 0, growth })
    if (growth === null) return undefined
    // Where nothing else is left to do, rungs may cost what there is.
    const last = this.#promotion((steps, network) => this.#lack(steps, network) === undefined)
    return last ?? this.#stop('nothing left')
  }

  /** The first reason is the one. */
  #stop(reason: EndReason): undefined {
    this.#end ??= reason
  }

  #job(at: Omit<RungJob, 'steps' | 'until'>): RungJob {
    return { ...at, ...this.#stepsOf(at) }
  }

  /** What of the budget is too little for so many steps; of the time that they are expected to take, a part may be enough. */
  #lack(steps: number, network: Trained, part = 0.5): 'seconds' | 'steps' | undefined {
    const { steps: mostSteps = endless, seconds: mostSeconds = endless } = this.#budget
    if (this.#stepsTaken + steps > mostSteps) return 'steps'
    const cost = (steps * stepCost(network)) / this.#costTaken
    return this.#now + part * cost * this.#secondsTaken > mostSeconds ? 'seconds' : undefined
  }

  #stepsOf({
    network,
    rung,
    growth,
  }: NetworkAtRung & { readonly growth?: Pick<GrowthDraw, 'parent'> }) {
    const end = (height: number) => Math.round(this.#steps * this.#factor ** height)
    const birth = growth ? this.#birthOf(growth) : this.#heightOf({ network, rung: 0 })
    const first = end(Math.max(0, birth - 1))
    const until = first + end(birth + rung) - end(birth)
    return { steps: rung === 0 ? first : end(birth + rung) - end(birth + rung - 1), until }
  }

  /** A network's rung among those of all networks: its own are counted from where it began. */
  #heightOf({ network, rung }: NetworkAtRung): number {
    const growth = this.#networks[network]?.growth
    return rung + (growth ? this.#birthOf(growth) : 0)
  }

  #birthOf({ parent }: Pick<GrowthDraw, 'parent'>): number {
    return this.#inherits ? this.#heightOf(parent) : 0
  }

  /** A network that may go on to the next rung, if its steps may; higher rungs first. */
  #promotion(may: (steps: number, network: Trained) => boolean): RungJob | undefined {
    const entries = this.entries.map((entry) => ({ entry, height: this.#heightOf(entry) }))
    const highest = Math.max(0, ...entries.map(({ height }) => height))
    for (let height = Math.min(highest, this.#mostRungs - 2); height >= 0; height--) {
      const reached = entries.flatMap((each) => (each.height === height ? [each.entry] : []))
      const best = bestFirst(reached, this.#point).slice(
        0,
        Math.floor(reached.length / this.#factor),
      )
      for (const { network, rung, measured } of best) {
        const next = { network, rung: rung + 1 }
        const isLast = this.#networks[network]!.rungs.length === next.rung
        if (!isLast || this.#running.has(keyOf(next))) continue
        const job = this.#job(next)
        if (may(job.steps, measured)) return job
      }
    }
    return undefined
  }

  /**
   * Who grows, and how it is chosen: one of the best networks as they are now; null where all of them wait for children that are being made.
   */
  #draw(): GrowthDraw | null | undefined {
    const now = this.#networks.flatMap(({ network, rungs }): Entry[] => {
      const rung = rungs.findLastIndex(({ kind }) => kind === 'trained')
      const measured = rungs[rung]
      return measured?.kind === 'trained' ? [{ network, rung, measured }] : []
    })
    const network = this.#networks.length
    const affordable = now.filter((parent) => {
      const { steps } = this.#stepsOf({ network, rung: 0, growth: { parent } })
      const lack = this.#lack(steps, parent.measured)
      return lack === undefined || this.#stop(lack)
    })
    const draws = bestFirst(affordable, this.#point).map(({ network, rung }) =>
      (['gain', 'random'] as const)
        .map((by) => ({ parent: { network, rung }, by }))
        .filter((draw) => !this.#exhausted.has(drawKey(draw))),
    )
    const able = draws
      .map((ways) => ways.filter((draw) => this.#areApart(draw)))
      .filter((ways) => ways.length > 0)
    if (able.length === 0 && draws.some((ways) => ways.length > 0)) return null
    const random = randomStream(this.#seed, 'parent', network)
    const parent = able[random.below(Math.max(1, Math.floor(able.length / this.#factor)))]
    if (!parent) return undefined
    const by = random.uniform() < this.#randomShare ? 'random' : 'gain'
    const draw = parent.find((way) => way.by === by) ?? parent[0]!
    const siblings = this.#siblings(draw)
    return {
      ...draw,
      tried: siblings.flatMap(({ rungs: [first] }) =>
        first && 'grown' in first && first.grown ? [first.grown] : [],
      ),
      place: siblings.filter(isBeingMade).length,
    }
  }

  #siblings({ parent }: Pick<GrowthDraw, 'parent'>): readonly Network[] {
    return this.#networks.filter(({ growth }) => growth?.parent.network === parent.network)
  }

  /** Whether children that are being made take candidates from the same list: in another one, nobody knows where theirs stand. */
  #areApart({ parent, by }: Pick<GrowthDraw, 'by' | 'parent'>): boolean {
    return this.#siblings({ parent })
      .filter(isBeingMade)
      .every(({ growth }) => growth?.by === by && growth.parent.rung === parent.rung)
  }

  readonly #point = ({ measured }: Entry) => pointOf(measured, this.#objectives)
}

/** One that was begun counts, and one that failed: only what is no network does not. */
const isTrial = (first: RungOutcome | undefined): boolean =>
  first?.kind !== 'exhausted' && first?.kind !== 'beyond'

/** Nobody knows yet what it grew by. */
const isBeingMade = ({ rungs }: ExploredNetwork): boolean => rungs.length === 0

const endless = Number.POSITIVE_INFINITY

/** What a step of a network costs; where a size is left open, parameters stand for it. */
const stepCost = ({ multiplyAdds, parameters }: Trained): number => multiplyAdds ?? parameters

const drawKey = ({ parent, by }: Pick<GrowthDraw, 'by' | 'parent'>): string =>
  `${parent.network} ${by}`

const notOfThis = (what: string) =>
  inputError(`The journal is of no exploration: ${what} out of turn.`)
