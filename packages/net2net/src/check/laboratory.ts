/** Runs the regions in which two models differ on random borders. */
import { Net2NetError } from '../errors.ts'
import { tensorDeclaration } from '../model/builder.ts'
import type { Model, Node } from '../model/model.ts'
import { isNonNegative } from '../operators/sign.ts'
import type { Feeds, Runtime } from '../runtime/runtime.ts'
import { isFloat } from '../tensor/dtype.ts'
import { randomStream } from '../tensor/random.ts'
import { elementCount, isNumeric, Tensor } from '../tensor/tensor.ts'
import { amplified } from './amplified.ts'
import { changed, normals } from './change.ts'
import { type Cut, pointName } from './cut.ts'
import { type Lookups, lookupsOf, nextIds } from './lookups.ts'
import type { Computation } from './out-of-core/computation.ts'
import { runTogether } from './out-of-core/run-together.ts'
import { outOfCoreSession } from './out-of-core/segmented-session.ts'
import { readBy } from './out-of-core/segments.ts'
import { type Limits, type Movement, type Outcome, PointComparison } from './point-comparison.ts'
import type { Side } from './side.ts'

export interface EvidenceOptions {
  /** The relative difference that counts as rounding, where somebody has said it. */
  readonly tolerance?: number | undefined
  readonly seed?: number | undefined
  readonly signal?: AbortSignal | undefined
}

/** How regions are examined, until every changed layer is exercised. */
export interface Trial {
  /**
   * The sizes of the random borders, one for each sample. Large numbers leave saturation and open gates,
   * small ones keep steep functions from saturating. With a number comes its negative, so that a
   * rectifier passes one of the two.
   */
  readonly sizes: readonly number[]
  /** By how much weights change, as a share of themselves: rounding hides a little. */
  readonly share: number
  /**
   * Weights that are small (the scale of a residual branch at the start, all of a fresh transformer) are multiplied by the same
   * number in both models, so that they hide nothing. Models that differ then show nothing: they are others.
   */
  readonly isAmplified?: true
  /**
   * Regions run in parts, so that a part alone runs again for each weight that changes in it. Some changes show less
   * that way: what they move is moved at random, element by element, to see how far it moves what follows.
   */
  readonly isInParts?: boolean
}

/** Regions with so many bytes of weights have no third sample: they take time, and many rows each. */
const LARGE = 2 ** 25

const isLarge = ({ graph }: Model): boolean => {
  let bytes = 0
  for (const { tensor } of graph.initializers.values()) bytes += tensor.byteLength
  return bytes > LARGE
}

/** How often borders are rounded otherwise, where models still differ by more than that explains: one draw may show little by chance. */
const ROUNDINGS = 4

/** Differences within a region that always count as rounding, and those of half precision. */
const LIMIT = 1e-5

const HALF_LIMIT = 2 ** -8

export const nothing: Outcome = {
  samples: [],
  differing: new Map(),
  agreeing: new Set(),
  limits: new Map(),
  exercised: () => [],
}

/** The regions could not be run. */
export const failure: Outcome = { ...nothing }

/** Runs regions on random borders. */
export class Laboratory {
  readonly #runtime: Runtime
  readonly #side: Side
  readonly #inputs: Feeds
  readonly #isHalf: boolean
  readonly #limits: Limits
  readonly #options: EvidenceOptions
  /** Values of the first model on the given inputs, where random ones would make no sense. */
  readonly #captured = new Map<string, Tensor>()

  constructor(
    runtime: Runtime,
    side: Side,
    inputs: Feeds,
    isHalf: boolean,
    options: EvidenceOptions,
  ) {
    this.#runtime = runtime
    this.#side = side
    this.#inputs = inputs
    this.#isHalf = isHalf
    const rounding = isHalf ? HALF_LIMIT : LIMIT
    this.#limits = { rounding, agreement: Math.max(options.tolerance ?? 0, rounding) }
    this.#options = options
  }

