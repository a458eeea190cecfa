/** The searches that are compared. Each spends its compute, and says what every network was when its training ended. */
import { countMultiplyAdds, grow, type Model } from 'net2net'
import {
  exploreWith,
  growthCandidates,
  type NetworkStore,
  type RungJob,
  type RungOptions,
  type TrainedNetwork,
  trainRung,
} from 'net2net/exploring'
import { nodeRuntime } from 'net2net/runtime'
import { fillTensor, glorotUniform, isFloat, randomStream, Tensor } from 'net2net/tensor'
import { adam, evaluate, withParameters } from 'net2net/training'
import type { Task } from './tasks.ts'

export const arms = ['growth', 'scratch', 'random', 'alone'] as const
export type Arm = (typeof arms)[number]

/** A network at the end of some training. */
export interface Point {
  /** What the arm had spent by then, in 10^9 multiply-adds that were trained. */
  readonly compute: number
  /** Processor time by then: of training, validation, growth and all else that the search needs. */
  readonly seconds: number
  readonly parameters: number
  /** On the validation data, by which an arm chooses. */
  readonly loss: number
  /** On the test data, which no arm sees. */
  readonly test: number
}

const batchSize = 32
/** A step computes the forward pass and, for the backward pass, about twice as much. */
const passes = 3
const rungs = { steps: 100, factor: 3 }
/** Random search trains each network for so long, as the fourth rung of the others. */
const whole = rungs.steps * rungs.factor ** 3

/** What steps of a network cost, in 10^9. */
const costOf = (steps: number, multiplyAdds: number | null): number =>
  (steps * batchSize * passes * (multiplyAdds ?? 0)) / 1e9

const keyOf = ({ network, rung }: { readonly network: number; readonly rung: number }) =>
  `${network}@${rung}`

class Memory implements NetworkStore {
  readonly #networks = new Map<string, TrainedNetwork>()
  /** Networks that begin otherwise than by growth. */
  readonly starts = new Map<string, TrainedNetwork>()
  read = async (at: { readonly network: number; readonly rung: number }) =>
    this.#networks.get(keyOf(at))!
  write = async (
    at: RungJob | { readonly network: number; readonly rung: number },
    network: TrainedNetwork,
  ) => void this.#networks.set(keyOf(at), network)
  readUnfinished = async (at: { readonly network: number; readonly rung: number }) =>
    this.starts.get(keyOf(at))
}

/** Trains jobs of an arm, and measures on the side. */
class Laboratory {
  readonly points: Point[] = []
  readonly store = new Memory()
  readonly #options: RungOptions
  readonly #task: Task
  readonly #data: Awaited<ReturnType<Task['data']>>
  readonly #begun = processorSeconds()
  #aside = 0
  #compute = 0

