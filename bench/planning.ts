/** Planning, backward and session creation against the number of nodes. */
import { inspect, planWiden } from '../packages/net2net/src/growth/index.ts'
import { GraphBuilder } from '../packages/net2net/src/model/builder.ts'
import type { Model } from '../packages/net2net/src/model/model.ts'
import { encodeModel } from '../packages/net2net/src/onnx/encode.ts'
import { nodeRuntime } from '../packages/net2net/src/runtime/onnxruntime.node.ts'
import { randomStream } from '../packages/net2net/src/tensor/random.ts'
import { float32 } from '../packages/net2net/src/tensor/tensor.ts'
import { sgd } from '../packages/net2net/src/training/compile/optimizers/index.ts'
import { buildStep } from '../packages/net2net/src/training/compile/step-graph.ts'
import { withoutDefaults } from '../packages/net2net/src/training/run/create-stepper.ts'
import { median } from './measure.ts'
import { type Row, type Section, short } from './report.ts'
import type { Settings } from './settings.ts'

/** Residual blocks of two small dense layers: five nodes each. */
export function residualNetwork(nodes: number): Model {
  const builder = new GraphBuilder()
  const random = randomStream(0, 'benchmark network')
  const parameter = (name: string, dims: readonly number[]) =>
    builder.initializer(
      name,
      float32(
        dims,
        Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, () => 0.1 * random.normal()),
      ),
    )
  builder.input('input', 'float32', ['batch', 4])
  let value = builder.node(
    'MatMul',
    ['input', parameter('stem.weight', [4, 8])],
    {},
    { name: 'stem' },
  )
  for (let i = 0; i < nodes / 5; i++) {
    const name = `block${i}`
    const first = [parameter(`${name}.a.weight`, [8, 8]), parameter(`${name}.a.bias`, [8])]
    const a = builder.node('Gemm', [value, ...first], {}, { name: `${name}.a` })
    const relu = builder.node('Relu', [a], {}, { name: `${name}.relu` })
    const b = builder.node(
      'MatMul',
      [relu, parameter(`${name}.b.weight`, [8, 8])],
      {},
      { name: `${name}.b` },
    )
    const sum = builder.node('Add', [value, b], {}, { name: `${name}.sum` })
    value = builder.node('Tanh', [sum], {}, { name: `${name}.tanh` })
  }
  const head = builder.node(
    'MatMul',
    [value, parameter('head.weight', [8, 2])],
    {},
    { name: 'head' },
  )
  builder.output(head, 'float32', ['batch', 2])
  return builder.model('residual network')
}

export async function benchmarkPlanning({ quick, threads }: Settings): Promise<Section> {
  const rows: Row[] = []
  for (const nodes of quick ? [100, 1000] : [100, 1000, 10000]) {
    const model = residualNetwork(nodes)
    const time = async (work: () => unknown) => {
      const found: number[] = []
      const begin = performance.now()
      // What takes long is not repeated.
      for (let i = 0; i < 5 && (i === 0 || performance.now() - begin < 10_000); i++) {
        const start = performance.now()
        await work()
        found.push(performance.now() - start)
      }
      return median(found)
    }
    const plan = await time(() => planWiden(model, { 'block3.a': 16 }))
    const stream = await time(() => planWiden(model, { stem: 16 }))
    const look = await time(() => inspect(model))
    const options = { loss: 'mse', optimizer: sgd({ learningRate: 0.1 }) } as const
    const backward = await time(() => buildStep(model, options))
    const step = encodeModel(withoutDefaults(buildStep(model, options).model))
    const session = await time(async () =>
      (await nodeRuntime.createSession(step, { threads })).release(),
    )
    rows.push(
      {
        figure: `${nodes} nodes: plan to widen one layer`,
        measured: `${short(plan)} ms`,
        ...(nodes === 10000 && { target: '≤ 500 ms', reached: plan <= 500 }),
        values: { nodes, milliseconds: plan },
      },
      {
        figure: `${nodes} nodes: plan to widen the residual stream through all blocks`,
        measured: `${short(stream)} ms`,
        ...(nodes === 10000 && { target: '≤ 500 ms', reached: stream <= 500 }),
        values: { nodes, milliseconds: stream },
      },
      {
        figure: `${nodes} nodes: inspect / build the step graph / create its session`,
        measured: `${short(look)} / ${short(backward)} / ${short(session)} ms`,
        values: { nodes, inspect: look, backward, session },
      },
    )
  }
  return {
    title: 'Planning',
    method:
      'Residual blocks of small dense layers; times are medians of repeated calls in one process.',
    rows,
  }
}
