/**
 * Two computations that meet at the nodes with large weights that both have, so that each such weight
 * is read and used for both at once. Neither waits for what the other has passed or will not come to.
 */
import type { Tensor } from '../../tensor/tensor.ts'
import type { SlicedRun } from './sliced-node.ts'

/** Computes a node for one or two computations: the outputs of each for its samples. */
type Compute = (runs: readonly SlicedRun[]) => Promise<readonly (readonly Tensor[])[]>

interface Waiting {
  readonly stage: number
  readonly run: SlicedRun
  readonly resolve: (outputs: Promise<readonly Tensor[]>) => void
}

/** One of the two computations. */
export class Peer {
  readonly #compute: Compute
  #other: Peer = this
  /** What is computed at each stage; stages with equal keys are those at which they can meet. */
  #keys: readonly (string | undefined)[] = []
  #stage = 0
  #waiting: Waiting | undefined
  #counterparts: ReadonlyMap<number, number> | undefined
  /** Kept as soon as the keys are there, or will never be. */
  readonly #known: Promise<void>
  #announce = (): void => undefined

  private constructor(compute: Compute) {
    this.#compute = compute
    this.#known = new Promise((resolve) => {
      this.#announce = resolve
    })
  }

  static pair(compute: Compute): readonly [Peer, Peer] {
    const [a, b] = [new Peer(compute), new Peer(compute)]
    a.#other = b
    b.#other = a
    return [a, b]
  }

  /** Says what is computed. */
  join(keys: readonly (string | undefined)[]): void {
    this.#keys = keys
    this.#announce()
  }

  /** The stage of the other at which the two meet at a stage of this one. */
  async #counterpartOf(stage: number): Promise<number | undefined> {
    const other = this.#other
    if (this.#keys[stage] === undefined) return undefined
    await other.#known
    if (!this.#counterparts) {
      this.#counterparts = commonStages(this.#keys, other.#keys)
      other.#counterparts = new Map(
        [...this.#counterparts].map(([own, counterpart]) => [counterpart, own]),
      )
    }
    return this.#counterparts.get(stage)
  }

  /** Computes the node of a stage, together with the other where they meet. */
  async compute(stage: number, run: SlicedRun): Promise<readonly Tensor[]> {
    const other = this.#other
    const counterpart = await this.#counterpartOf(stage)
    const waiting = other.#waiting
    if (counterpart !== undefined && waiting?.stage === counterpart) {
      other.#waiting = undefined
      const both = this.#compute([run, waiting.run])
      waiting.resolve(both.then(([, outputs]) => outputs!))
      const [outputs] = await both
      return outputs!
    }
    if (counterpart === undefined || other.#stage > counterpart) return this.#alone(run)
    return new Promise((resolve) => {
      this.#waiting = { stage, run, resolve }
    })
  }

  /** Says that all stages before this one are done, or, without a number, that nothing more will be. */
  passed(stage = Number.POSITIVE_INFINITY): void {
    this.#stage = stage
    const other = this.#other
    const waiting = other.#waiting
    if (stage === Number.POSITIVE_INFINITY) this.#announce()
    if (!waiting || stage <= other.#counterparts!.get(waiting.stage)!) return
    other.#waiting = undefined
    waiting.resolve(this.#alone(waiting.run))
  }

  async #alone(run: SlicedRun): Promise<readonly Tensor[]> {
    const [outputs] = await this.#compute([run])
    return outputs!
  }
}

/** Pairs of stages with equal keys, in the order of both. */
function commonStages(
  a: readonly (string | undefined)[],
  b: readonly (string | undefined)[],
): ReadonlyMap<number, number> {
  const counterparts = new Map<number, number>()
  let from = 0
  a.forEach((key, stage) => {
    const counterpart = key === undefined ? -1 : b.indexOf(key, from)
    if (counterpart < 0) return
    counterparts.set(stage, counterpart)
    from = counterpart + 1
  })
  return counterparts
}
