/** What a training measures after its epochs. */
import type { SampleSet, TrainingData } from '../../data/samples.ts'
import { isSampleSet } from '../../data/samples.ts'
import type { Model } from '../../model/model.ts'
import type { Tensor } from '../../tensor/tensor.ts'
import {
  type EvaluateOptions,
  type Evaluation,
  evaluate,
  type OpenEvaluation,
  openEvaluation,
} from './evaluate.ts'

type Tensors = ReadonlyMap<string, Tensor>

/** Up to so many bytes of weights are handed over in all runs of a measurement: that takes less time than to make a session. */
const mostBytesFed = 2 ** 28

/**
 * Measures a network whose weights change. In WebAssembly one session takes them as inputs: to make a session takes as long there as
 * small networks need for an epoch. Elsewhere weights are built in, which is the fastest form.
 */
export class Validation {
  readonly #data: TrainingData
  readonly #options: EvaluateOptions
  #kept: OpenEvaluation | 'none' | undefined

  constructor(data: TrainingData, options: EvaluateOptions) {
    this.#data = data
    this.#options = options
  }

  /**
   * @param model with its present weights
   * @param weights the present values of what changes, by name
   * @param again as for `evaluate`
   */
  async measure(
    model: () => Model,
    weights: Tensors,
    what: string,
    again: boolean,
  ): Promise<Evaluation> {
    const data = this.#data
    this.#kept ??= isSampleSet(data) ? await this.#open(model(), data, weights, what) : 'none'
    return this.#kept === 'none'
      ? evaluate(model(), data, this.#options, what, again)
      : this.#kept.measure(weights)
  }

  async release(): Promise<void> {
    if (this.#kept !== 'none') await this.#kept?.release()
    this.#kept = undefined
  }

  async #open(
    model: Model,
    data: SampleSet,
    weights: Tensors,
    what: string,
  ): Promise<OpenEvaluation | 'none'> {
    const { runtime, session } = this.#options
    // A model in another precision is measured with weights that are rounded to it.
    const isInFloat32 = [...weights].every(
      ([name, { dtype }]) =>
        dtype === 'float32' && model.graph.initializers.get(name)?.tensor.dtype === dtype,
    )
    if (!runtime.webAssembly || (session?.device ?? 'cpu') !== 'cpu' || !isInFloat32) return 'none'
    const names = [...weights.keys()]
    const kept = await openEvaluation(model, data, this.#options, what, true, names)
    const bytes = [...weights.values()].reduce((sum, { byteLength }) => sum + byteLength, 0)
    return bytes * (kept.runs ?? Number.POSITIVE_INFINITY) <= mostBytesFed ? kept : 'none'
  }
}
