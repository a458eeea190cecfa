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

export class BufferedStepper implements Stepper {
  readonly #session: Session
  readonly #adapt: FeedAdapter
  readonly #rate = float32([], [0])
  readonly #loss = float32([], [0])
  readonly #correct = float32([], [0])
  readonly #stateSum = float32([], [0])
  #current: Side
  #other: Side

  constructor(graph: StepGraph, state: ReadonlyMap<string, Tensor>, session: Session) {
    this.#session = session
    this.#adapt = feedAdapter(graph)
    const shapes = new Map(session.inputs.map(({ name, shape }) => [name, shape]))
    const side = (): Side => {
      const tensors = new Map([...state].map(([name, tensor]) => [name, copyTensor(tensor)]))
      const outputs: Record<string, Tensor> = { loss: this.#loss }
      if (graph.counts) outputs.correct = this.#correct
      if (graph.stateSum !== undefined) outputs[graph.stateSum] = this.#stateSum
      const feeds: Record<string, Tensor> = { learning_rate: this.#rate }
      for (const [name, tensor] of tensors) {
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
