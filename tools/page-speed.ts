/**
 * Runs the experiment on the built page in Chromium as a user would, and says how long it took and how well the page
 * answered meanwhile: `tsx scripts/page-speed.ts ['tab=train&images=6000'] [--plain]`, where `--plain` serves it as a
 * web server does that sends no headers of ours.
 */
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { chromium } from 'playwright-core'
import { contentType, fileUnder } from '../packages/net2net-cli/src/server/files.ts'
import { isolationHeaders } from '../packages/net2net-cli/src/server/headers.ts'

const args = process.argv.slice(2)
const plain = args.includes('--plain')
const address = args.find((text) => !text.startsWith('--')) ?? 'tab=train&images=6000'

const root = fileURLToPath(new URL('../packages/net2net-cli/page/dist/', import.meta.url))
const server = createServer(async (request, response) => {
  const file = await fileUnder(root, (request.url ?? '').split('?')[0]!)
  response.writeHead(file ? 200 : 404, {
    ...(plain ? {} : isolationHeaders),
    ...(file ? { 'Content-Type': contentType(file) } : {}),
  })
  response.end(file ? await readFile(file) : undefined)
}).listen(0, '127.0.0.1')
await new Promise((resolve) => server.once('listening', resolve))
const { port } = server.address() as AddressInfo

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--headless', '--no-sandbox', '--disable-gpu'],
})
const page = await browser.newPage()
page.on('pageerror', (error) => console.error(error))
await page.goto(`http://127.0.0.1:${port}/#${address}`)
await page.getByRole('button', { name: 'Run', exact: true }).waitFor()

/** On the page: lengths of its long tasks, and times between its frames, in milliseconds. */
interface Watched {
  readonly longTasks: number[]
  readonly frames: number[]
}
// As text: what compiles this script would put helpers into a function.
await page.evaluate(`
  const watched = window.watched = { longTasks: [], frames: [] }
  new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) watched.longTasks.push(duration)
  }).observe({ type: 'longtask' })
  let last = performance.now()
  function frame() {
    const now = performance.now()
    watched.frames.push(now - last)
    last = now
    requestAnimationFrame(frame)
  }
  requestAnimationFrame(frame)
`)

const start = performance.now()
const seconds = () => ((performance.now() - start) / 1000).toFixed(1)
await page.getByRole('button', { name: 'Run', exact: true }).click()
const status = page.locator('.status-text')
let seen = 0
for (;;) {
  const phase = await status.getAttribute('data-phase')
  const arms = await page.locator('[data-arm]').count()
  if (arms > seen) console.log(`${seconds()} s: arm ${arms} starts`)
  seen = Math.max(seen, arms)
  if (phase === 'done' || phase === 'failed') break
  await page.waitForTimeout(250)
}
console.log(`${seconds()} s: ${await status.textContent()}`)
const { longTasks, frames, isolated, cores } = (await page.evaluate(
  '({ ...watched, isolated: crossOriginIsolated, cores: navigator.hardwareConcurrency })',
)) as Watched & { isolated: boolean; cores: number }
frames.sort((a, b) => a - b)
const share = (p: number) => frames[Math.min(frames.length - 1, Math.floor(frames.length * p))]!
console.log(`${cores} cores, threads ${isolated ? 'on' : 'off'}`)
console.log(
  `long tasks: ${longTasks.length}, longest ${Math.max(0, ...longTasks).toFixed(0)} ms;`,
  `frames: median ${share(0.5).toFixed(1)} ms, 99% ${share(0.99).toFixed(1)} ms,`,
  `longest ${share(1).toFixed(1)} ms, ${frames.filter((time) => time > 50).length} of ${frames.length} above 50 ms`,
)
for (const row of await page.locator('table').first().locator('tr').all())
  console.log((await row.locator('th, td').allTextContents()).join('  '))
await browser.close()
server.close()
