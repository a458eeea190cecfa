/** Training steps of networks that people define in PyTorch, against PyTorch. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { Batch } from '../packages/net2net/src/data/samples.ts'
import { load } from '../packages/net2net/src/index.ts'
import { nodeRuntime } from '../packages/net2net/src/runtime/onnxruntime.node.ts'
import { randomStream } from '../packages/net2net/src/tensor/random.ts'
import { float32, Tensor } from '../packages/net2net/src/tensor/tensor.ts'
import { softmaxCrossEntropy } from '../packages/net2net/src/training/compile/losses/index.ts'
import { adamw, sgd } from '../packages/net2net/src/training/compile/optimizers/index.ts'
import { buildStep, type StepGraph } from '../packages/net2net/src/training/compile/step-graph.ts'
import { createStepper } from '../packages/net2net/src/training/run/create-stepper.ts'
import { formsFor } from '../packages/net2net/src/training/run/targets.ts'
import { contestant, interleave, speedup, type Timing } from './measure.ts'
import { exportNetworks, formats, PyTorch } from './pytorch.ts'
import { milliseconds, type Row, type Section, times } from './report.ts'
import type { Settings } from './steps.ts'

/** Networks of networks.py and their batches. */
const networks: Readonly<Record<string, number>> = {
  resnet18: 8,
  'resnet18+bn': 8,
  'mobilenet-v2': 8,
  'mobilenet-v2+bn': 8,
  unet: 8,
  'unet+bn': 8,
  convnext: 8,
  gpt: 8,
  vit: 8,
  mlp: 32,
  teacher: 32,
  wider: 32,
  deeper: 32,
  resnext: 8,
  efficientnet: 8,
  'dilated-unet': 8,
  'group-norm': 8,
  separable: 8,
  translation: 8,
  signals: 16,
  volumes: 8,
  'gated-gpt': 8,
  'lstm-64': 32,
  'lstm-128': 32,
  'lstm-256': 32,
  'gru-128': 32,
}
const optimizers = {
  sgd: sgd({ learningRate: 0.001, momentum: 0.9 }),
  adamw: adamw({ learningRate: 0.0001 }),
} as const
type OptimizerName = keyof typeof optimizers

export async function benchmarkNetworks(settings: Settings): Promise<Section> {
  const { quick, python, networks: chosen } = settings
  if (!python) throw new Error('The networks are PyTorch’s: without PyTorch there are none.')
  const folder = mkdtempSync(path.join(tmpdir(), 'net2net-bench-'))
  const rows: Row[] = []
  try {
    const names = chosen ?? Object.keys(networks)
    const unknown = names.filter((name) => !(name in networks))
    if (unknown.length > 0)
      throw new Error(
        `No network ${unknown.join(', ')}; there are ${Object.keys(networks).join(', ')}.`,
      )
    const files = exportNetworks(python, folder, names)
    for (const name of names)
      for (const optimizer of quick ? (['sgd'] as const) : (['sgd', 'adamw'] as const)) {
        const row = await oneNetwork(name, files.get(name)!, optimizer, settings)
        process.stderr.write(`  ${row.figure}: ${row.measured}\n`)
        rows.push(row)
      }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
  return {
    title: 'Training steps of networks',
    method:
      'Forward, backward and update of one batch through the trainer’s own stepper, on networks that are defined in PyTorch ' +
      '(bench/networks.py; 64 × 64 images, 64 tokens) and exported with `torch.onnx.export(dynamo=True)`; PyTorch trains the definition in training mode in processes of its own, ' +
      'in both memory formats, of which the better one counts. The exporter folds batch normalizations into convolutions, so ours are without them ' +
      'but for the names that end in “+bn”, which are exported with `optimize=False`. A round in which a contestant took more than three times ' +
      'its own median is left out for all, and counted.',
    rows,
  }
}

async function oneNetwork(
  name: string,
  file: string,
  optimizer: OptimizerName,
  { quick, threads, python, busy }: Settings,
): Promise<Row> {
  const started = performance.now()
  const graph = buildStep(await load(file), {
    loss: name.endsWith('gpt') ? softmaxCrossEntropy({ axis: -1 }) : 'softmax-cross-entropy',
    optimizer: optimizers[optimizer],
    ...formsFor(nodeRuntime),
    watch: true,
  })
  const batch = drawBatch(graph, networks[name]!)
  const stepper = await createStepper(graph, graph.state, nodeRuntime, { threads })
  await stepper.step(batch, 0.001)
  const start = performance.now() - started
  const workers = await Promise.all(
    formats.map((format) =>
      PyTorch.start(python!, {
        network: name,
        batch: networks[name]!,
        format,
        optimizer,
        threads,
        busy,
      }),
    ),
  )
  try {
    const [ours, ...theirs] = (await interleave(
      [
        contestant('net2net', () => stepper.step(batch, 0.001)),
        ...workers.map((worker, i) => worker.contestant(formats[i]!)),
      ],
      { rounds: quick ? 5 : 9, times: quick ? 3 : 5 },
    )) as [Timing, ...Timing[]]
    const best = theirs.sort((a, b) => a.median - b.median)[0]!
    const ratio = speedup(best, ours)
    const work = speedup(best, ours, 'processor')
    const disturbed = ours.disturbed === 0 ? '' : `; ${ours.disturbed} rounds disturbed`
    return {
      figure: `${name}, ${optimizer}, batch ${networks[name]}: as fast as PyTorch`,
      measured: `${times(ratio)}, in processor time ${work.median.toFixed(2)}×; ${milliseconds(ours)} against ${milliseconds(best)}, ${best.name}; first step after ${(start / 1000).toFixed(1)} s${disturbed}`,
      target: '≥ 1.0×',
      reached: ratio.median >= 1,
      values: {
        ours: ours.median,
        pytorch: best.median,
        ratio: ratio.median,
        processorRatio: work.median,
        start,
        disturbed: ours.disturbed,
      },
    }
  } finally {
    for (const worker of workers) worker.stop()
    await stepper.release()
  }
}

/** Inputs of the model's own shape and type, and a class for each prediction. */
function drawBatch({ model, inputs, target }: StepGraph, size: number): Batch {
  const random = randomStream(0, 'benchmark network', size)
  const dimsOf = (shape: readonly unknown[]) =>
    shape.map((dim, axis) => (axis === 0 ? size : Number(dim)))
  const drawn = inputs.map((name) => {
    const { type } = model.graph.inputs.find((input) => input.name === name)!
    if (type.kind !== 'tensor' || !type.shape) throw new Error(`${name} has no shape.`)
    const dims = dimsOf(type.shape)
    const count = dims.reduce((a, b) => a * b, 1)
    const tensor =
      type.dtype === 'int64'
        ? new Tensor(
            'int64',
            dims,
            BigInt64Array.from({ length: count }, () => BigInt(random.below(1000))),
          )
        : float32(
            dims,
            Float32Array.from({ length: count }, () => random.normal()),
          )
    return [name, tensor] as const
  })
  const dims = dimsOf(target.shape)
  const classes = { length: dims.reduce((a, b) => a * b, 1) }
  return {
    inputs: Object.fromEntries(drawn),
    target: new Tensor(
      'int64',
      dims,
      BigInt64Array.from(classes, (_, i) => BigInt(i % 10)),
    ),
  }
}
