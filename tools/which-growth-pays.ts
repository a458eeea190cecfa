/**
 * Does it pay to grow where `rank` says? Trains small teachers on two data sets, five seeds each, widens them by about equally many
 * parameters where rank says most, where it says least, and by `auto`, trains all of them on alike, and writes what came of it to
 * docs/study/which-growth-pays.md. Usage: npm run docs:rank (some minutes on two cores).
 */
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { countParameters, type GrowthStep, grow, type Model, type WidenStep } from 'net2net'
import { ArrayDataset, loadMnist } from 'net2net/data'
import { growMeasured, type RankedGrowth, rank } from 'net2net/growing'
import { conv2d, dense, flatten, maxPool2d, sequential } from 'net2net/layers'
import { randomStream } from 'net2net/tensor'
import { adam, evaluate, train } from 'net2net/training'

const file = fileURLToPath(new URL('../docs/study/which-growth-pays.md', import.meta.url))
const seeds = [1, 2, 3, 4, 5]
const loss = 'softmax-cross-entropy'
/** Of the teacher's parameters. */
const budget = 0.2

interface Task {
  readonly name: string
  readonly network: string
  readonly epochs: { readonly teacher: number; readonly student: number }
  data(seed: number): Promise<{ readonly train: ArrayDataset; readonly test: ArrayDataset }>
  teacher(seed: number): Model
}

const tasks: readonly Task[] = [
  {
    name: 'MNIST, 4,000 images',
    network: 'conv 6 – pool – conv 8 – pool – dense 12 – dense 10',
    epochs: { teacher: 4, student: 4 },
    async data(seed) {
      const { train: all, test } = await loadMnist()
      const random = randomStream(seed, 'subset')
      const some = Array.from({ length: 4000 }, () => random.below(all.length))
      return { train: all.pick(some), test: test.slice(0, 2000) }
    },
    teacher: (seed) =>
      sequential(
        [
          conv2d(6, 3, { name: 'conv1', activation: 'relu' }),
          maxPool2d(2),
          conv2d(8, 3, { name: 'conv2', activation: 'relu' }),
          maxPool2d(2),
          flatten(),
          dense(12, { name: 'fc1', activation: 'relu' }),
          dense(10, { name: 'fc2' }),
        ],
        { input: [1, 28, 28], seed },
      ),
  },
  {
    name: 'Table, 12 classes in 16 columns',
    network: 'dense 24 – dense 4 – dense 24 – dense 12',
    epochs: { teacher: 20, student: 20 },
    data: async (seed) => classificationTable(seed),
    teacher: (seed) =>
      sequential(
        [
          dense(24, { name: 'fc1', activation: 'relu' }),
          dense(4, { name: 'fc2', activation: 'relu' }),
          dense(24, { name: 'fc3', activation: 'relu' }),
          dense(12, { name: 'fc4' }),
        ],
        { input: [16], seed },
      ),
  },
]

/** As scikit-learn's make_classification: clusters at corners of a cube, two for each class, and columns that mix them. */
function classificationTable(seed: number) {
  const [rows, columns, informative, classes] = [4000, 16, 8, 12]
  const random = randomStream(seed, 'table')
  const normals = (count: number) => Array.from({ length: count }, () => random.normal())
  const centres = Array.from({ length: 2 * classes }, () =>
    Array.from({ length: informative }, () => (random.below(2) === 0 ? -1.2 : 1.2)),
  )
  const mixing = Array.from({ length: columns }, () => normals(informative))
  const x = new Float32Array(rows * columns)
  const labels = new Int32Array(rows)
  for (let row = 0; row < rows; row++) {
    const cluster = random.below(centres.length)
    const point = centres[cluster]!.map((centre) => centre + random.normal())
    labels[row] = cluster % classes
    mixing.forEach((weights, k) => {
      const mixed = weights.reduce((sum, weight, i) => sum + weight * point[i]!, 0)
      x[row * columns + k] = mixed / Math.sqrt(informative) + 0.1 * random.normal()
    })
  }
  const all = new ArrayDataset(
    { input: { dtype: 'float32', dims: [columns], data: x } },
    { dtype: 'int32', dims: [], data: labels },
  )
  return { train: all.slice(0, 2000), test: all.slice(2000, rows) }
}

async function trained(model: Model, data: ArrayDataset, epochs: number, seed: number) {
  const training = train(model, data, {
    loss,
    optimizer: adam({ learningRate: 0.002 }),
    epochs,
    seed,
    session: { threads: 1 },
  })
  for await (const _ of training);
  return training.model
}

/** The widening of a layer that adds as many parameters as there may be, as nearly as it can. */
function spent(teacher: Model, { step }: RankedGrowth, parameters: number): WidenStep {
  const [name] = Object.keys((step as WidenStep).widen)
  let best: { readonly step: WidenStep; readonly distance: number } | undefined
  const layer = widthOf(teacher, name!)
  for (let more = 1; ; more++) {
    const widened: WidenStep = { widen: { [name!]: layer + more } }
    const added = grow(teacher, [widened]).parameters.after - countParameters(teacher)
    const distance = Math.abs(added - parameters)
    if (best && distance >= best.distance) return best.step
    best = { step: widened, distance }
  }
}

