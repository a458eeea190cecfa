/**
 * Shapes as PyTorch's exporter computes them: what inference says of every value is true, and
 * whatever can be widened computes the same function.
 */
import { describe, expect, it } from 'vitest'
import { inspect, widen } from '../../src/growth/index.ts'
import type { Dim, Model } from '../../src/model/model.ts'
import { decodeModel } from '../../src/onnx/decode.ts'
import { encodeModel } from '../../src/onnx/encode.ts'
import { inferModel } from '../../src/operators/inference.ts'
import { nodeRuntime } from '../../src/runtime/onnxruntime.node.ts'
import { randomStream } from '../../src/tensor/random.ts'
import { elementCount, float32, type Tensor } from '../../src/tensor/tensor.ts'
import { hasTorch, withTorch } from './torch.ts'

/**
 * Networks with layers that cannot grow: units meet in a product of two activations, or the −1 of
 * a Reshape stands for them among halves of sizes that only the run knows.
 */
const mayRefuse = (name: string, axes: string) =>
  name === 'attention' || (name === 'windows' && axes === 'all')

const run = async (model: Model, feeds: Record<string, Tensor>) => {
  const session = await nodeRuntime.createSession(encodeModel(model), { threads: 1 })
  try {
    return await session.run(feeds)
  } finally {
    await session.release()
  }
}

/** The model with every intermediate value as an output, and without declared types. */
function opened(model: Model): Model {
  const { graph } = model
  const found = inferModel(model)
  const names = graph.nodes.flatMap((node) => node.outputs).filter((name) => name !== '')
  const outputs = [...new Set(names)].map((name) => ({
    name,
    type: { kind: 'tensor' as const, dtype: found.get(name)!.dtype, shape: undefined },
  }))
  return { ...model, graph: { ...graph, outputs, values: [] } }
}

const numbersOf = (tensor: Tensor): number[] => Array.from(tensor.data, Number)

const inputOf = (shape: readonly number[]): Tensor => {
  const random = randomStream(1, 'input')
  return float32(
    shape,
    Array.from({ length: elementCount(shape) }, () => random.normal()),
  )
}

/** Checks every inferred size and element; returns the values. */
async function checkInference(model: Model, input: Tensor) {
  const { graph } = model
  const declared = graph.inputs[0]!.type
  const symbols = new Map<string, number>()
  if (declared.kind === 'tensor')
    declared.shape!.forEach((dim, k) => {
      if (typeof dim === 'string') symbols.set(dim, input.dims[k]!)
    })
  const actual = (dim: Dim, truth: number) =>
    typeof dim === 'string'
      ? dim.split('*').reduce((product, part) => product * (symbols.get(part) ?? Number(part)), 1)
      : (dim ?? truth)
  const open = opened(model)
  const values = await run(open, { input })
  const bare = open.graph.outputs.map(({ name }) => ({ name, type: { kind: 'opaque' } as const }))
  for (const [name, info] of inferModel({ ...open, graph: { ...open.graph, outputs: bare } })) {
    const truth = values[name]
    if (!truth) continue
    expect(info.dtype, name).toBe(truth.dtype)
    expect(
      info.shape?.map((dim, k) => actual(dim, truth.dims[k]!)),
      name,
    ).toEqual(truth.dims)
    const elements = info.elements?.map((dim, k) => actual(dim, Number(truth.data[k])))
    if (elements) expect(elements, name).toEqual(Array.from(truth.data, Number))
  }
  return values
}

/** The layers whose units are the network's own outputs cannot grow, and need not. */
const reachesOutput = (refusal: true | string) =>
  typeof refusal === 'string' && refusal.includes('graph output')

describe.skipIf(!hasTorch).each([
  { opset: 9, axes: 'none' },
  { opset: 11, axes: 'batch' },
  { opset: 13, axes: 'all' },
  { opset: 16, axes: 'batch' },
])('PyTorch exports of opset $opset with dynamic axes: $axes', ({ opset, axes }) => {
  it(
    'are inferred truly and grow exactly',
    () =>
      withTorch('axes.py', {}, [String(opset), axes], async ({ printed, file }) => {
        for (const [name, shape] of Object.entries(printed as Record<string, number[]>)) {
          const model = decodeModel(file(`${name}.onnx`))
          const input = inputOf(shape)
          const before = numbersOf((await checkInference(model, input)).output!)
          for (const layer of inspect(model).layers) {
            if (layer.widen !== true) {
              const allowed = mayRefuse(name, axes) || reachesOutput(layer.widen)
              expect(allowed, `${name}, ${layer.name}: ${layer.widen}`).toBe(true)
              continue
            }
            const wider = widen(model, { [layer.name]: 'x1.5' }, { seed: 1 })
            const after = numbersOf((await run(wider, { input })).output!)
            expect(after.length).toBe(before.length)
            const errors = before.map((y, k) => Math.abs(after[k]! - y) / Math.max(1, Math.abs(y)))
            expect(Math.max(...errors), `${name}, ${layer.name}`).toBeLessThanOrEqual(1e-5)
          }
        }
      }),
    120_000,
  )
})
