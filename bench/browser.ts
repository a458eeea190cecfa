/** Training steps in Chromium (WebAssembly with threads) against Node's. */
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { chromium } from 'playwright-core'
import { nodeRuntime } from '../packages/net2net/src/runtime/onnxruntime.node.ts'
import { isolationHeaders } from '../packages/net2net-cli/src/server/headers.ts'
import type { Question } from './browser-worker.ts'
import { drawBatch, stepperOf } from './experiment-step.ts'
import { contestant, interleave, type Run, speedup, type Timing } from './measure.ts'
import { milliseconds, type Row, type Section, times } from './report.ts'
import type { Settings } from './steps.ts'

const batch = 32
const executable = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
].find((file) => existsSync(file))
const runtimeFolder = path.dirname(createRequire(import.meta.url).resolve('onnxruntime-web/wasm'))

export async function benchmarkBrowser({ quick, threads }: Settings): Promise<Section> {
  const method = `Steps of ${batch} images through the trainer’s own stepper in a worker of Chromium, cross-origin isolated, with ${threads} threads of WebAssembly, against the same in Node.`
  const rows: Row[] = []
  for (const kind of ['teacher', 'wider', 'deeper'] as const) {
    const page = await startPage()
    if (!page) break
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
              (
                await page.ask({ kind, batch, threads, steps })
              ).map((wall) => ({
                wall,
                processor: wall,
              })),
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

/** A page whose worker makes steps; undefined where there is no browser. */
async function startPage() {
  if (executable === undefined) return undefined
  const folder = mkdtempSync(path.join(tmpdir(), 'net2net-bench-'))
  await build({
    entryPoints: [fileURLToPath(new URL('browser-worker.ts', import.meta.url))],
    outfile: path.join(folder, 'worker.js'),
    bundle: true,
    format: 'esm',
    target: 'es2022',
    conditions: ['net2net-source', 'onnxruntime-web-use-extern-wasm', 'browser'],
    logLevel: 'error',
  })
  const server = createServer(async ({ url = '/' }, response) => {
    const { dir, base } = path.posix.parse(url)
    const file = path.join(dir === '/ort' ? runtimeFolder : folder, base)
    const type = base.endsWith('.wasm')
      ? 'application/wasm'
      : base === ''
        ? 'text/html'
        : 'text/javascript'
    try {
      const body = base === '' ? '<!doctype html>' : await readFile(file)
      response.writeHead(200, { ...isolationHeaders, 'content-type': type }).end(body)
    } catch {
      response.writeHead(404).end()
    }
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const { port } = server.address() as AddressInfo
  const browser = await chromium.launch({
    executablePath: executable,
    args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-background-networking'],
  })
  const page = await browser.newPage()
  await page.goto(`http://127.0.0.1:${port}/`)
  const started = page.waitForEvent('worker')
  await page.evaluate("new Worker('/worker.js', { type: 'module' })")
  const worker = await started
  return {
    ask: (question: Question): Promise<readonly number[]> =>
      worker.evaluate(`stepTimes(${JSON.stringify(question)})`),
    async close(): Promise<void> {
      await browser.close()
      server.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
