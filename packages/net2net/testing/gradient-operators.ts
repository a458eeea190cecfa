/** Which operators a gradient is made of, for tests of what decides between forms. */
import { backward } from '../src/autodiff/backward.ts'
import { GraphEmitter } from '../src/autodiff/emitter.ts'
import { GraphBuilder } from '../src/model/builder.ts'
import type { Emitter, Target } from '../src/operators/contract/gradient.ts'

/**
 * The operators, in order, that gradients of float32 inputs are made of.
 *
 * @param inputs sizes by name
 * @param forward emits the value whose gradient is given
 * @param wanted the inputs whose gradients are emitted
 */
export function gradientOperators(
  target: Target,
  inputs: Readonly<Record<string, readonly number[]>>,
  forward: (emitter: Emitter) => string,
  wanted: readonly string[],
): readonly string[] {
  const builder = new GraphBuilder()
  const emitter = new GraphEmitter(builder, new Map(), 18, target)
  for (const [name, dims] of Object.entries(inputs)) {
    builder.input(name, 'float32', dims)
    emitter.declare(name, { dtype: 'float32', shape: dims })
  }
  const y = forward(emitter)
  emitter.declare('seed', emitter.info(y))
  const { nodes } = builder.graph()
  backward(emitter, nodes, new Map([[y, 'seed']]), wanted)
  const emitted = builder.graph().nodes.slice(nodes.length)
  return emitted.map((node) => node.opType)
}
