/** The stepper that suits a device, and the form of the step graph that suits the runtime. */
import type { Model } from '../../model/model.ts'
import { encodeModel } from '../../onnx/encode.ts'
import { noneInBlocks } from '../../passes/cpu-layout/filter-blocks.ts'
import { lowerForWasm, lowerStep } from '../../passes/cpu-layout/lower-for-cpu.ts'
import { channelBlock } from '../../runtime/channel-block.ts'
import { createInPlaceSession } from '../../runtime/in-place.ts'
import type { Runtime, SessionOptions } from '../../runtime/runtime.ts'
import type { Tensor } from '../../tensor/tensor.ts'
import type { StepGraph } from '../compile/step-graph.ts'
import { BufferedStepper } from './buffered-stepper.ts'
import { HandedStepper, nextNames } from './handed-stepper.ts'
import type { Stepper } from './stepper.ts'

/**
 * A stepper on the CPU lets two sets of buffers take turns as the step's inputs and outputs. On
 * WebGPU the state stays on the device, and in WebAssembly each step takes the tensors that the one before gave.
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
    return new HandedStepper(graph, state, session, runtime, options)
  }
  const onCpu = (options.device ?? 'cpu') === 'cpu'
  if (onCpu && runtime.webAssembly) {
    const session = await runtime.createSession(encodeModel(lowerForWasm(model)), options)
    return new HandedStepper(graph, state, session, runtime, options)
  }
  const { model: forms, inBlocks } = onCpu
    ? lowerStep(model, await channelBlock(runtime), graph.state.keys(), ['loss'])
    : { model, inBlocks: noneInBlocks }
  const session = await createInPlaceSession(runtime, forms, options)
  return new BufferedStepper(graph, state, session, inBlocks)
}

/**
 * The model with every graph input required: ONNX Runtime's JavaScript API does not feed inputs
 * that have a default value.
 */
export function withoutDefaults(model: Model): Model {
  const initializers = new Map(model.graph.initializers)
  for (const { name } of model.graph.inputs) initializers.delete(name)
  return { ...model, graph: { ...model.graph, initializers } }
}
