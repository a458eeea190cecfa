import type { WeightSlicingOf } from '../../operators/contract/slicing.ts'
import type { Feeds, SessionOptions, SessionValue } from '../../runtime/runtime.ts'
import type { Tensor } from '../../tensor/tensor.ts'
import type { Peer } from './rendezvous.ts'

/** What computes a model's function, on several sets of inputs at a time. */
export interface Computation {
  readonly inputs: readonly SessionValue[]
  readonly outputs: readonly SessionValue[]
  /** Can it run together with another (`peer`)? */
  readonly isStreamed: boolean
  /** One set of outputs for each set of inputs. */
  run(samples: readonly Feeds[], options?: RunOptions): Promise<readonly Feeds[]>
  release(): Promise<void>
}

export interface RunOptions {
  readonly signal?: AbortSignal | undefined
  /** Computes large weights together with another computation, where both have them. */
  readonly peer?: Peer | undefined
  /** Gets the share that is done. */
  readonly onProgress?: ((share: number) => void) | undefined
  /** Gets an output for all samples as soon as it is there; then it is not among the results. */
  readonly onOutput?: ((name: string, samples: readonly Tensor[]) => void) | undefined
  readonly probe?: Probe | undefined
}

/** Finds out on the way what moves where something changes a little. */
export interface Probe {
  /** The sample on which it is found out. */
  readonly sample: number
  /** How much a little is, as a share of each number. */
  readonly share: number
  /** Weights that may start at zero: while something changes they are something else. */
  readonly weights: ReadonlySet<string>
  /** Has a segment only a few of the weights that change? */
  readonly isInParts: boolean
  /** Is this one of those weights, or a value that is taken from an earlier segment, to change? Only one of them changes at a time. */
  readonly changes: (name: string) => boolean
  /** Gets by how much a value moves (see `movement`) where a weight or another value changes. */
  readonly onMovement: (of: string, value: string, by: number) => void
}

export interface OutOfCoreOptions extends Pick<SessionOptions, 'optimization'> {
  /**
   * Most bytes of weights in one segment; default 4 MiB (`BLOCK_BYTES`). Larger weights are fed to their nodes.
   */
  readonly blockBytes?: number
  /** Most bytes of a weight that are fed at a time; default `blockBytes` if given, else 16 MiB. */
  readonly sliceBytes?: number
  /**
   * Which nodes can take a weight in slices (default: as their operators say); the others take it
   * whole, however large it is.
   */
  readonly slicing?: WeightSlicingOf
  /** Cuts the sums over a sliced weight into so many parts, which rounds them otherwise; default 1. */
  readonly sumParts?: number
}
