/**
 * The in-weights of new units that make the gradient of their out-weights largest (GradMax, Evci et al., arXiv:2201.05125).
 *
 * A new unit computes f(v·h) of the inputs h of its layer and is read with out-weights u, which are zero: the function stays.
 * The gradient of u is g(v) = E[δ f(v·h)], where δ is the gradient of the loss with respect to what the readers compute. A step
 * of size η lowers the loss by η‖g‖² to first order: that is the unit's gain. Where f is linear, g(v) = M v with M = E[δ hᵀ],
 * the gradient of a connection from the layer's inputs to its readers, and the best orthogonal v of one length are its
 * right singular vectors, with gains σ².
 *
 * M is never made. Both of its products come from the network itself, in which all groups have their new units at once: with
 * out-weights zero, the gradient of the out-weights is M v; with small out-weights u, that of the in-weights is Mᵀu times their
 * size. So the directions are found by orthogonal iteration, through convolutions, norms, several readers and residual streams
 * alike. Where f is not linear (a Relu) the same iteration climbs: g is what the network has, at v itself, and the best v on the
 * way is kept.
 */
import {
  type Entries,
  type GroupWeights,
  type GrowthPlan,
  groupWeights,
  sharedEntries,
} from '../growth/index.ts'
import type { Model } from '../model/model.ts'
import { randomStream } from '../tensor/random.ts'
import { elementCount, float32, type Tensor, toNumbers } from '../tensor/tensor.ts'
import { withConstantsAsInitializers } from '../training/compile/trainable.ts'
import type { GradientMeter } from './gradients.ts'

/** What was found for the new units of one group, in their order. */
export interface Directions {
  /** Id of the group in the plan. */
  readonly id: string
  /** Squared norms of the gradients of the units' out-weights. */
  readonly gains: readonly number[]
  /** In-weights for each unit, in the order of its entries. A norm may scale every unit differently: another's would gain something else. */
  readonly vectors: readonly Float64Array[]
}

/** Turns of the iteration: each takes two passes over the samples, and one pass measures the end. */
const defaultTurns = 3

/** How often a search of so many turns goes through the samples. */
export const passesOf = (turns: number = defaultTurns): number => 2 * turns + 1

/** Out-weights that only show the way are so much smaller than those of old units. */
const small = 1e-3

/** The parameters that hold weights of a plan's new units. */
export const parametersOf = (groups: readonly GroupWeights[]): readonly string[] => [
  ...new Set(
    groups.flatMap(({ units }) =>
      units.flatMap(({ inWeights, outWeights }) =>
        [...inWeights, ...outWeights].map(({ parameter }) => parameter),
      ),
    ),
  ),
]

/**
 * Searches for the directions of all new units of a plan.
 *
 * @param grown The model to which the plan has been applied.
 * @param meter Of the grown model, with respect to `parametersOf` its groups.
 */
export async function findDirections(
  grown: Model,
  plan: GrowthPlan,
  meter: GradientMeter,
  turns: number = defaultTurns,
): Promise<readonly Directions[]> {
  const groups = groupWeights(plan)
  const { initializers } = withConstantsAsInitializers(grown).graph
  const tensors = new Map(
    parametersOf(groups).map((name) => {
      const { tensor } = initializers.get(name)!
      return [name, float32(tensor.dims, toNumbers(tensor))] as const
    }),
  )
  const values = new Map([...tensors].map(([name, { data }]) => [name, data] as const))
  // Each group is measured by itself: what new units compute from one another is nothing.
  for (const entries of sharedEntries(plan))
    if (values.has(entries.parameter)) scatter([entries], undefined, 0, values)
  const searches = groups.map((group) => new Search(group, values, plan.seed))
  return iterate(searches, tensors, meter, turns)
}

async function iterate(
  searches: readonly Search[],
  tensors: ReadonlyMap<string, Tensor>,
  meter: GradientMeter,
  turns: number,
): Promise<readonly Directions[]> {
  for (let turn = 0; ; turn++) {
    const out = await meter.measure(tensors)
    for (const search of searches) search.look(out.gradients)
    if (turn === turns) break
    for (const search of searches) search.lean()
    const into = await meter.measure(tensors)
    for (const search of searches) search.turn(into.gradients)
  }
  return searches.map((search) => search.best)
}

/** The in-weights that were found, in tensors as large as the grown parameters that hold them. */
export function tensorsOf(
  plan: GrowthPlan,
  directions: readonly Directions[],
): ReadonlyMap<string, Float32Array> {
  const found = new Map(directions.map((each) => [each.id, each]))
  const tensors = new Map<string, Float32Array>()
  for (const { id, from, units } of groupWeights(plan))
    units.slice(from).forEach(({ inWeights }, i) => {
      for (const { parameter } of inWeights)
        if (!tensors.has(parameter)) {
          const change = plan.parameters.find(({ to }) => to === parameter)!
          tensors.set(parameter, new Float32Array(elementCount(change.after)))
        }
      scatter(inWeights, found.get(id)!.vectors[i], 1, tensors)
    })
  return tensors
}

type Gradients = ReadonlyMap<string, Float64Array>
type Values = ReadonlyMap<string, Float32Array>

class Search {
  readonly #group: GroupWeights
  /** What the measured network holds. */
  readonly #values: Values
  /** The length of a new unit's in-weights: the root mean square of that of old ones. */
  readonly #length: number
  readonly #outLength: number
  #vectors: readonly Float64Array[]
  /** By the gradients of out-weights. */
  #gains: readonly number[]
  #gradients: readonly Float64Array[] = []
  #best: Directions

