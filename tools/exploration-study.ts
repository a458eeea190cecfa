/**
 * What does exploring by growth save? The same search with the same compute (multiply-adds that are trained), three ways: networks
 * that grow from one another (`explore`), the same scheduler with each candidate trained from scratch, and random search from
 * scratch in which each candidate is trained fully. Writes docs/study/exploring.md. What is done is kept in the folder and not done
 * again. Usage: npm run docs:exploring -- [FOLDER] [SEEDS] [COMPUTE] (compute in 10^9 multiply-adds, for each arm of the first task).
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { countMultiplyAdds, countParameters, grow, type Model } from 'net2net'
import { ArrayDataset, loadMnist, type SampleSet, split } from 'net2net/data'
import {
  exploreWith,
  growthCandidates,
  type NetworkStore,
  type RungJob,
  type RungOptions,
  type TrainedNetwork,
  trainRung,
} from 'net2net/exploring'
import { conv2d, dense, flatten, maxPool2d, sequential } from 'net2net/layers'
import { nodeRuntime } from 'net2net/runtime'
import { fillTensor, glorotUniform, isFloat, randomStream, Tensor } from 'net2net/tensor'
import { adam, evaluate, train, withParameters } from 'net2net/training'

const [folder = 'runs/exploring', seedCount = '5', computeText = '60'] = process.argv.slice(2)
const file = fileURLToPath(new URL('../docs/study/exploring.md', import.meta.url))
const batchSize = 32
/** A step computes the forward pass and, for the backward pass, about twice as much. */
const passes = 3
const rungs = { steps: 100, factor: 3 }

interface Task {
  readonly name: string
  readonly title: string
  readonly loss: 'softmax-cross-entropy' | 'mse'
  /** 10^9 multiply-adds, for each arm. */
  readonly compute: number
  data(seed: number): Promise<{ readonly train: SampleSet; readonly test: SampleSet }>
  start(seed: number): Model
}

const tasks: readonly Task[] = [
  {
    name: 'mnist',
    title: 'MNIST, 6,000 images; conv 4 – pool – conv 6 – pool – dense 12 – dense 10',
    loss: 'softmax-cross-entropy',
    compute: Number(computeText),
    async data(seed) {
      const { train: all, test } = await loadMnist()
      const random = randomStream(seed, 'subset')
      const some = Array.from({ length: 6000 }, () => random.below(all.length))
      return { train: all.pick(some), test: test.slice(0, 2000) }
    },
    start: (seed) =>
      sequential(
        [
          conv2d(4, 3, { name: 'conv1', activation: 'relu' }),
          maxPool2d(2),
          conv2d(6, 3, { name: 'conv2', activation: 'relu' }),
          maxPool2d(2),
          flatten(),
          dense(12, { name: 'fc1', activation: 'relu' }),
          dense(10, { name: 'fc2' }),
        ],
        { input: [1, 28, 28], seed },
      ),
  },
  {
    name: 'table',
    title: 'Table, 2,000 rows of 6 numbers, regression; dense 8 – dense 8 – dense 1',
    loss: 'mse',
    compute: Number(computeText) / 60,
    data: async (seed) => split(regressionTable(2500, seed), 0.2, seed),
    start: (seed) =>
      sequential(
        [
          dense(8, { name: 'fc1', activation: 'relu' }),
          dense(8, { name: 'fc2', activation: 'relu' }),
          dense(1, { name: 'fc3' }),
        ],
        { input: [6], seed },
      ),
  },
]

function regressionTable(rows: number, seed: number): ArrayDataset {
  const random = randomStream(seed, 'table')
  const x = Float32Array.from({ length: rows * 6 }, () => random.normal())
  const y = Float32Array.from({ length: rows }, (_, i) => {
    const [a, b, c, d, e, f] = x.subarray(6 * i, 6 * i + 6)
    return Math.sin(2 * a!) + b! * c! + Math.tanh(d! - e!) * f! + 0.1 * random.normal()
  })
  return new ArrayDataset(
    { x: { dtype: 'float32', dims: [6], data: x } },
    { dtype: 'float32', dims: [1], data: y },
  )
}

