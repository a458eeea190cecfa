/** The training step: teacher, wider and deeper student, against PyTorch and the machine's GEMM. */

import { countMultiplyAdds } from '../packages/net2net/src/growth/index.ts'
import { GraphBuilder } from '../packages/net2net/src/model/builder.ts'
import type { Model } from '../packages/net2net/src/model/model.ts'
import { encodeModel } from '../packages/net2net/src/onnx/encode.ts'
import { nodeRuntime } from '../packages/net2net/src/runtime/onnxruntime.node.ts'
import type { Runtime } from '../packages/net2net/src/runtime/runtime.ts'
import { randomStream } from '../packages/net2net/src/tensor/random.ts'
import { float32 } from '../packages/net2net/src/tensor/tensor.ts'
import { buildStep } from '../packages/net2net/src/training/compile/step-graph.ts'
import { createStepper } from '../packages/net2net/src/training/run/create-stepper.ts'
import { Training } from '../packages/net2net/src/training/run/trainer.ts'
import { drawBatch, type Kind, loss, networkOf, optimizer } from './experiment-step.ts'
import { contestant, interleave, median, speedup, type Timing } from './measure.ts'
import { formats, PyTorch } from './pytorch.ts'
import { milliseconds, percent, type Row, type Section, short, times } from './report.ts'

export interface Settings {
  readonly quick: boolean
  readonly threads: number
  readonly python: string | undefined
  /** Which networks of networks.ts; default: all. */
  readonly networks: readonly string[] | undefined
  /** Others use the machine. */
  readonly busy: boolean
}

export async function benchmarkSteps(settings: Settings): Promise<Section> {
  const rows: Row[] = []
  for (const batch of settings.quick ? [32] : [32, 128])
    for (const kind of ['teacher', 'wider', 'deeper'] as const)
      rows.push(...(await oneStep(kind, batch, settings)))
  rows.push(...(await outsideTheRuntime(settings)))
  return {
    title: 'Training step',
    method:
      'Forward, backward and update (SGD, momentum 0.9) of one batch, through the trainer’s own stepper, buffers included. ' +
      'PyTorch runs the same network in a second process, in both memory formats; the better one counts. ' +
      'The share of the GEMM rate is the step’s multiply-adds per second over those of a 1024³ product in ONNX Runtime, interleaved with the step.',
    rows,
  }
}

async function oneStep(kind: Kind, size: number, settings: Settings): Promise<readonly Row[]> {
  const { quick, threads, python, busy } = settings
  const model = networkOf(kind)
  const graph = buildStep(model, { loss, optimizer, target: 'onnxruntime-cpu' })
  const standard = buildStep(model, { loss, optimizer, target: 'standard' })
  const stepper = await createStepper(graph, graph.state, nodeRuntime, { threads })
  const plain = await plainStepper(standard, threads, size)
  const gemm = await gemmSession(threads)
  const workers = python
    ? await Promise.all(
        formats.map((format) =>
          PyTorch.start(python, {
            network: kind,
            batch: size,
            format,
            optimizer: 'sgd',
            threads,
            busy,
          }),
        ),
      )
    : []
  const batch = drawBatch(size)
  try {
    const [ours, naive, product, ...theirs] = (await interleave(
      [
        contestant('net2net', () => stepper.step(batch, 0.01)),
        contestant('standard', plain.run),
        contestant('gemm', gemm.run),
        ...workers.map((worker, i) => worker.contestant(formats[i]!)),
      ],
      { rounds: quick ? 5 : 15, times: quick ? 3 : size > 64 ? 3 : 8 },
    )) as [Timing, Timing, Timing, ...Timing[]]
    const rows: Row[] = []
    const name = `${kind}, batch ${size}`
    const best = theirs.sort((a, b) => a.median - b.median)[0]
    const values = { ours: ours.median, standard: naive.median, gemm: product.median }
    if (best) {
      const ratio = speedup(best, ours)
      const work = speedup(best, ours, 'processor')
      rows.push({
        figure: `${name}: as fast as PyTorch`,
        measured: `${times(ratio)}, in processor time ${work.median.toFixed(2)}×; ${milliseconds(ours)} against ${milliseconds(best)}, ${best.name}`,
        target: '≥ 1.5×',
        reached: ratio.median >= 1.5,
        values: {
          ...values,
          pytorch: best.median,
          ratio: ratio.median,
          processorRatio: work.median,
        },
      })
    } else rows.push({ figure: name, measured: milliseconds(ours), values })
    rows.push({
      figure: `${name}: as fast as the standard step graph`,
      measured: `${times(speedup(naive, ours))}; that takes ${milliseconds(naive)}`,
      values,
    })
    const share = speedup(product, ours).median * (stepMultiplyAdds(model, size) / 1024 ** 3)
    const measuredTarget = kind === 'teacher' && size === 128
    rows.push({
      figure: `${name}: share of the GEMM rate`,
      measured: `${percent(share)} of ${short((2 * 1024 ** 3) / product.median / 1e6)} GFLOP/s`,
      ...(measuredTarget && { target: '≥ 50%', reached: share >= 0.5 }),
      values: { share },
    })
    return rows
  } finally {
    for (const worker of workers) worker.stop()
    await stepper.release()
    await plain.release()
    await gemm.release()
  }
}

