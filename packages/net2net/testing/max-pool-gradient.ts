/** The gradient of one MaxPool, computed by ONNX Runtime. For tests only. */
import { backward } from '../src/autodiff/backward.ts'
import { GraphEmitter } from '../src/autodiff/emitter.ts'
import { GraphBuilder, modelOf } from '../src/model/builder.ts'
import { encodeModel } from '../src/onnx/encode.ts'
import type { Target } from '../src/operators/contract/gradient.ts'
import { nodeRuntime } from '../src/runtime/onnxruntime.node.ts'
import type { RandomStream } from '../src/tensor/random.ts'
import { elementCount, float32, type Tensor } from '../src/tensor/tensor.ts'

/** Whole numbers, which add up exactly and in any order, from `from` on. */
export const wholeNumbers = (
  random: RandomStream,
  dims: readonly number[],
  { from, count }: { readonly from: number; readonly count: number },
): Tensor<'float32'> =>
  float32(
    dims,
    Float32Array.from({ length: elementCount(dims) }, () => from + random.below(count)),
  )

/**
 * ∂L/∂x of y = MaxPool(x) from `seed` = ∂L/∂y.
 *
 * @param options.isOpen whether the batch's size is known only when the graph runs
 */
export async function maxPoolGradient(
  attributes: Readonly<Record<string, number | readonly number[]>>,
  feeds: { readonly x: Tensor; readonly seed: Tensor },
  { target, isOpen = true }: { readonly target: Target; readonly isOpen?: boolean },
) {
  const builder = new GraphBuilder()
  const emitter = new GraphEmitter(builder, new Map(), 18, target)
  for (const [name, { dims }] of Object.entries(feeds)) {
    const shape = isOpen ? ['n', ...dims.slice(1)] : dims
    builder.input(name, 'float32', shape)
    emitter.declare(name, { dtype: 'float32', shape })
  }
  const y = emitter.op('MaxPool', ['x'], attributes)
  const dx = backward(emitter, builder.graph().nodes, new Map([[y, 'seed']]), ['x']).get('x')!
  builder.output(dx, 'float32')
  const model = modelOf(builder.graph())
  const session = await nodeRuntime.createSession(encodeModel(model))
  const results = await session.run(feeds)
  await session.release()
  return {
    // Zeros may differ in sign.
    values: [...results[dx]!.data].map((value) => Number(value) + 0),
    /** What the gradient has the same sums per channel as. */
    sums: emitter.hintOf(dx).sums,
    operators: model.graph.nodes.map(({ opType }) => opType),
    hasPositions: model.graph.nodes.some(({ opType, outputs }) =>
      opType === 'MaxPool' ? outputs.length > 1 : opType === 'MaxUnpool',
    ),
  }
}
