/**
 * Sessions whose results are wanted in the caller's own tensors and nowhere else.
 *
 * ONNX Runtime's binding for Node writes outputs into the tensors that a run is given, and then copies
 * each of them into a new array, for a caller who may not have kept the first: 25 ms for 40 MB, more than
 * the arithmetic of many a training step, and garbage. It has no option for that. But an
 * output that is no tensor makes it end with an error after the run and before the first copy. So the
 * model gets an empty sequence as its first output, and that error stands for success. Whether a build
 * behaves like this, and how its error reads, is found out by a run of a small model, once per runtime.
 * Where it does not, sessions are ordinary ones.
 */
import { GraphBuilder } from '../model/builder.ts'
import type { Model } from '../model/model.ts'
import { NameSupply, valueNames } from '../model/names.ts'
import { encodeModel } from '../onnx/encode.ts'
import { float32 } from '../tensor/tensor.ts'
import type { Runtime, Session, SessionOptions } from './runtime.ts'

const known = new WeakMap<Runtime, Promise<string | undefined>>()

/** A session that must be run with a tensor for each of the model's outputs. */
export async function createInPlaceSession(
  runtime: Runtime,
  model: Model,
  options: SessionOptions,
): Promise<Session> {
  const message = await refusalOf(runtime)
  if (message === undefined) return runtime.createSession(encodeModel(model), options)
  const { bytes, output } = withRefusedOutput(model)
  return runtime.createSession(bytes, { ...options, refused: { output, message } })
}

/** How the runtime refuses an output that is no tensor; undefined where nothing is gained by it. */
function refusalOf(runtime: Runtime): Promise<string | undefined> {
  if (!runtime.copiesInPlaceOutputs) return Promise.resolve(undefined)
  let refusal = known.get(runtime)
  if (!refusal) {
    refusal = findRefusal(runtime).catch(() => undefined)
    known.set(runtime, refusal)
  }
  return refusal
}

async function findRefusal(runtime: Runtime): Promise<string | undefined> {
  const builder = new GraphBuilder()
  const x = builder.input('x', 'float32', [2])
  builder.nodeOutputs('Add', [x, x], {}, { outputs: ['y'] })
  builder.output('y', 'float32', [2])
  const { bytes, output } = withRefusedOutput(builder.model())
  const refused = { output, message: '' }
  const session = await runtime.createSession(bytes, { device: 'cpu', threads: 1, refused })
  const y = float32([2], [0, 0])
  try {
    await session.run({ x: float32([2], [1, 2]) }, { y })
    return undefined
  } catch (error) {
    const { cause } = error as Error
    const written = y.data[0] === 2 && y.data[1] === 4
    return written && cause instanceof Error ? cause.message : undefined
  } finally {
    await session.release()
  }
}

/** The model with an empty sequence as its first output. */
function withRefusedOutput(model: Model): { readonly bytes: Uint8Array; readonly output: string } {
  const { graph } = model
  const output = new NameSupply(valueNames(graph)).fresh('nothing')
  const empty = {
    name: output,
    opType: 'SequenceEmpty',
    domain: '',
    inputs: [],
    outputs: [output],
    attributes: new Map(),
  }
  const outputs = [{ name: output, type: { kind: 'opaque' } } as const, ...graph.outputs]
  const nodes = [...graph.nodes, empty]
  return { bytes: encodeModel({ ...model, graph: { ...graph, nodes, outputs } }), output }
}
