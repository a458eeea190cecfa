/**
 * Takes pictures of the page's views, to be looked at: light and dark, wide and narrow.
 * `tsx --conditions=net2net-source tools/screenshots.ts FOLDER [--runs RUNS_FOLDER] [--model FILE] [--images 1000] [--only VIEW,…]`.
 * `--readme` takes those of the README: `… tools/screenshots.ts docs/images --readme --images 6000`.
 */
import { mkdir, readFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { chromium, type Page } from 'playwright-core'
import { Runs } from '../packages/net2net-cli/src/server/runs.ts'
import { startPageServer } from '../packages/net2net-cli/src/server/server.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    runs: { type: 'string', default: 'runs' },
    model: { type: 'string' },
    images: { type: 'string', default: '1000' },
    only: { type: 'string' },
    readme: { type: 'boolean', default: false },
    page: {
      type: 'string',
      default: fileURLToPath(new URL('../packages/net2net-cli/page/dist', import.meta.url)),
    },
  },
})
const [folder = 'screenshots'] = positionals
await mkdir(folder, { recursive: true })

interface View {
  readonly name: string
  readonly address: string
  readonly ready: (page: Page) => Promise<void>
}

const see = (selector: string) => (page: Page) => page.locator(selector).first().waitFor()
const grown = 'model=sample:teacher&widen=conv1=128,fc1=128&deepen=conv2'
const trains = `tab=train&images=${values.images}`

const views: readonly View[] = [
  { name: 'grow', address: `tab=grow&${grown}`, ready: see('.check-badge[data-equal]') },
  { name: 'grow-plain', address: 'tab=grow', ready: see('.card') },
  {
    name: 'grow-refused',
    address: 'tab=grow&model=file:0123456789ab:mine.onnx',
    ready: see('.notice'),
  },
  {
    name: 'grow-node',
    address: `tab=grow&${grown}`,
    async ready(page) {
      await see('.check-badge[data-equal]')(page)
      await page.locator('.card.widened').first().click()
      await page.locator('.histogram svg').first().waitFor()
    },
  },
  {
    name: 'grow-file',
    address: 'tab=grow',
    async ready(page) {
      if (values.model === undefined) return
      await page.locator('.grow-open input[type=file]').setInputFiles({
        name: basename(values.model),
        mimeType: 'application/octet-stream',
        buffer: await readFile(values.model),
      })
      await page.getByText(basename(values.model)).first().waitFor()
      await page.waitForTimeout(1500)
    },
  },
  { name: 'compare-empty', address: 'tab=compare', ready: see('.compare-files') },
  {
    name: 'compare-unlike',
    address: 'tab=compare&a=sample:perceptron&b=sample:resnet',
    ready: see('.compare-verdict .badge.bad'),
  },
  {
    name: 'compare',
    address: 'tab=compare&a=run:seed-0:teacher&b=run:seed-0:deeper_net2deeper',
    ready: see('.check-badge'),
  },
  { name: 'train-idle', address: 'tab=train', ready: see('.charts canvas') },
  {
    name: 'train-running',
    address: trains,
    async ready(page) {
      await page.getByRole('button', { name: 'Run', exact: true }).click()
      await page.locator('[data-arm]').nth(2).waitFor({ timeout: 300_000 })
      await page.waitForTimeout(2500)
    },
  },
  {
    name: 'train',
    address: trains,
    async ready(page) {
      await page.getByRole('button', { name: 'Run', exact: true }).click()
      await page.locator('.status-text[data-phase=done]').waitFor({ timeout: 600_000 })
      await page.getByRole('button', { name: 'A test image' }).click()
      await page.locator('.answer').first().waitFor()
    },
  },
  { name: 'runs', address: 'tab=runs&runs=seed-0,seed-1', ready: see('[data-panel] [data-arm]') },
]

const server = await startPageServer({
  root: values.page,
  // Commands in the README's pictures have the port of `net2net serve`.
  port: values.readme ? 7227 : 0,
  api: new Runs(values.runs, []).api,
})
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--headless', '--no-sandbox', '--disable-gpu'],
})
const readme = values.readme ? { grow: [1320, 800], train: [1360, 850] } : undefined
const only = values.only?.split(',') ?? (readme && Object.keys(readme))
for (const { name, address, ready } of views) {
  if (only && !only.includes(name)) continue
  const context = await browser.newContext({ deviceScaleFactor: readme ? 1 : 2 })
  const page = await context.newPage()
  page.setDefaultTimeout(120_000)
  await page.setViewportSize({ width: 1280, height: 860 })
  await page.goto(`${server.url}#${address}`)
  try {
    await ready(page)
  } catch (error) {
    console.error(`${name}: ${error}`)
  }
  if (readme) {
    const [width, height] = readme[name as keyof typeof readme] as [number, number]
    await page.setViewportSize({ width, height })
    await page.emulateMedia({ colorScheme: 'light', reducedMotion: 'reduce' })
    await page.waitForTimeout(700)
    await page.screenshot({ path: join(folder, `${name}.png`) })
    await context.close()
    continue
  }
  for (const width of [1280, 390])
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.setViewportSize({ width, height: 860 })
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' })
      await page.waitForTimeout(700)
      const path = join(folder, `${name}-${colorScheme}-${width}.png`)
      await page.screenshot({ path, fullPage: width < 600 || !name.startsWith('grow') })
      console.log(path)
    }
  await context.close()
}
await browser.close()
await server.close()
