/** Programs that run in a worker of Chromium, cross-origin isolated. For tests and benchmarks only. */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join, posix } from 'node:path'
import { build } from 'esbuild'
import { chromium } from 'playwright-core'
import { executable } from './browser.ts'

/** Without them, browsers give WebAssembly no threads. */
const isolation = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
}
const runtimeFolder = dirname(createRequire(import.meta.url).resolve('onnxruntime-web/wasm'))

/** Arguments that give Chromium a WebGPU adapter in software: slow, but it computes. */
export const softwareAdapter = ['--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader']

export interface WorkerPage {
  /** Calls a function that the program has put into the global scope; question and answer are JSON. */
  ask(name: string, question: unknown): Promise<unknown>
  close(): Promise<void>
}

/**
 * Bundles a program and starts it. ONNX Runtime's WebAssembly is at `/ort/`.
 *
 * @param graphics arguments of Chromium
 */
export async function startWorkerPage(
  program: string,
  graphics: readonly string[] = ['--disable-gpu'],
): Promise<WorkerPage> {
  const folder = await mkdtemp(join(tmpdir(), 'net2net-worker-'))
  await build({
    entryPoints: [program],
    outfile: join(folder, 'worker.js'),
    bundle: true,
    format: 'esm',
    target: 'es2022',
    conditions: ['net2net-source', 'onnxruntime-web-use-extern-wasm', 'browser'],
    logLevel: 'error',
  })
  const server = createServer(async ({ url = '/' }, response) => {
    const { dir, base } = posix.parse(url)
    const types: Readonly<Record<string, string>> = { '.wasm': 'application/wasm', '': 'text/html' }
    const type = types[posix.extname(base)] ?? 'text/javascript'
    try {
      const file = join(dir === '/ort' ? runtimeFolder : folder, base)
      const body = base === '' ? '<!doctype html>' : await readFile(file)
      response.writeHead(200, { ...isolation, 'content-type': type }).end(body)
    } catch {
      response.writeHead(404).end()
    }
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const { port } = server.address() as AddressInfo
  const browser = await chromium.launch({
    executablePath: executable!,
    args: ['--headless', '--no-sandbox', '--disable-background-networking', ...graphics],
  })
  const page = await browser.newPage()
  await page.goto(`http://127.0.0.1:${port}/`)
  const started = page.waitForEvent('worker')
  await page.evaluate("void new Worker('/worker.js', { type: 'module' })")
  const worker = await started
  return {
    ask: (name, question) => worker.evaluate(`${name}(${JSON.stringify(question)})`),
    async close() {
      await browser.close()
      server.close()
      await rm(folder, { recursive: true, force: true })
    },
  }
}
