/** Random choices for generators of networks. */
import { type RandomStream, randomStream } from '../../src/tensor/random.ts'

export class Draws {
  readonly #random: RandomStream

  constructor(seed: number, purpose: string) {
    this.#random = randomStream(seed, purpose)
  }

  /** A whole number in [0, n). */
  below(n: number): number {
    return this.#random.below(n)
  }
  chance(p: number): boolean {
    return this.#random.uniform() < p
  }
  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!
  }
  uniform(): number {
    return this.#random.uniform()
  }
  normal(): number {
    return this.#random.normal()
  }
}
