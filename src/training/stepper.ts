/** Runs a step graph again and again on state that stays where it is. */

import type { Model } from '../model/model.ts'
import { encodeModel } from '../onnx/encode.ts'
import { lowerForCpu, lowerForWasm } from '../operators/lowering/index.ts'
import { channelBlock } from '../runtime/channel-block.ts'
import type { Feeds, Runtime, Session, SessionOptions } from '../runtime/runtime.ts'
import { float32, type Tensor } from '../tensor/tensor.ts'
import type { Batch } from './data.ts'
import { DeviceStepper, nextNames } from './device-stepper.ts'
import { type FeedAdapter, feedAdapter } from './feeds.ts'
import { copyTensor } from './state.ts'
import type { StepGraph } from './step-graph.ts'

/** What a step tells. */
export interface StepOutcome {
  /** Mean over the batch, under the weights before the step. */
  readonly loss: number
  readonly correct: number
  /** How many predictions the batch asked for. */
  readonly predictions: number
  /** Finite only if the whole state after the step is (large numbers may add up to infinity). */
  readonly stateSum: number
}

export interface Stepper {
  step(batch: Batch, learningRate: number): Promise<StepOutcome>
  /** The state's tensors. They stay as they are until the next step but one. */
  read(): Promise<ReadonlyMap<string, Tensor>>
  /** The state that the last step started from, where it is still there. */
  previous(): ReadonlyMap<string, Tensor> | undefined
  release(): Promise<void>
}

/**
 * A stepper on the CPU lets two sets of buffers take turns as the step's inputs and outputs; on
 * WebGPU the state stays on the device.
 */
export async function createStepper(
  graph: StepGraph,
  state: ReadonlyMap<string, Tensor>,
  runtime: Runtime,
  options: SessionOptions,
): Promise<Stepper> {
  const model = withoutDefaults(graph.model)
  if (options.device === 'webgpu') {
    const kept = { ...options, keepOnDevice: nextNames(graph) }
    const session = await runtime.createSession(encodeModel(model), kept)
    return new DeviceStepper(graph, state, session, runtime, options)
  }
  const onCpu = (options.device ?? 'cpu') === 'cpu'
  const forms = onCpu ? await lowered(model, runtime) : model
  const session = await runtime.createSession(encodeModel(forms), options)
  return new BufferedStepper(graph, state, session)
}

/** For the CPU of this runtime. */
const lowered = async (model: Model, runtime: Runtime): Promise<Model> =>
  runtime.webAssembly ? lowerForWasm(model) : lowerForCpu(model, await channelBlock(runtime))

/**
 * The model with every graph input required: ONNX Runtime's JavaScript API does not feed inputs
 * that have a default value.
 */
export function withoutDefaults(model: Model): Model {
  const initializers = new Map(model.graph.initializers)
  for (const { name } of model.graph.inputs) initializers.delete(name)
  return { ...model, graph: { ...model.graph, initializers } }
}

interface Side {
  readonly tensors: ReadonlyMap<string, Tensor>
  readonly feeds: Record<string, Tensor>
  /** Where the other side's step writes. */
  readonly outputs: Feeds
}

class BufferedStepper implements Stepper {
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
    const side = (): Side => {
      const tensors = new Map([...state].map(([name, tensor]) => [name, copyTensor(tensor)]))
      const outputs: Record<string, Tensor> = { loss: this.#loss }
      if (graph.counts) outputs.correct = this.#correct
      if (graph.stateSum !== undefined) outputs[graph.stateSum] = this.#stateSum
      for (const [name, tensor] of tensors) outputs[`${name}.next`] = tensor
      return {
        tensors,
        feeds: { ...Object.fromEntries(tensors), learning_rate: this.#rate },
        outputs,
      }
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