  /** @param seen Weights whose change was seen already: they are not changed again. */
  async examine(
    whole: Cut,
    trial: Trial,
    attempt: number,
    seen: ReadonlySet<string>,
  ): Promise<Outcome> {
    const cut = trial.isAmplified ? await amplified(whole) : whole
    if (!cut) return nothing
    const sizes = isLarge(cut.b) ? trial.sizes.slice(0, 2) : trial.sizes
    for (const isRandom of [true, false])
      try {
        const { samples, hidden } = await this.#samples(
          cut,
          isRandom ? sizes : sizes.slice(0, 1),
          isRandom,
          attempt,
        )
        const outcome = await this.#run(cut, samples, trial, seen)
        const exercised = (but: ReadonlySet<string>) =>
          outcome.exercised(but).filter((weight) => !hidden.has(weight))
        const { differing, agreeing } = trial.isAmplified ? nothing : outcome
        return { ...outcome, differing, agreeing, exercised }
      } catch (cause) {
        const isRefused = cause instanceof Net2NetError && cause.kind === 'input'
        if (!isRefused || this.#options.signal?.aborted) throw cause
        // Some operators do not take every number: then the borders are as the inputs make them.
      }
    return failure
  }

  /** Few samples are run once: optimizing takes longer than it saves. */
  #session(model: Model, [sample]: readonly Feeds[]): Computation {
    const inputs = Object.entries(sample!).map(([name, { dtype, dims }]) =>
      tensorDeclaration(name, dtype, dims),
    )
    const graph = { ...model.graph, inputs }
    return outOfCoreSession(this.#runtime, { ...model, graph }, { optimization: 'basic' })
  }

