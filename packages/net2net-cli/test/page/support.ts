/** A browser, the page's server on a folder of its own, and what every flow needs. */
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core'
import { expect } from 'vitest'
import { executable } from '../../../net2net/testing/browser.ts'
import { Runs } from '../../src/server/runs.ts'
import { type PageServer, startPageServer } from '../../src/server/server.ts'
import { commandLine } from '../cli/net2net.ts'

export { commandLine }

export const noBrowser = executable === undefined

const root = fileURLToPath(new URL('../../../../', import.meta.url))
export const pageFolder = join(root, 'packages/net2net-cli/page/dist')

export interface Site {
  readonly url: string
  /** A folder for files and runs; removed at the end. */
  readonly folder: string
  /** Opens the page at an address after `#`. */
  open(address: string, options?: BrowserContextOptions): Promise<Page>
  close(): Promise<void>
}

/** Arguments that give Chromium a WebGPU adapter in software: slow, but it computes. */
export const softwareAdapter = ['--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader']

/** A host of pages that browsers do not trust as they trust loopback. */
export const plainHost = 'plain.test'

/** Starts everything. Each page that is opened must stay within its origin and free of errors. */
export async function startSite(graphics: readonly string[] = ['--disable-gpu']): Promise<Site> {
  const folder = await mkdtemp(join(tmpdir(), 'net2net-page-'))
  const runs = new Runs(join(folder, 'runs'), [process.execPath, ...commandLine])
  const server: PageServer = await startPageServer({
    root: pageFolder,
    port: 0,
    api: runs.api,
  })
  const browser: Browser = await chromium.launch({
    executablePath: executable!,
    // People's browsers have this protection: it drops changes of the address that come too fast.
    ignoreDefaultArgs: ['--disable-ipc-flooding-protection'],
    args: [
      '--headless',
      '--no-sandbox',
      ...graphics,
      '--disable-quic',
      '--no-first-run',
      // An address that is neither loopback nor https.
      `--host-resolver-rules=MAP ${plainHost} 127.0.0.1`,
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  })
  const foreign: string[] = []
  const faults: string[] = []
  return {
    url: server.url,
    folder,
    async open(address, options) {
      const context = await browser.newContext({
        acceptDownloads: true,
        locale: 'en',
        // What a service worker answers, tests could neither hold nor see.
        serviceWorkers: 'block',
        ...options,
      })
      await context.grantPermissions(['clipboard-read', 'clipboard-write'])
      const page = await context.newPage()
      page.setDefaultTimeout(40_000)
      page.on('request', (request) => {
        const url = request.url()
        if (!url.startsWith(server.url) && !/^(blob|data):/.test(url)) foreign.push(url)
      })
      page.on('pageerror', (error) => faults.push(error.stack ?? error.message))
      page.on('console', (message) => {
        // A violation of the Content-Security-Policy is such an error too.
        if (message.type() === 'error') faults.push(message.text())
      })
      await page.goto(`${server.url}#${address}`)
      return page
    },
    async close() {
      await browser.close()
      await runs.close()
      await server.close()
      await rm(folder, { recursive: true, force: true })
      expect(foreign, 'requests that left the origin').toEqual([])
      expect(faults, 'errors on the page').toEqual([])
    },
  }
}

/** What the page says of a training, once it has said the same for a while: steps that are under way are still made. */
export async function restingStatus(page: Page): Promise<string> {
  const status = async () => (await page.locator('.status-text').textContent()) ?? ''
  const rests = async () => {
    const before = await status()
    await page.waitForTimeout(1500)
    return (await status()) === before
  }
  await expect.poll(rests, { timeout: 30_000 }).toBe(true)
  return status()
}

/** Drops a file as a user would. */
export const dropFile = (page: Page, selector: string, name: string, bytes: Uint8Array) =>
  dropFiles(page, selector, { [name]: bytes })

/** Drops files together, by name. */
export async function dropFiles(
  page: Page,
  selector: string,
  files: Readonly<Record<string, Uint8Array>>,
) {
  const encoded = Object.entries(files).map(([name, bytes]) => ({
    name,
    base64: Buffer.from(bytes).toString('base64'),
  }))
  const transfer = await page.evaluateHandle((all) => {
    const dropped = new DataTransfer()
    for (const { name, base64 } of all)
      dropped.items.add(new File([Uint8Array.from(atob(base64), (c) => c.charCodeAt(0))], name))
    return dropped
  }, encoded)
  for (const type of ['dragenter', 'dragover', 'drop'])
    await page.dispatchEvent(selector, type, { dataTransfer: transfer })
}

/** The bytes of the file that a click downloads, and its name. */
export async function download(page: Page, click: () => Promise<void>) {
  const [file] = await Promise.all([page.waitForEvent('download'), click()])
  return { name: file.suggestedFilename(), bytes: await readFile(await file.path()) }
}

/** Runs what the page shows as a command, as a shell does. */
export function runInShell(command: string | null, cwd: string) {
  const words = [process.execPath, ...commandLine].map((word) => `'${word}'`).join(' ')
  const script = `net2net() { ${words} "$@"; }\n${command}`
  return promisify(execFile)('sh', ['-ec', script], { cwd })
}

export const net2net = (args: readonly string[], cwd: string) =>
  promisify(execFile)(process.execPath, [...commandLine, ...args], { cwd })