function widthOf(model: Model, name: string): number {
  const weight = model.graph.initializers.get(`${name}.weight`)!.tensor
  return weight.dims[0]!
}

const arms = ['none', 'worst', 'best', 'auto', 'best, copies'] as const
type Arm = (typeof arms)[number]
type Outcome = Readonly<
  Record<Arm, { readonly train: number; readonly test: number; readonly parameters: number }>
>

async function trial(task: Task, seed: number): Promise<{ ranking: string[]; outcome: Outcome }> {
  const data = await task.data(seed)
  const teacher = await trained(task.teacher(seed), data.train, task.epochs.teacher, seed)
  const ranked = await rank(teacher, data.train, { loss, growths: ['widen'], seed })
  const parameters = Math.round(budget * countParameters(teacher))
  const [best, worst] = [ranked[0]!, ranked.at(-1)!].map((one) => spent(teacher, one, parameters))
  const steps: Readonly<Record<Arm, readonly GrowthStep[]>> = {
    none: [],
    worst: [{ ...worst!, init: 'gradmax' }],
    best: [{ ...best!, init: 'gradmax' }],
    auto: [{ widen: { auto: `${100 * budget}%` } }],
    'best, copies': [best!],
  }
  const results: Partial<Record<Arm, Outcome[Arm]>> = {}
  for (const arm of arms) {
    const { model } = await growMeasured(teacher, steps[arm], { samples: data.train, loss, seed })
    const student = await trained(model, data.train, task.epochs.student, seed + 100)
    const measured = await Promise.all(
      [data.train, data.test].map((samples) => evaluate(student, samples, { loss })),
    )
    results[arm] = {
      train: measured[0]!.loss,
      test: measured[1]!.loss,
      parameters: countParameters(model),
    }
  }
  const ranking = ranked.map(({ layers }) => layers.join(' '))
  return { ranking, outcome: results as Outcome }
}

/** Mean and half of the 95% interval (Student's t with four degrees of freedom). */
function interval(values: readonly number[]): { readonly mean: number; readonly half: number } {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1)
  return { mean, half: 2.776 * Math.sqrt(variance / values.length) }
}

const shown = (values: readonly number[]): string => {
  const { mean, half } = interval(values)
  return `${mean.toFixed(4)} (${(mean - half).toFixed(4)} to ${(mean + half).toFixed(4)})`
}

const sections: string[] = []
for (const task of tasks) {
  const trials: Awaited<ReturnType<typeof trial>>[] = []
  for (const seed of seeds) {
    const found = await trial(task, seed)
    console.error(task.name, seed, found.ranking.join(' > '), found.outcome)
    trials.push(found)
  }
  const of = (arm: Arm, what: 'train' | 'test' | 'parameters') =>
    trials.map(({ outcome }) => outcome[arm][what])
  const less = (arm: Arm, other: Arm, what: 'train' | 'test') =>
    trials.map(({ outcome }) => outcome[other][what] - outcome[arm][what])
  const names: Readonly<Record<Arm, string>> = {
    none: 'no growth',
    worst: 'worst-ranked layer, gradmax',
    best: 'best-ranked layer, gradmax',
    auto: '`auto`',
    'best, copies': 'best-ranked layer, net2wider',
  }
  const pairs: readonly (readonly [Arm, Arm])[] = [
    ['best', 'worst'],
    ['auto', 'worst'],
    ['best', 'none'],
    ['best', 'best, copies'],
  ]
  sections.push(
    [
      `## ${task.name}`,
      '',
      `${task.network}; ${task.epochs.teacher} epochs, growth, ${task.epochs.student} epochs. Rankings by seed: ${trials
        .map(({ ranking }) => ranking.join(' > '))
        .join('; ')}.`,
      '',
      '| arm | parameters | training loss | test loss |',
      '|---|---|---|---|',
      ...arms.map(
        (arm) =>
          `| ${names[arm]} | ${Math.round(interval(of(arm, 'parameters')).mean)} | ${shown(of(arm, 'train'))} | ${shown(of(arm, 'test'))} |`,
      ),
      '',
      '| lower by, seed by seed | training loss | test loss |',
      '|---|---|---|',
      ...pairs.map(
        ([arm, other]) =>
          `| ${names[arm]} than ${names[other]} | ${shown(less(arm, other, 'train'))} | ${shown(less(arm, other, 'test'))} |`,
      ),
    ].join('\n'),
  )
}
writeFileSync(
  file,
  `# Does growth pay where rank says?

<!-- Generated by \`npm run docs:rank\`. Edit tools/which-growth-pays.ts. -->

Five seeds on two data sets. A teacher is trained; one layer of it is widened by about ${100 * budget}% more parameters: the one that
\`rank\` puts first, or the one that it puts last; \`auto\` may widen several by as many together. All students, and the teacher as it
is, are then trained alike (Adam, 0.002). Means with 95% intervals over the seeds; the second table compares
seed by seed, so that what the seeds have in common drops out.

${sections.join('\n\n')}
`,
)
