/**
 * The corpus of plans: hashes of every plan, and of a sample of grown weights, for networks that nobody
 * drew, for weights that are computed in random ways, and for the Keras example's network.
 * A change of the growth core that is meant to keep its results must keep this file.
 *
 *   npx tsx --conditions=net2net-source tools/plan-corpus.ts           compares with test/plan-corpus.json, exits with 1 on a difference
 *   npx tsx --conditions=net2net-source tools/plan-corpus.ts --write   writes it
 *   npx tsx --conditions=net2net-source tools/plan-corpus.ts --details FILE   also writes one line per network, to find the first that differs
 */
import { createHash, type Hash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { Net2NetError } from '../packages/net2net/src/errors.ts'
import {
  applyPlan,
  type GrowthPlan,
  inspect,
  planDeepen,
  planWiden,
} from '../packages/net2net/src/growth/index.ts'
import type { Model } from '../packages/net2net/src/model/model.ts'
import { randomStream } from '../packages/net2net/src/tensor/random.ts'
import { elementCount, materialize } from '../packages/net2net/src/tensor/tensor.ts'
import { randomNetwork } from '../packages/net2net/test/random-networks/generator.ts'
import { randomWeights } from '../packages/net2net/test/random-networks/weights.ts'
import { mnistNetwork } from '../packages/net2net-cli/src/mnist/networks.ts'

const file = 'packages/net2net/test/plan-corpus.json'
/** As many networks share one hash. */
const PER_HASH = 100
/** Weights are grown in one network of so many, … */
const SAMPLED = 5
/** … those of at most so many elements. */
const MOST_ELEMENTS = 20_000

/** Objects with their keys in order, so that only what they hold counts. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, each]) => [key, sorted(each)]),
  )
}

const add = (hash: Hash, value: unknown) => hash.update(`${JSON.stringify(sorted(value))}\n`)

function addWeights(hash: Hash, model: Model): void {
  for (const [name, { tensor }] of model.graph.initializers) {
    add(hash, [name, tensor.dims])
    if (elementCount(tensor.dims) > MOST_ELEMENTS) continue
    const { data } = materialize(tensor)
    hash.update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
  }
}

/** Grows a model in ways that the seed draws; what is refused is part of the hash, too. */
function hashOf(model: Model, seed: number): string {
  const hash = createHash('sha256')
  const random = randomStream(seed, 'corpus')
  const attempt = (base: Model, make: () => GrowthPlan): Model => {
    try {
      const plan = make()
      add(hash, plan)
      const grown = applyPlan(base, plan)
      if (seed % SAMPLED === 0) addWeights(hash, grown)
      inspect(grown)
      return grown
    } catch (error) {
      if (!(error instanceof Net2NetError)) throw error
      add(hash, [error.kind, error.message])
      return base
    }
  }
  let grown = model
  for (let round = 0; round < 2; round++) {
    const { layers } = inspect(grown)
    add(hash, layers)
    const chosen = layers.filter(() => random.uniform() < 0.5)
    for (const { name, width } of chosen.slice(0, 2)) {
      const to = random.uniform() < 0.5 ? 'x1.5' : (width ?? 1) + 1 + random.below(5)
      const noise = random.uniform() < 0.8 ? 'zero-sum' : 'paper'
      const init = random.uniform() < 0.9 ? 'net2wider' : 'random-pad'
      grown = attempt(grown, () => planWiden(grown, { [name]: to }, { seed, noise, init }))
    }
    if (layers.length > 1 && random.uniform() < 0.5)
      grown = attempt(grown, () => planWiden(grown, { '*': 'x2' }, { seed }))
    const deep = layers[random.below(layers.length)]
    const block = random.uniform() < 0.5 ? 'identity' : 'residual'
    if (deep) grown = attempt(grown, () => planDeepen(grown, [deep.name], { seed, block }))
  }
  return hash.digest('hex')
}

const corpora: Readonly<Record<string, readonly [count: number, make: (seed: number) => Model]>> = {
  'random networks': [2000, randomNetwork],
  'computed weights': [1000, randomWeights],
  'the Keras example': [1, (seed) => mnistNetwork('teacher', seed)],
}

const detailsAt = process.argv.indexOf('--details')
const lines: string[] = []
const found = Object.fromEntries(
  Object.entries(corpora).map(([name, [count, make]]) => {
    const hashes: string[] = []
    for (let seed = 0; seed < count; seed++) {
      hashes.push(hashOf(make(seed), seed))
      lines.push(`${name} ${seed} ${hashes.at(-1)}`)
    }
    const groups = Array.from({ length: Math.ceil(count / PER_HASH) }, (_, i) =>
      createHash('sha256')
        .update(hashes.slice(i * PER_HASH, (i + 1) * PER_HASH).join())
        .digest('hex'),
    )
    return [name, groups]
  }),
)
if (detailsAt > 0) writeFileSync(process.argv[detailsAt + 1]!, `${lines.join('\n')}\n`)
if (process.argv.includes('--write')) writeFileSync(file, `${JSON.stringify(found, null, 2)}\n`)
else {
  const expected: typeof found = JSON.parse(readFileSync(file, 'utf8'))
  for (const [name, hashes] of Object.entries(found)) {
    const differs = hashes.flatMap((hash, i) => (hash === expected[name]?.[i] ? [] : [i]))
    const ranges = differs.map((i) => `${i * PER_HASH} to ${(i + 1) * PER_HASH - 1}`)
    console.log(`${name}: ${differs.length === 0 ? 'the same' : `other plans in ${ranges}`}`)
    if (differs.length > 0) process.exitCode = 1
  }
}