const arms = ['growth', 'scratch', 'random'] as const
type Arm = (typeof arms)[number]

/** A network at the end of some training. */
interface Point {
  /** What the arm had spent by then, in 10^9 multiply-adds. */
  readonly compute: number
  readonly seconds: number
  readonly parameters: number
  readonly loss: number
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

/** What steps of a network cost, in 10^9. */
const costOf = (steps: number, multiplyAdds: number | null): number =>
  (steps * batchSize * passes * (multiplyAdds ?? 0)) / 1e9

async function searched(task: Task, arm: 'growth' | 'scratch', seed: number): Promise<Point[]> {
  const { train: data, test: validation } = await task.data(seed)
  const start = task.start(seed)
  const store = new Memory()
  const options: RungOptions = {
    loss: task.loss,
    optimizer: adam({ learningRate: 0.002 }),
    runtime: nodeRuntime,
    session: { threads: 1 },
    batchSize,
    seed,
    validation,
    store,
  }
  const begun = performance.now()
  const points: Point[] = []
  let compute = 0
  const exploration = exploreWith(
    { seed, rungs, budget: { steps: 1e9 } },
    {
      runner: {
        async run(job) {
          if (arm === 'scratch' && job.growth) {
            // Grown for its architecture alone; its training begins with fresh weights.
            const grown = await trainRung({ ...job, steps: 0, until: 0 }, start, data, options)
            if (grown.kind !== 'trained') return grown
            const { model } = await store.read(job)
            const begins = { model: fresh(model, seed + job.network), state: undefined, stages: [] }
            store.starts.set(keyOf(job), begins)
          }
          const outcome = await trainRung(job, start, data, options)
          store.starts.delete(keyOf(job))
          if (outcome.kind === 'trained') {
            compute += costOf(job.steps, outcome.multiplyAdds)
            const { parameters, loss } = outcome
            const seconds = (performance.now() - begun) / 1000
            points.push({ compute, seconds, parameters, loss })
          }
          return outcome
        },
      },
    },
  )
  for await (const { kind } of exploration) if (kind === 'finish' && compute >= task.compute) break
  return points
}

/** Random architectures, each trained for as long as the third rung. */
async function randomly(task: Task, seed: number): Promise<Point[]> {
  const { train: data, test } = await task.data(seed)
  const steps = rungs.steps * rungs.factor ** 2
  const epochs = Math.max(1, Math.round((steps * batchSize) / data.length))
  const begun = performance.now()
  const points: Point[] = []
  let compute = 0
  for (let i = 0; compute < task.compute; i++) {
    const random = randomStream(seed, 'random search', i)
    let model = task.start(seed)
    for (let growths = random.below(7); growths > 0; growths--) {
      const candidates = Object.values(growthCandidates(model)).flat()
      try {
        model = grow(model, [candidates[random.below(candidates.length)]!]).model
      } catch {
        // Not every candidate can be planned; another one is drawn.
      }
    }
    const training = train(fresh(model, seed + i), data, {
      ...{ loss: task.loss, optimizer: adam({ learningRate: 0.002 }), epochs, batchSize, seed },
      session: { threads: 1 },
    })
    for await (const _epoch of training);
    const { loss } = await evaluate(training.model, test, { loss: task.loss })
    compute += costOf(training.state.step, countMultiplyAdds(model))
    const seconds = (performance.now() - begun) / 1000
    points.push({ compute, seconds, parameters: countParameters(model), loss })
  }
  return points
}

async function pointsOf(task: Task, arm: Arm, seed: number): Promise<readonly Point[]> {
  const place = join(folder, `${task.name}-${task.compute}-${arm}-${seed}.json`)
  if (existsSync(place)) return JSON.parse(readFileSync(place, 'utf8')) as readonly Point[]
  const points = arm === 'random' ? await randomly(task, seed) : await searched(task, arm, seed)
  mkdirSync(folder, { recursive: true })
  writeFileSync(place, JSON.stringify(points))
  process.stderr.write(`${task.name}, ${arm}, seed ${seed}: ${points.length} trainings\n`)
  return points
}

const front = (points: readonly Point[]): readonly Point[] =>
  points.filter(
    (a) =>
      !points.some(
        (b) =>
          b.parameters <= a.parameters &&
          b.loss <= a.loss &&
          (b.parameters < a.parameters || b.loss < a.loss),
      ),
  )

/** Share of the compute after which an arm has something as small and as good for so many of these points; Infinity if never. */
function reached(points: readonly Point[], targets: readonly Point[], share: number, task: Task) {
  const times = targets.map(({ parameters, loss }) => {
    const found = points.find((one) => one.parameters <= parameters && one.loss <= loss)
    return (found?.compute ?? Number.POSITIVE_INFINITY) / task.compute
  })
  return (
    times.sort((a, b) => a - b)[Math.ceil(share * times.length) - 1] ?? Number.POSITIVE_INFINITY
  )
}

const mean = (values: readonly number[]) =>
  values.reduce((sum, value) => sum + value, 0) / values.length
const figure = (value: number) => (Number.isFinite(value) ? value.toFixed(2) : 'never')
const median = (values: readonly number[]) => [...values].sort((a, b) => a - b)[values.length >> 1]!

const sections: string[] = []
for (const task of tasks) {
  const rows: Record<Arm, { best: number[]; half: number[]; all: number[]; seconds: number[] }> = {
    growth: { best: [], half: [], all: [], seconds: [] },
    scratch: { best: [], half: [], all: [], seconds: [] },
    random: { best: [], half: [], all: [], seconds: [] },
  }
  for (let seed = 1; seed <= Number(seedCount); seed++) {
    const targets = front(await pointsOf(task, 'scratch', seed))
    for (const arm of arms) {
      const points = await pointsOf(task, arm, seed)
      rows[arm].best.push(Math.min(...points.map(({ loss }) => loss)))
      rows[arm].half.push(reached(points, targets, 0.5, task))
      rows[arm].all.push(reached(points, targets, 1, task))
      rows[arm].seconds.push(points.at(-1)?.seconds ?? 0)
    }
  }
  const titles: Readonly<Record<Arm, string>> = {
    growth: 'networks that grow (`explore`)',
    scratch: 'the same scheduler, from scratch',
    random: 'random search, from scratch',
  }
  const lines = arms.map((arm) => {
    const { best, half, all, seconds } = rows[arm]
    return `| ${titles[arm]} | ${mean(best).toFixed(4)} | ${best.map((value) => value.toFixed(4)).join(', ')} | ${figure(median(half))} | ${figure(median(all))} | ${mean(seconds).toFixed(0)} |`
  })
  sections.push(`## ${task.title}

${task.compute} · 10⁹ multiply-adds for each arm and seed.

| arm | best loss, mean | by seed | half of the front | all of it | seconds |
|---|---|---|---|---|---|
${lines.join('\n')}
`)
}
writeFileSync(
  file,
  `# What does exploring by growth save?

<!-- Generated by \`npm run docs:exploring\`. Edit tools/exploration-study.ts. -->

The same search with the same compute, three ways: networks that grow from one another, the same scheduler with each candidate trained
from scratch, and random search in which each candidate is trained fully. ${seedCount} ${seedCount === '1' ? 'seed' : 'seeds'}. "Half of the front" is the share of the compute after
which an arm has a network that is as small and as good for half of the final front of the second arm (medians over the seeds);
"never" within this compute.

${sections.join('\n')}`,
)
