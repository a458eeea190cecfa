/** A stepper whose state takes turns between two sets of buffers. */

import type { Batch } from '../../data/samples.ts'
import type { Shape } from '../../model/model.ts'
import type { Feeds, Session } from '../../runtime/runtime.ts'
import { elementCount, float32, type NumericDType, Tensor } from '../../tensor/tensor.ts'
import type { StepGraph } from '../compile/step-graph.ts'
import { type FeedAdapter, feedAdapter } from './feeds.ts'
import { copyTensor } from './state.ts'
import type { StepOutcome, Stepper } from './stepper.ts'

interface Side {
  readonly tensors: ReadonlyMap<string, Tensor>
  readonly feeds: Record<string, Tensor>
  /** Where the other side's step writes. */
  readonly outputs: Feeds
}

/** The same elements in the shape that the session takes them in. */
function viewedAs(tensor: Tensor, shape: Shape | undefined): Tensor {
  const sizes = shape?.every((dim) => typeof dim === 'number') ? (shape as number[]) : undefined
  return sizes === undefined || elementCount(sizes) !== tensor.data.length
    ? tensor
    : new Tensor<NumericDType>(tensor.dtype, sizes, tensor.data)
}

/** Copies of the tensors one after the other in one vector; adds each of them to `views`. */
function joinedTensor(
  parts: readonly string[],
  state: ReadonlyMap<string, Tensor>,
  views: Map<string, Tensor>,
): Tensor {
  const sources = parts.map((name) => state.get(name)!)
  const whole = new Float32Array(sources.reduce((sum, { data }) => sum + data.length, 0))
  let offset = 0
  for (const [i, { data, dims }] of sources.entries()) {
    const own = whole.subarray(offset, offset + data.length)
    own.set(data as Float32Array)
    views.set(parts[i]!, float32(dims, own))
    offset += data.length
  }
  return float32([whole.length], whole)
}

export class BufferedStepper implements Stepper {
  readonly #session: Session
  readonly #adapt: FeedAdapter
  readonly #rate = float32([], [0])
  readonly #loss = float32([], [0])
  readonly #correct = float32([], [0])
  readonly #gradientNorm = float32([], [0])
  readonly #stateSum = float32([], [0])
  #current: Side
  #other: Side

  constructor(graph: StepGraph, state: ReadonlyMap<string, Tensor>, session: Session) {
    this.#session = session
    this.#adapt = feedAdapter(graph)
    const shapes = new Map(session.inputs.map(({ name, shape }) => [name, shape]))
    const side = (): Side => {
      const fed = new Map<string, Tensor>()
      const views = new Map<string, Tensor>()
      for (const { name, parts } of graph.joined) fed.set(name, joinedTensor(parts, state, views))
      const tensors = new Map<string, Tensor>()
      for (const [name, tensor] of state) {
        const own = views.get(name) ?? copyTensor(tensor)
        tensors.set(name, own)
        if (!views.has(name)) fed.set(name, own)
      }
      const outputs: Record<string, Tensor> = { loss: this.#loss }
      if (graph.counts) outputs.correct = this.#correct
      if (graph.gradientNorm !== undefined) outputs[graph.gradientNorm] = this.#gradientNorm
      if (graph.stateSum !== undefined) outputs[graph.stateSum] = this.#stateSum
      const feeds: Record<string, Tensor> = { learning_rate: this.#rate }
      for (const [name, tensor] of fed) {
        feeds[name] = viewedAs(tensor, shapes.get(name))
        outputs[`${name}.next`] = feeds[name]
      }
      return { tensors, feeds, outputs }
    }
    this.#current = side()
    this.#other = side()
  }

  async step(batch: Batch, learningRate: number): Promise<StepOutcome> {
    const { feeds } = this.#current
    const predictions = this.#adapt(batch, feeds)
    this.#rate.data[0] = learningRate
    await this.#session.run(feeds, this.#other.outputs)
    const done = this.#current
    this.#current = this.#other
    this.#other = done
    return {
      loss: this.#loss.data[0]!,
      correct: this.#correct.data[0]!,
      predictions,
      gradientNorm: this.#gradientNorm.data[0]!,
      stateSum: this.#stateSum.data[0]!,
    }
  }

  async read(): Promise<ReadonlyMap<string, Tensor>> {
    return this.#current.tensors
  }

  previous(): ReadonlyMap<string, Tensor> {
    return this.#other.tensors
  }

  release(): Promise<void> {
    return this.#session.release()
  }
}