  async #run(
    cut: Cut,
    samples: readonly Feeds[],
    { share, isInParts = false }: Trial,
    seen: ReadonlySet<string>,
  ): Promise<Outcome> {
    const [a, b] = [this.#session(cut.a, samples), this.#session(cut.b, samples)]
    const { signal } = this.#options
    const movements: Movement[] = []
    const comparison = new PointComparison(samples.length, this.#limits)
    const values = this.#side.values
    const weights = new Set(cut.layers.flatMap(({ weight }) => weight ?? []))
    const sought = new Set([...weights].filter((weight) => !seen.has(weight)))
    const following = valuesAfter(cut.b.graph.nodes, sought)
    await runTogether(a, b, samples, {
      signal,
      0: { onOutput: (name, tensors) => comparison.add(0, name, tensors) },
      1: {
        onOutput: (name, tensors) => comparison.add(1, name, tensors),
        probe: {
          sample: 0,
          share,
          weights,
          isInParts,
          changes: (name) => {
            if (sought.has(name)) return true
            const dtype = values.get(name)?.dtype
            return following.has(name) && (dtype === undefined || isFloat(dtype))
          },
          onMovement: (from, to, by) => movements.push({ from, to, by }),
        },
      },
    })
    const rounding = this.#isHalf ? 2 ** -11 : 2 ** -20
    for (let draw = 0; draw < ROUNDINGS && comparison.differs; draw++) {
      const rounded = (tensor: Tensor, name: string) =>
        isFloat(tensor.dtype) ? changed(tensor, rounding, `rounding-${draw}-${name}`) : tensor
      const moved = samples.map((feeds) =>
        Object.fromEntries(
          Object.entries(feeds).map(([name, tensor]) => [name, rounded(tensor, name)]),
        ),
      )
      await this.#session(cut.a, samples).run(moved, {
        signal,
        onOutput: (name, tensors) => comparison.addJittered(name, tensors),
      })
    }
    return { samples, ...comparison.outcome(cut, movements, isInParts ? share : undefined) }
  }

  /**
   * A point at which the models differ although nothing that is compared would change if they did not:
   * the second model computes the same from the first one's value. Then what is compared is blind to it.
   */
  async hidden(cut: Cut, { samples, differing, limits }: Outcome): Promise<string | undefined> {
    for (const [point, tensors] of differing) {
      const given = withGiven(cut.b, point)
      if (!given) continue
      const comparison = new PointComparison(samples.length, this.#limits)
      const patched = samples.map((feeds, i) => ({ ...feeds, [point]: tensors[i]! }))
      const take = (model: 0 | 1) => (name: string, found: readonly Tensor[]) => {
        if (name !== pointName(point)) comparison.add(model, name, found)
      }
      const { signal } = this.#options
      await this.#session(cut.b, samples).run(samples, { signal, onOutput: take(0) })
      try {
        await this.#session(given, patched).run(patched, { signal, onOutput: take(1) })
      } catch (cause) {
        // A size, say, with which the second model cannot compute at all.
        if (cause instanceof Net2NetError && cause.kind === 'input' && !signal?.aborted) continue
        throw cause
      }
      if (!comparison.exceeds(limits)) return point
    }
    return undefined
  }

  /** Borders of the given sizes, and such as look up the rows of tables that these do not reach. */
  async #samples(
    cut: Cut,
    sizes: readonly number[],
    isRandom: boolean,
    attempt: number,
  ): Promise<{ readonly samples: readonly Feeds[] } & Pick<Lookups, 'hidden'>> {
    const names = [...cut.borders]
    await this.#capture(names.filter((name) => !this.#isKnown(name, isRandom)))
    const samples = sizes.map((size, sample) =>
      Object.fromEntries(
        names.map((name) => [name, this.#border(name, { size, sample, isRandom, attempt })]),
      ),
    )
    const first = samples[0]!
    const { rows, count, hidden } = lookupsOf(cut, first)
    const lookups = Array.from({ length: count }, (_, i) => {
      const ids = [...rows].map(([name, size]) => [name, nextIds(first[name]!, i, size)])
      return { ...first, ...Object.fromEntries(ids) }
    })
    return { samples: [...samples, ...lookups], hidden }
  }

  /** Can a border be drawn without running the model? */
  #isKnown(name: string, isRandom: boolean): boolean {
    if (this.#inputs[name] || this.#captured.has(name)) return true
    const { dtype, shape } = this.#side.values.get(name) ?? {}
    const isDrawn = dtype !== undefined && (isFloat(dtype) || dtype === 'bool')
    return (
      isRandom &&
      isDrawn &&
      shape?.every((dim) => typeof dim === 'number') === true &&
      !isList(shape)
    )
  }

  #border(name: string, { size, sample, isRandom, attempt }: BorderOptions): Tensor {
    const given = this.#inputs[name]
    const known = given ?? this.#captured.get(name)
    const { dtype, dims } = known ?? {
      dtype: this.#side.values.get(name)!.dtype!,
      dims: this.#side.values.get(name)!.shape as readonly number[],
    }
    const seed = this.#options.seed ?? 0
    if (isRandom && isNumeric(dtype) && isFloat(dtype) && (given || !isList(dims))) {
      const random = randomStream(seed, 'border', name, attempt)
      const { producers, values } = this.#side
      return normals(dtype, dims, size, random, isNonNegative(name, producers, values))
    }
    if (isRandom && dtype === 'bool' && !given) {
      const random = randomStream(seed, 'border', name, attempt)
      // What is shut in one sample is open in the next.
      const data = Uint8Array.from(
        { length: elementCount(dims) },
        () => (random.below(2) + sample) % 2,
      )
      return new Tensor('bool', dims, data)
    }
    return known!
  }

  /** Runs the first model for values that are not drawn: indices, and what has unknown sizes. */
  async #capture(names: readonly string[]): Promise<void> {
    if (names.length === 0) return
    const { model } = this.#side
    const outputs = names.map((name) => tensorDeclaration(name, undefined, undefined))
    const session = this.#session({ ...model, graph: { ...model.graph, outputs } }, [this.#inputs])
    const [found] = await session.run([this.#inputs], { signal: this.#options.signal })
    for (const name of names) this.#captured.set(name, found![name]!)
  }
}

interface BorderOptions {
  readonly size: number
  /** Number of the sample. */
  readonly sample: number
  readonly isRandom: boolean
  /** Number of the trial: each draws other numbers. */
  readonly attempt: number
}

/** What nodes compute, one from another, from these values. */
function valuesAfter(nodes: readonly Node[], values: ReadonlySet<string>): ReadonlySet<string> {
  const found = new Set<string>()
  for (const node of nodes)
    if (readBy(node).some((name) => values.has(name) || found.has(name)))
      for (const name of node.outputs) found.add(name)
  return found
}

/** The regions with a point given instead of computed; undefined where nothing depends on it. */
function withGiven(model: Model, point: string): Model | undefined {
  const { graph } = model
  const nodes = graph.nodes.filter(({ outputs }) => !outputs.includes(point))
  if (nodes.length === graph.nodes.length) return undefined
  return { ...model, graph: { ...graph, nodes } }
}

/** Few numbers in a row are sizes, scales or bounds rather than what neurons say. */
const isList = (dims: readonly unknown[]): boolean =>
  dims.length === 0 || (dims.length === 1 && typeof dims[0] === 'number' && dims[0] <= 8)
