/** Training steps in Chromium (WebAssembly with threads) against Node's. */
import { fileURLToPath } from 'node:url'
import { nodeRuntime } from '../packages/net2net/src/runtime/onnxruntime.node.ts'
import { executable } from '../packages/net2net/testing/browser.ts'
import { startWorkerPage } from '../packages/net2net/testing/worker-page.ts'
import type { Question } from './browser-worker.ts'
import { drawBatch, stepperOf } from './experiment-step.ts'
import { contestant, interleave, type Run, speedup, type Timing } from './measure.ts'
import { milliseconds, type Row, type Section, times } from './report.ts'
import type { Settings } from './settings.ts'

const batch = 32
const program = fileURLToPath(new URL('browser-worker.ts', import.meta.url))

export async function benchmarkBrowser({ quick, threads }: Settings): Promise<Section> {
  const method = `Steps of ${batch} images through the trainer’s own stepper in a worker of Chromium, cross-origin isolated, with ${threads} threads of WebAssembly, against the same in Node.`
  const rows: Row[] = []
  for (const kind of ['teacher', 'wider', 'deeper'] as const) {
    if (executable === undefined) break
    const page = await startWorkerPage(program)
    const timesOf = async (steps: number) => {
      const question: Question = { kind, batch, threads, steps }
      return (await page.ask('stepTimes', question)) as readonly number[]
    }
    const stepper = await stepperOf(kind, nodeRuntime, threads)
    const images = drawBatch(batch)
    try {
      const [node, browser] = (await interleave(
        [
          contestant('Node', () => stepper.step(images, 0.01)),
          {
            name: 'Chromium',
            // Processor time is spread over processes of Chromium: that of the clock stands for it.
            run: async (steps): Promise<readonly Run[]> =>
              (await timesOf(steps)).map((wall) => ({ wall, processor: wall })),
          },
        ],
        { rounds: quick ? 5 : 15, times: 8 },
      )) as [Timing, Timing]
      const ratio = speedup(node, browser)
      rows.push({
        figure: `${kind}, batch ${batch}: as fast as in Node`,
        measured: `${times(ratio)}; ${milliseconds(browser)} against ${milliseconds(node)}`,
        ...(kind === 'teacher' && { target: '≥ 0.17×', reached: ratio.median >= 1 / 6 }),
        values: { ratio: ratio.median, browser: browser.median, node: node.median },
      })
    } finally {
      await stepper.release()
      await page.close()
    }
  }
  return {
    title: 'In the browser',
    method,
    rows,
    ...(executable === undefined && { notes: ['There is no Chromium.'] }),
  }
}
