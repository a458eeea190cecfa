/** A stepper whose state stays on the device between steps. */

import type { Batch } from '../../data/samples.ts'
import { GraphBuilder } from '../../model/builder.ts'
import { encodeModel } from '../../onnx/encode.ts'
import type { Runtime, Session, SessionOptions } from '../../runtime/runtime.ts'
import { float32, type Tensor } from '../../tensor/tensor.ts'
import type { StepGraph } from '../compile/step-graph.ts'
import { type FeedAdapter, feedAdapter } from './feeds.ts'
import type { StepOutcome, Stepper } from './stepper.ts'

/** A tensor on the device has to be given back by hand. */
const dispose = (tensor: Tensor): void => {
  if ('dispose' in tensor && typeof tensor.dispose === 'function') tensor.dispose()
}

/**
 * Only single numbers (loss, right predictions, sum of the state) come back after each step. Not every build of
 * ONNX Runtime can download a tensor: `read` copies the state through a session of its own.
 *
 * @param session of the step graph, with its `.next` outputs kept on the device
 */
export class DeviceStepper implements Stepper {
  readonly #graph: StepGraph
  readonly #runtime: Runtime
  readonly #options: SessionOptions
  readonly #session: Session
  readonly #adapt: FeedAdapter
  readonly #wanted: readonly string[]
  #state: Record<string, Tensor>
  #reader: Session | undefined

  constructor(
    graph: StepGraph,
    state: ReadonlyMap<string, Tensor>,
    session: Session,
    runtime: Runtime,
    options: SessionOptions,
  ) {
    this.#graph = graph
    this.#runtime = runtime
    this.#options = options
    this.#session = session
    this.#adapt = feedAdapter(graph)
    this.#state = Object.fromEntries(state)
    this.#wanted = [
      'loss',
      ...(graph.counts ? ['correct'] : []),
      ...[graph.gradientNorm, graph.stateSum].filter((name) => name !== undefined),
      ...nextNames(graph),
    ]
  }

  async step(batch: Batch, learningRate: number): Promise<StepOutcome> {
    const feeds: Record<string, Tensor> = {
      ...this.#state,
      learning_rate: float32([], [learningRate]),
    }
    const predictions = this.#adapt(batch, feeds)
    const results = await this.#session.run(feeds, this.#wanted)
    const old = this.#state
    this.#state = Object.fromEntries(
      Object.keys(old).map((name) => [name, results[`${name}.next`]!]),
    )
    for (const tensor of Object.values(old)) dispose(tensor)
    return {
      loss: Number(results.loss!.data[0]),
      correct: Number(results.correct?.data[0] ?? 0),
      predictions,
      gradientNorm: Number(results[this.#graph.gradientNorm ?? '']?.data[0] ?? 0),
      stateSum: Number(results[this.#graph.stateSum ?? '']?.data[0] ?? 0),
    }
  }

  async read(): Promise<ReadonlyMap<string, Tensor>> {
    this.#reader ??= await this.#runtime.createSession(copyModel(this.#graph), this.#options)
    const results = await this.#reader.run(this.#state)
    return new Map(Object.keys(this.#state).map((name) => [name, results[`${name}.next`]!]))
  }

  previous(): undefined {
    return undefined
  }

  async release(): Promise<void> {
    for (const tensor of Object.values(this.#state)) dispose(tensor)
    await this.#reader?.release()
    await this.#session.release()
  }
}

export const nextNames = (graph: StepGraph): readonly string[] =>
  [...graph.state.keys()].map((name) => `${name}.next`)

/** A model that only copies the state. */
function copyModel(graph: StepGraph): Uint8Array {
  const builder = new GraphBuilder()
  for (const [name, { dtype, dims }] of graph.state) {
    builder.input(name, dtype, dims)
    builder.nodeOutputs('Identity', [name], {}, { outputs: [`${name}.next`] })
    builder.output(`${name}.next`, dtype, dims)
  }
  return encodeModel(builder.model('copy'))
}
