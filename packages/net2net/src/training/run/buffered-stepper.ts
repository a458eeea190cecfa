/** A stepper whose state takes turns between two sets of buffers. */

import type { Batch } from '../../data/samples.ts'
import type { StateInBlocks } from '../../passes/cpu-layout/filter-blocks.ts'
import type { Feeds, Session } from '../../runtime/runtime.ts'
import { float32, type Tensor } from '../../tensor/tensor.ts'
import type { StepGraph } from '../compile/step-graph.ts'
import { fedState, stateOf } from './fed-state.ts'
import { type FeedAdapter, feedAdapter } from './feeds.ts'
import { copyTensor } from './state.ts'
import type { StepOutcome, Stepper } from './stepper.ts'

interface Side {
  /** The state as it is fed. */
  readonly fed: ReadonlyMap<string, Tensor>
  readonly feeds: Record<string, Tensor>
  /** Where the other side's step writes. */
  readonly outputs: Feeds
}

export class BufferedStepper implements Stepper {
  readonly #graph: StepGraph
  readonly #session: Session
  readonly #inBlocks: StateInBlocks
  readonly #adapt: FeedAdapter
  readonly #rate = float32([], [0])
  readonly #loss = float32([], [0])
  readonly #correct = float32([], [0])
  readonly #gradientNorm = float32([], [0])
  readonly #stateSum = float32([], [0])
  #current: Side
  #other: Side

  constructor(
    graph: StepGraph,
    state: ReadonlyMap<string, Tensor>,
    session: Session,
    inBlocks: StateInBlocks,
  ) {
    this.#graph = graph
    this.#session = session
    this.#inBlocks = inBlocks
    this.#adapt = feedAdapter(graph)
    const start = fedState(graph, state, inBlocks)
    const side = (): Side => {
      const fed = new Map([...start].map(([name, tensor]) => [name, copyTensor(tensor)]))
      const outputs: Record<string, Tensor> = { loss: this.#loss }
      if (graph.counts) outputs.correct = this.#correct
      if (graph.gradientNorm !== undefined) outputs[graph.gradientNorm] = this.#gradientNorm
      if (graph.stateSum !== undefined) outputs[graph.stateSum] = this.#stateSum
      const feeds: Record<string, Tensor> = { learning_rate: this.#rate }
      for (const [name, tensor] of fed) {
        feeds[name] = tensor
        outputs[`${name}.next`] = tensor
      }
      return { fed, feeds, outputs }
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
    return stateOf(this.#graph, this.#current.fed, this.#inBlocks)
  }

  previous(): ReadonlyMap<string, Tensor> {
    return stateOf(this.#graph, this.#other.fed, this.#inBlocks)
  }

  release(): Promise<void> {
    return this.#session.release()
  }
}
