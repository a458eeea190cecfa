/** Builds a graph with an emitter and runs it once. For tests only. */

import { GraphEmitter } from '../src/autodiff/emitter.ts'
import { GraphBuilder, modelOf } from '../src/model/builder.ts'
import { encodeModel } from '../src/onnx/encode.ts'
import type { Target } from '../src/operators/contract/gradient.ts'
import { nodeRuntime } from '../src/runtime/onnxruntime.node.ts'
import type { Tensor } from '../src/tensor/tensor.ts'

export interface GraphRun {
  /** Is the size of every input's first axis left open while the graph is built? */
  readonly openBatch?: boolean
}

/** Runs what `build` emits; it returns the values to fetch, by the names to return them under. */
export async function runGraph<K extends string>(
  inputs: Readonly<Record<string, Tensor>>,
  build: (emitter: GraphEmitter) => Readonly<Record<K, string>>,
  target: Target = 'standard',
  { openBatch = false }: GraphRun = {},
): Promise<Record<K, Tensor>> {
  const builder = new GraphBuilder()
  const emitter = new GraphEmitter(builder, new Map(), 18, target)
  for (const [name, { dtype, dims }] of Object.entries(inputs)) {
    const shape = openBatch ? ['n', ...dims.slice(1)] : dims
    builder.input(name, dtype, shape)
    emitter.declare(name, { dtype, shape })
  }
  const wanted = Object.entries(build(emitter)) as [K, string][]
  const outputs = wanted.map(([, value]) => {
    const copy = builder.node('Identity', [value])
    return builder.output(copy)
  })
  const session = await nodeRuntime.createSession(encodeModel(modelOf(builder.graph())), {
    threads: 1,
  })
  try {
    const results = await session.run(inputs, outputs)
    return Object.fromEntries(wanted.map(([key], i) => [key, results[outputs[i]!]!])) as Record<
      K,
      Tensor
    >
  } finally {
    await session.release()
  }
}
