/** Evaluation and prediction against a bare ONNX Runtime session with constant weights. */
import * as ort from 'onnxruntime-node'
import { ArrayDataset } from '../packages/net2net/src/data/dataset.ts'
import { encodeModel } from '../packages/net2net/src/onnx/encode.ts'
import { nodeRuntime } from '../packages/net2net/src/runtime/onnxruntime.node.ts'
import { randomStream } from '../packages/net2net/src/tensor/random.ts'
import { evaluate } from '../packages/net2net/src/training/run/evaluate.ts'
import { predict } from '../packages/net2net/src/training/run/predict.ts'
import { networkOf } from './experiment-step.ts'
import { type Contestant, contestant, interleave, speedup, type Timing } from './measure.ts'
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
  const bytes = encodeModel(model)
  const rows: Row[] = []
  for (const batchSize of [1, 8, 100, 1000]) {
    const options = { runtime: nodeRuntime, batchSize, session: { threads } }
    // Ready tensors, so that nothing but ONNX Runtime is timed.
    const [batch] = data.slice(0, batchSize).batches(batchSize)
    const { dims, data: values } = batch!.inputs.input!
    const input = new ort.Tensor('float32', values as Float32Array, dims)
    const bare: Contestant = {
      name: 'bare session',
      // Each round creates a session, as `evaluate` and `predict` do: its speed depends on where its memory lies.
      // It sets the number of threads, and all other options are ONNX Runtime's defaults.
      async run(times) {
        const session = await ort.InferenceSession.create(bytes, { intraOpNumThreads: threads })
        try {
          const once = async () => {
            for (let i = 0; i < samples / batchSize; i++) await session.run({ input })
          }
          return await contestant('', once).run(times)
        } finally {
          await session.release()
        }
      },
    }
    const [fastest, ...ours] = (await interleave(
      [
        bare,
        contestant('evaluate', () =>
          evaluate(model, data, { ...options, loss: 'softmax-cross-entropy' }),
        ),
        contestant('predict', async () => {
          for await (const _ of predict(model, data, options));
        }),
      ],
      { rounds: quick ? 4 : 9, times: 1 },
    )) as [Timing, ...Timing[]]
    for (const timing of ours) {
      const ratio = speedup(fastest, timing)
      rows.push({
        figure: `teacher, ${timing.name}, batches of ${batchSize}: as fast as the bare session`,
        measured: `${times(ratio)}; ${short((1000 * samples) / timing.median)} images/s`,
        target: '≥ 0.95×',
        reached: ratio.median >= 0.95,
        values: { ratio: ratio.median, imagesPerSecond: (1000 * samples) / timing.median },
      })
    }
  }
  return {
    title: 'Evaluation and prediction',
    method:
      `\`evaluate\` (loss and accuracy computed) and \`predict\` (probabilities and classes) on ${samples} images, bytes scaled, session creation included, ` +
      'against a bare session with ONNX Runtime’s default options that runs one ready batch as often, in a session of its own in each round. Batches whose values are larger than the processor’s caches are run in parts.',
    rows,
  }
}
