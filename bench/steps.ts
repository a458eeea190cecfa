/** The training step: teacher, wider and deeper student, against PyTorch and the machine's GEMM. */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { countMultiplyAdds } from '../packages/net2net/src/growth/index.ts'
import type { Model } from '../packages/net2net/src/model/model.ts'
import { save } from '../packages/net2net/src/onnx/save.node.ts'
import { aroundRuns } from '../packages/net2net/src/runtime/around-runs.ts'
import { nodeRuntime } from '../packages/net2net/src/runtime/onnxruntime.node.ts'
import { randomStream } from '../packages/net2net/src/tensor/random.ts'
import { Training } from '../packages/net2net/src/training/run/trainer.ts'
import { type Kind, loss, networkOf, optimizer } from './experiment-step.ts'
import { gemmSize, median, Starts } from './measure.ts'
import { milliseconds, percent, type Row, type Section, short, times } from './report.ts'
import type { Settings } from './settings.ts'
import { comparison, measureStart, startsOf, startsSaid } from './training-steps.ts'

const kinds = ['teacher', 'wider', 'deeper'] as const

export async function benchmarkSteps(settings: Settings): Promise<Section> {
  const trainings = (settings.quick ? [32] : [32, 128]).flatMap((batch) =>
    kinds.map((kind) => ({ kind, batch, starts: new Starts() })),
  )
  const folder = mkdtempSync(path.join(tmpdir(), 'net2net-bench-'))
  const fileOf = (kind: Kind) => path.join(folder, `${kind}.onnx`)
  try {
    for (const kind of kinds) await save(networkOf(kind), fileOf(kind))
    for (let start = 1; start <= startsOf(settings); start++)
      for (const { kind, batch, starts } of trainings) {
        const question = { file: fileOf(kind), batch, optimizer: 'sgd' } as const
        await measureStart(starts, kind, question, settings, ['standard', 'gemm'])
      }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
  const isCompared = settings.python !== undefined
  return {
    title: 'Training step',
    method:
      'Forward, backward and update (SGD, momentum 0.9) of one batch, through the trainer’s own stepper, buffers included. ' +
      `PyTorch runs the same network in a second process, in both memory formats; the better one counts. ${startsSaid} ` +
      'The share of the GEMM rate is the step’s multiply-adds per second over those of a 1024³ product in ONNX Runtime, interleaved with the step.',
    rows: [
      ...trainings.flatMap(({ kind, batch, starts }) => rowsOf(kind, batch, starts, isCompared)),
      ...(await outsideTheRuntime(settings)),
    ],
  }
}

function rowsOf(kind: Kind, batch: number, starts: Starts, isCompared: boolean): readonly Row[] {
  const name = `${kind}, batch ${batch}`
  const [ours, standard, gemm] = ['net2net', 'standard', 'gemm'].map((one) => starts.of(one))
  const values = { ours: ours!.median, standard: standard!.median, gemm: gemm!.median }
  const rows: Row[] = []
  if (isCompared) {
    const { ratio, ...compared } = comparison(starts)
    rows.push({
      figure: `${name}: as fast as PyTorch`,
      measured: compared.measured,
      target: '≥ 1.5×',
      reached: ratio >= 1.5,
      values: { ...values, ...compared.values },
    })
  } else rows.push({ figure: name, measured: milliseconds(ours!), values })
  rows.push({
    figure: `${name}: as fast as the standard step graph`,
    measured: `${times(starts.speedup('standard', 'net2net'))}; that takes ${milliseconds(standard!)}`,
    values,
  })
  const multiplyAdds = stepMultiplyAdds(networkOf(kind), batch)
  const share = starts.speedup('gemm', 'net2net').median * (multiplyAdds / gemmSize ** 3)
  const measuredTarget = kind === 'teacher' && batch === 128
  rows.push({
    figure: `${name}: share of the GEMM rate`,
    measured: `${percent(share)} of ${short((2 * gemmSize ** 3) / gemm!.median / 1e6)} GFLOP/s`,
    ...(measuredTarget && { target: '≥ 50%', reached: share >= 0.5 }),
    values: { share },
  })
  return rows
}

/** Forward, and twice as much back, except for the gradient of the images, which nobody needs. */
function stepMultiplyAdds(model: Model, batch: number): number {
  const first = model.graph.initializers.get('conv1.weight')!.tensor.dims
  const unneeded = first.reduce((a, b) => a * b, 1) * 28 * 28
  return batch * (3 * (countMultiplyAdds(model) ?? Number.NaN) - unneeded)
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
    const counting = aroundRuns(nodeRuntime, async (session, feeds, outputs) => {
      const start = performance.now()
      const results = await session.run(feeds, outputs)
      inside += performance.now() - start
      return results
    })
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
