/** Evaluation against a bare ONNX Runtime session with constant weights. */
import { ArrayDataset } from '../packages/net2net/src/data/dataset.ts'
import { encodeModel } from '../packages/net2net/src/onnx/encode.ts'
import { nodeRuntime } from '../packages/net2net/src/runtime/onnxruntime.node.ts'
import { randomStream } from '../packages/net2net/src/tensor/random.ts'
import { evaluate } from '../packages/net2net/src/training/run/evaluate.ts'
import { networkOf } from './experiment-step.ts'
import { contestant, interleave, speedup, type Timing } from './measure.ts'
import { type Row, type Section, short, times } from './report.ts'
import type { Settings } from './settings.ts'

export async function benchmarkEvaluation({ quick, threads }: Settings): Promise<Section> {
  const samples = quick ? 2000 : 10000
  const random = randomStream(0, 'benchmark images')
  const pixels = Uint8Array.from({ length: samples * 784 }, () =>
    random.uniform() < 0.2 ? random.below(256) : 0,
  )
  const data = new ArrayDataset(
    { input: { dtype: 'float32', dims: [1, 28, 28], data: pixels, divisor: 255 } },
    { dtype: 'int64', dims: [], data: Uint8Array.from({ length: samples }, (_, i) => i % 10) },
  )
  const model = networkOf('teacher')
  const session = await nodeRuntime.createSession(encodeModel(model), { threads })
  const rows: Row[] = []
  for (const batchSize of [1, 8, 100, 1000]) {
    // Ready tensors, so that nothing but ONNX Runtime is timed.
    const batches = [...data.batches(batchSize)].slice(0, 1)
    const input = batches[0]!.inputs.input!
    const outputs = await session.run({ input })
    const runs = samples / batchSize
    const [bare, ours] = (await interleave(
      [
        contestant('bare session', async () => {
          for (let i = 0; i < runs; i++) await session.run({ input }, outputs)
        }),
        contestant('evaluate', () =>
          evaluate(model, data, {
            loss: 'softmax-cross-entropy',
            runtime: nodeRuntime,
            batchSize,
            session: { threads },
          }),
        ),
      ],
      { rounds: quick ? 4 : 10, times: 1 },
    )) as [Timing, Timing]
    const ratio = speedup(bare, ours)
    rows.push({
      figure: `teacher, batches of ${batchSize}: as fast as the bare session`,
      measured: `${times(ratio)}; ${short((1000 * samples) / ours.median)} images/s`,
      target: '≥ 0.95×',
      reached: ratio.median >= 0.95,
      values: { ratio: ratio.median, imagesPerSecond: (1000 * samples) / ours.median },
    })
  }
  await session.release()
  return {
    title: 'Evaluation',
    method: `\`evaluate\` on ${samples} images (bytes scaled, loss and accuracy computed, session creation included) against a bare session that runs one ready batch as often.`,
    rows,
  }
}
