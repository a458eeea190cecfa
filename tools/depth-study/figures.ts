/** What the finished trainings say: means over the seeds, differences seed by seed, and the compute that was needed. */
import {
  type Estimate,
  estimate,
} from '../../packages/net2net-cli/src/sweep/analysis/statistics.ts'
import { type Arm, arms } from './arms.ts'
import type { End, Outcome } from './training.ts'

export const [full, grown, small, once, shallow] = arms

export interface ChosenRate {
  readonly kind: Arm['kind']
  readonly rate: number
  /** Rates and the validation losses that came of them. */
  readonly tried: readonly (readonly [rate: number, loss: number])[]
}

export interface Run extends Outcome {
  readonly arm: string
  readonly seed: number
}

export interface Study {
  readonly scale: string
  /** Multiply-adds of each training. */
  readonly compute: number
  readonly rates: readonly ChosenRate[]
  readonly text: { readonly vocabulary: number; readonly characters: number }
  readonly processor: string
  readonly runs: readonly Run[]
}

export class Figures {
  readonly #runs: readonly Run[]

  constructor(runs: readonly Run[]) {
    this.#runs = runs
  }

  /** The seeds with which all of these arms are finished. */
  seedsOf(...some: readonly Arm[]): readonly number[] {
    return [...new Set(this.#runs.map(({ seed }) => seed))].filter((seed) =>
      some.every((arm) => this.run(arm, seed)),
    )
  }
  run(arm: Arm, seed: number): Run | undefined {
    return this.#runs.find((run) => run.arm === arm.name && run.seed === seed)
  }
  end(arm: Arm, seed: number, share = 1): End | undefined {
    return this.run(arm, seed)?.ends.find((end) => end.share === share)
  }
  /** Over the seeds with which the arm is finished. */
  mean(arm: Arm, of: (end: End, run: Run) => number, share = 1): Estimate | undefined {
    return estimate(
      this.seedsOf(arm).map((seed) => of(this.end(arm, seed, share)!, this.run(arm, seed)!)),
    )
  }
  /** By how much the loss of an arm is lower than that of another, seed by seed. */
  lower(arm: Arm, other: Arm, share = 1): Estimate | undefined {
    return estimate(
      this.seedsOf(arm, other).map(
        (seed) => this.end(other, seed, share)!.loss - this.end(arm, seed, share)!.loss,
      ),
    )
  }
  /** For each seed, the part of what the full depth has spent in the end that a growing network needs for its loss. */
  needed(arm: Arm, of: (end: End) => number): readonly Needed[] {
    return this.seedsOf(arm, full).map((seed) => {
      const target = this.end(full, seed)!
      const { ends } = this.run(arm, seed)!
      const whole = of(target)
      const at = ends.findIndex(({ loss }) => loss <= target.loss)
      if (at < 0) return { share: of(ends.at(-1)!) / whole, is: 'more than' }
      const [before, after] = [ends[at - 1], ends[at]!]
      if (!before) return { share: of(after) / whole, is: 'at most' }
      // Between two measured networks the loss is taken to fall with the logarithm of what is spent.
      const part = (before.loss - target.loss) / (before.loss - after.loss)
      const spent = of(before) ** (1 - part) * of(after) ** part
      return { share: spent / whole, is: 'about' }
    })
  }
}

export interface Needed {
  readonly share: number
  readonly is: 'at most' | 'about' | 'more than'
}