  constructor(group: GroupWeights, values: Values, seed: number) {
    this.#group = group
    this.#values = values
    const old = group.units.slice(0, group.from)
    this.#length = typicalNorm(old.map(({ inWeights }) => gathered(inWeights, values)))
    this.#outLength = typicalNorm(old.map(({ outWeights }) => gathered(outWeights, values)))
    const random = randomStream(seed, 'directions', group.id)
    const start = this.#new.map(({ inWeights }) =>
      new Float64Array(sizeOf(inWeights)).map(() => random.normal()),
    )
    this.#gains = this.#new.map(() => 0)
    this.#vectors = this.#spread(start)
    this.#best = { id: group.id, gains: [], vectors: [] }
    this.#write()
  }

  get #new() {
    return this.#group.units.slice(this.#group.from)
  }

  get best(): Directions {
    return this.#best
  }

  /** Takes the gains of the present directions from the gradients of out-weights. */
  look(gradients: Gradients): void {
    this.#gradients = this.#new.map(({ outWeights }) => gathered(outWeights, gradients))
    this.#gains = this.#gradients.map(squaredNorm)
    if (this.#best.gains.length === 0 || total(this.#gains) > total(this.#best.gains))
      this.#best = { id: this.#group.id, gains: this.#gains, vectors: this.#vectors }
  }

  /** Gives the new units small out-weights along their gradients. */
  lean(): void {
    this.#new.forEach(({ outWeights }, i) => {
      const gradient = this.#gradients[i]!
      const norm = Math.sqrt(squaredNorm(gradient))
      const factor = norm === 0 ? 0 : (small * this.#outLength) / norm
      scatter(outWeights, gradient, factor, this.#values)
    })
  }

  /** Takes the gradients of the in-weights for the next directions. */
  turn(gradients: Gradients): void {
    const next = this.#new.map(({ inWeights }, i) => {
      const direction = gathered(inWeights, gradients)
      // Nothing passes a Relu that is shut on all samples: the other way round it is open.
      return squaredNorm(direction) === 0 ? this.#vectors[i]!.map((x) => -x) : direction
    })
    this.#vectors = this.#spread(next)
    this.#write()
  }

  /** Orthogonal vectors of the same length, as far as there are so many. What gains most keeps its direction. */
  #spread(vectors: readonly Float64Array[]): readonly Float64Array[] {
    const found: Float64Array[] = []
    const order = [...vectors.keys()].sort((a, b) => this.#gains[b]! - this.#gains[a]!)
    for (const vector of order.map((i) => vectors[i]!)) {
      const rest = Float64Array.from(vector)
      const before = Math.sqrt(squaredNorm(rest))
      // Twice is enough (Kahan): what rounding left of the others goes in the second turn.
      if (found.length < rest.length)
        for (const other of [...found, ...found]) {
          const along = dot(rest, other) / squaredNorm(other)
          if (Number.isFinite(along)) addTo(rest, other, -along)
        }
      const norm = Math.sqrt(squaredNorm(rest))
      const kept = norm > 1e-9 * before ? rest : Float64Array.from(vector)
      const length = Math.sqrt(squaredNorm(kept))
      found.push(length === 0 ? kept : kept.map((x) => (x * this.#length) / length))
    }
    return vectors.map((_, i) => found[order.indexOf(i)]!)
  }

  /** The present directions, and out-weights of zero. */
  #write(): void {
    this.#new.forEach(({ inWeights, outWeights }, i) => {
      scatter(inWeights, this.#vectors[i]!, 1, this.#values)
      scatter(outWeights, undefined, 0, this.#values)
    })
  }
}

const sizeOf = (entries: readonly Entries[]): number =>
  entries.reduce((size, { starts, offsets }) => size + starts.length * offsets.length, 0)

/** The numbers at the entries; zero where there are none. */
export function gathered(
  entries: readonly Entries[],
  from: ReadonlyMap<string, Float32Array | Float64Array>,
): Float64Array {
  const result = new Float64Array(sizeOf(entries))
  let k = 0
  for (const { parameter, starts, offsets } of entries) {
    const data = from.get(parameter)
    for (const start of starts)
      for (const offset of offsets) result[k++] = data?.[start + offset] ?? 0
  }
  return result
}

function scatter(
  entries: readonly Entries[],
  vector: Float64Array | undefined,
  factor: number,
  into: Values,
): void {
  let k = 0
  for (const { parameter, starts, offsets } of entries) {
    const data = into.get(parameter)!
    for (const start of starts)
      for (const offset of offsets) data[start + offset] = vector ? vector[k++]! * factor : 0
  }
}

const total = (values: readonly number[]): number => values.reduce((sum, x) => sum + x, 0)

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!
  return sum
}
export const squaredNorm = (a: Float64Array): number => dot(a, a)

function addTo(sum: Float64Array, other: Float64Array, factor: number): void {
  for (let i = 0; i < sum.length; i++) sum[i]! += factor * other[i]!
}

/** The root mean square of norms; 1 where all are zero. */
function typicalNorm(vectors: readonly Float64Array[]): number {
  const mean = total(vectors.map(squaredNorm)) / Math.max(1, vectors.length)
  return mean === 0 ? 1 : Math.sqrt(mean)
}
