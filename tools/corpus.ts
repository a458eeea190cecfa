/**
 * The corpus of plans: hashes of every plan, and of a sample of grown weights, for networks that nobody
 * drew, for weights that are computed in random ways, and for the Keras example's network. See plan-corpus.ts.
 */
import { createHash, type Hash } from 'node:crypto'
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

/** Of as many networks at most one hash is stored. */
const PER_HASH = 25
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

const corpora = {
  'random networks': { count: 2000, make: randomNetwork },
  'computed weights': { count: 1000, make: randomWeights },
  'the Keras example': { count: 1, make: (seed: number) => mnistNetwork('teacher', seed) },
}
export type Corpus = keyof typeof corpora
export const corpusNames = Object.keys(corpora) as readonly Corpus[]

/**
 * A corpus in as many parts: part i has the networks i, i + parts, i + 2 parts, …, so that each is a sample of all.
 */
export const partsOf = (corpus: Corpus): number => Math.ceil(corpora[corpus].count / PER_HASH)

export interface Part {
  /** Of all networks of the part. */
  readonly hash: string
  readonly networks: readonly { readonly seed: number; readonly hash: string }[]
}

export function partOf(corpus: Corpus, part: number): Part {
  const { count, make } = corpora[corpus]
  const step = partsOf(corpus)
  const seeds = Array.from({ length: Math.ceil((count - part) / step) }, (_, k) => part + k * step)
  const networks = seeds.map((seed) => ({ seed, hash: hashOf(make(seed), seed) }))
  const hash = createHash('sha256')
    .update(networks.map((each) => each.hash).join())
    .digest('hex')
  return { hash, networks }
}

/** By corpus, the hash of every part. */
export type CorpusHashes = Readonly<Record<string, readonly string[]>>
export const corpusFile = new URL('../packages/net2net/test/plan-corpus.json', import.meta.url)