  constructor(task: Task, data: Awaited<ReturnType<Task['data']>>, seed: number) {
    this.#task = task
    this.#data = data
    this.#options = {
      loss: task.loss,
      optimizer: adam({ learningRate: 0.002 }),
      runtime: nodeRuntime,
      session: { threads: 1 },
      batchSize,
      seed,
      validation: data.validation,
      store: this.store,
    }
  }

  get isSpent(): boolean {
    return this.#compute >= this.#task.compute
  }

  /** How many steps of a network the compute is for. */
  stepsOf(model: Model): number {
    return this.#task.compute / costOf(1, countMultiplyAdds(model))
  }

  /** What a job grows, before any training. Nothing of it counts: a search from scratch would not need it. */
  async grow(job: RungJob, first: Model) {
    const before = processorSeconds()
    const outcome = await trainRung(
      { ...job, steps: 0, until: 0 },
      first,
      this.#data.train,
      this.#options,
    )
    this.#aside += processorSeconds() - before
    return outcome
  }

  async train(job: RungJob, first: Model) {
    const outcome = await trainRung(job, first, this.#data.train, this.#options)
    if (outcome.kind !== 'trained') return outcome
    this.#compute += costOf(job.steps, outcome.multiplyAdds)
    const seconds = processorSeconds() - this.#begun - this.#aside
    const { model } = await this.store.read(job)
    const { loss: test } = await evaluate(model, this.#data.test, {
      loss: this.#task.loss,
      session: { threads: 1 },
    })
    this.#aside = processorSeconds() - this.#begun - seconds
    const { parameters, loss } = outcome
    this.points.push({ compute: this.#compute, seconds, parameters, loss, test })
    return outcome
  }
}

function processorSeconds(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1e6
}

export async function run(task: Task, arm: Arm, seed: number): Promise<readonly Point[]> {
  const laboratory = new Laboratory(task, await task.data(seed), seed)
  const start = task.start(seed)
  if (arm === 'random') await searchAtRandom(laboratory, start, seed)
  else if (arm === 'alone') await trainAlone(laboratory, start)
  else await search(laboratory, start, arm, seed)
  return laboratory.points
}

async function search(
  laboratory: Laboratory,
  start: Model,
  arm: 'growth' | 'scratch',
  seed: number,
): Promise<void> {
  const { store } = laboratory
  const isScratch = arm === 'scratch'
  const exploration = exploreWith(
    {
      seed,
      rungs: { ...rungs, children: isScratch ? 'first' : 'parent' },
      budget: { steps: Number.MAX_SAFE_INTEGER },
    },
    {
      runner: {
        async run(job) {
          if (isScratch && job.growth) {
            // Grown for its architecture alone; its training begins with fresh weights.
            const grown = await laboratory.grow(job, start)
            if (grown.kind !== 'trained') return grown
            const { model } = await store.read(job)
            const begins = { model: fresh(model, seed + job.network), state: undefined, stages: [] }
            store.starts.set(keyOf(job), begins)
          }
          const outcome = await laboratory.train(job, start)
          store.starts.delete(keyOf(job))
          return outcome
        },
      },
    },
  )
  for await (const { kind } of exploration) if (kind === 'finish' && laboratory.isSpent) break
}

/** Random architectures, each trained from fresh weights. */
async function searchAtRandom(laboratory: Laboratory, start: Model, seed: number): Promise<void> {
  for (let network = 0; !laboratory.isSpent; network++) {
    const random = randomStream(seed, 'random search', network)
    let model = start
    for (let growths = random.below(9); growths > 0; growths--) {
      const candidates = Object.values(growthCandidates(model)).flat()
      try {
        model = grow(model, [candidates[random.below(candidates.length)]!]).model
      } catch {
        // Not every candidate can be planned; another one is drawn.
      }
    }
    const job = { network, rung: 0, steps: whole, until: whole }
    await laboratory.train(job, fresh(model, seed + network))
  }
}

/** The network that the searches begin with. */
async function trainAlone(laboratory: Laboratory, start: Model): Promise<void> {
  const { steps, factor } = rungs
  const most = Math.ceil(laboratory.stepsOf(start))
  for (let rung = 0, before = 0; !laboratory.isSpent; rung++) {
    const until = Math.min(most, steps * factor ** rung)
    await laboratory.train({ network: 0, rung, steps: until - before, until }, start)
    before = until
  }
}

/** The same architecture as if it had never been trained: kernels Glorot-uniform, biases zero. */
function fresh(model: Model, seed: number): Model {
  const kernels = [...model.graph.initializers].flatMap(([name, { tensor }]) => {
    const { dims, dtype } = tensor
    if (!isFloat(dtype)) return []
    if (dims.length < 2) {
      const count = dims.reduce((product, dim) => product * dim, 1)
      return [[name, new Tensor('float32', dims, new Float32Array(count))] as const]
    }
    const window = dims.slice(2).reduce((product, dim) => product * dim, 1)
    const fill = glorotUniform(dims[1]! * window, dims[0]! * window)
    return [[name, fillTensor(fill, 'float32', dims, seed, 'fresh', name)] as const]
  })
  return withParameters(model, new Map(kernels))
}