/** Forward, and twice as much back, except for the gradient of the images, which nobody needs. */
function stepMultiplyAdds(model: Model, batch: number): number {
  const first = model.graph.initializers.get('conv1.weight')!.tensor.dims
  const unneeded = first.reduce((a, b) => a * b, 1) * 28 * 28
  return batch * (3 * (countMultiplyAdds(model) ?? Number.NaN) - unneeded)
}

/** The standard step graph as any ONNX Runtime would run it. */
async function plainStepper(graph: ReturnType<typeof buildStep>, threads: number, size: number) {
  const { graph: whole } = graph.model
  const initializers = new Map(whole.initializers)
  for (const { name } of whole.inputs) initializers.delete(name)
  const bytes = encodeModel({ ...graph.model, graph: { ...whole, initializers } })
  const session = await nodeRuntime.createSession(bytes, { threads })
  const { inputs, target } = drawBatch(size)
  const feeds = {
    ...Object.fromEntries(graph.state),
    ...inputs,
    target,
    learning_rate: float32([], [0.01]),
  }
  const outputs = await session.run(feeds)
  return { run: () => session.run(feeds, outputs), release: () => session.release() }
}

async function gemmSession(threads: number) {
  const builder = new GraphBuilder()
  for (const name of ['a', 'b']) builder.input(name, 'float32', [1024, 1024])
  builder.nodeOutputs('MatMul', ['a', 'b'], {}, { outputs: ['y'] })
  builder.output('y', 'float32', [1024, 1024])
  const session = await nodeRuntime.createSession(encodeModel(builder.model()), { threads })
  const matrix = () => float32([1024, 1024], new Float32Array(1024 ** 2).fill(0.5))
  const feeds = { a: matrix(), b: matrix() }
  const outputs = { y: matrix() }
  return { run: () => session.run(feeds, outputs), release: () => session.release() }
}

/** What the trainer itself costs: shuffling, gathering batches, feeding, adding up. */
async function outsideTheRuntime({ quick, threads }: Settings): Promise<readonly Row[]> {
  const samples = quick ? 3200 : 12800
  const pixels = new Uint8Array(samples * 784)
  const random = randomStream(0, 'benchmark images')
  for (let i = 0; i < pixels.length; i++) pixels[i] = random.uniform() < 0.2 ? random.below(256) : 0
  const { ArrayDataset } = await import('../packages/net2net/src/data/dataset.ts')
  const data = new ArrayDataset(
    { input: { dtype: 'float32', dims: [1, 28, 28], data: pixels, divisor: 255 } },
    { dtype: 'int64', dims: [], data: Uint8Array.from({ length: samples }, (_, i) => i % 10) },
  )
  const shares: number[] = []
  for (let repeat = 0; repeat < 3; repeat++) {
    let inside = 0
    const counting: Runtime = {
      ...nodeRuntime,
      async createSession(model, options) {
        const session = await nodeRuntime.createSession(model, options)
        return {
          inputs: session.inputs,
          outputs: session.outputs,
          async run(feeds, outputs) {
            const start = performance.now()
            const results = await session.run(feeds, outputs)
            inside += performance.now() - start
            return results
          },
          release: () => session.release(),
        }
      },
    }
    const training = new Training(networkOf('teacher'), data, {
      loss,
      optimizer,
      batchSize: 32,
      runtime: counting,
      session: { threads },
    })
    for await (const { seconds } of training) shares.push(1 - inside / (1000 * seconds))
  }
  const share = median(shares)
  return [
    {
      figure: 'trainer’s time outside ONNX Runtime, teacher, batch 32',
      measured: percent(share),
      target: '≤ 3%',
      reached: share <= 0.03,
      values: { share },
    },
  ]
}
