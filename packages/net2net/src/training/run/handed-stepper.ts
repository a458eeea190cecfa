/** A stepper whose state is what the last run gave: it is handed from run to run. */

import type { Batch } from '../../data/samples.ts'
import { GraphBuilder } from '../../model/builder.ts'
import { encodeModel } from '../../onnx/encode.ts'
import { DeviceTensor } from '../../runtime/ort.ts'
import type { Runtime, Session, SessionOptions } from '../../runtime/runtime.ts'
import { float32, type Tensor } from '../../tensor/tensor.ts'
import type { StepGraph } from '../compile/step-graph.ts'
import { fedState, stateOf } from './fed-state.ts'
import { type FeedAdapter, feedAdapter } from './feeds.ts'
import type { StepOutcome, Stepper } from './stepper.ts'

type Tensors = ReadonlyMap<string, Tensor>

/**
 * For runtimes that keep outputs on a device, and for those that make new tensors with every run (WebAssembly has memory of its
 * own): buffers of the caller would only be another copy.
 *
 * On a device, only single numbers (loss, right predictions, sum of the state) come back after each step. Not every build of
 * ONNX Runtime can download a tensor: `read` copies the state through a session of its own.
 *
 * @param session of the step graph, with its `.next` outputs kept on the device, where there is one
 */
export class HandedStepper implements Stepper {
  readonly #graph: StepGraph
  readonly #runtime: Runtime
  readonly #options: SessionOptions
  readonly #session: Session
  readonly #adapt: FeedAdapter
  readonly #wanted: readonly string[]
  #fed: Tensors
  /** What the last step was fed, where it is still there. */
  #before: Tensors | undefined
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
    this.#fed = fedState(graph, state)
    this.#wanted = [
      'loss',
      ...(graph.counts ? ['correct'] : []),
      ...[graph.gradientNorm, graph.stateSum].filter((name) => name !== undefined),
      ...[...this.#fed.keys()].map((name) => `${name}.next`),
    ]
  }

  async step(batch: Batch, learningRate: number): Promise<StepOutcome> {
    const feeds: Record<string, Tensor> = {
      ...Object.fromEntries(this.#fed),
      learning_rate: float32([], [learningRate]),
    }
    const predictions = this.#adapt(batch, feeds)
    const results = await this.#session.run(feeds, this.#wanted)
    const old = this.#fed
    this.#fed = new Map([...old.keys()].map((name) => [name, results[`${name}.next`]!]))
    this.#before = onHost(this.#fed) ? old : undefined
    disposeOf(old)
    return {
      loss: Number(results.loss!.data[0]),
      correct: Number(results.correct?.data[0] ?? 0),
      predictions,
      gradientNorm: Number(results[this.#graph.gradientNorm ?? '']?.data[0] ?? 0),
      stateSum: Number(results[this.#graph.stateSum ?? '']?.data[0] ?? 0),
    }
  }

  async read(): Promise<Tensors> {
    if (onHost(this.#fed)) return stateOf(this.#graph, this.#fed)
    this.#reader ??= await this.#runtime.createSession(copyModel(this.#graph), this.#options)
    const results = await this.#reader.run(Object.fromEntries(this.#fed))
    return new Map([...this.#fed.keys()].map((name) => [name, results[`${name}.next`]!]))
  }

  previous(): Tensors | undefined {
    return this.#before && stateOf(this.#graph, this.#before)
  }

  async release(): Promise<void> {
    disposeOf(this.#fed)
    await this.#reader?.release()
    await this.#session.release()
  }
}

const onHost = (tensors: Tensors): boolean =>
  [...tensors.values()].every((tensor) => !(tensor instanceof DeviceTensor))

/** A tensor on the device has to be given back by hand. */
function disposeOf(tensors: Tensors): void {
  for (const tensor of tensors.values()) if (tensor instanceof DeviceTensor) tensor.dispose()
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
