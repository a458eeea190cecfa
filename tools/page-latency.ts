/**
 * How long inputs wait for their answer on the built page: `tsx tools/page-latency.ts [--page DIST] [--rate 4]
 * [--only perceptron|teacher|resnet|large|train]`; `large` is a network of 10,000 nodes.
 *
 * Each line is one interaction. `answer`: what the page's main thread computes from an input to the end of the next frame, at most;
 * `task`: its longest task, for which the next input could have to wait. Both are processor time of that thread, from a trace, times
 * the rate: neighbours on a busy machine do not count. `seen` is the longest Event Timing, with the thread slowed down by the same
 * rate: it includes what neighbours take, and is an upper bound.
 */
import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { encodeModel } from 'net2net'
import { type Browser, type CDPSession, chromium, type Page } from 'playwright-core'
import { Runs } from '../packages/net2net-cli/src/server/runs.ts'
import { startPageServer } from '../packages/net2net-cli/src/server/server.ts'
import { residualNetwork } from '../packages/net2net-cli/test/page/residual-network.ts'

const { values } = parseArgs({
  options: {
    page: {
      type: 'string',
      default: fileURLToPath(new URL('../packages/net2net-cli/page/dist', import.meta.url)),
    },
    runs: { type: 'string', default: 'runs' },
    rate: { type: 'string', default: '4' },
    only: { type: 'string', default: '' },
  },
})
const rate = Number(values.rate)

interface TraceEvent {
  readonly name: string
  readonly ph: string
  readonly pid: number
  readonly tid: number
  readonly ts: number
  readonly dur?: number
  readonly tdur?: number
  readonly args: { readonly name?: string; readonly data?: { readonly type?: string } }
}

const categories = ['toplevel', 'devtools.timeline', 'disabled-by-default-devtools.timeline']
const inputs =
  /^(pointerdown|pointerup|pointermove|click|dblclick|keydown|keyup|input|change|wheel|drop|mousedown|mouseup)$/

interface Figures {
  readonly answer: number
  readonly task: number
  /** Of all tasks. */
  readonly all: number
}

/** Milliseconds of processor time of the page's main thread. */
function figuresOf(events: readonly TraceEvent[]): Figures {
  const isInput = ({ name, args }: TraceEvent) =>
    name === 'EventDispatch' && inputs.test(args.data?.type ?? '')
  const threads = events.filter(
    ({ ph, name, args }) => ph === 'M' && name === 'thread_name' && args.name === 'CrRendererMain',
  )
  const counts = new Map<string, number>()
  const threadOf = ({ pid, tid }: TraceEvent) => `${pid} ${tid}`
  const mains = new Set(threads.map(threadOf))
  for (const event of events)
    if (mains.has(threadOf(event)))
      counts.set(threadOf(event), (counts.get(threadOf(event)) ?? 0) + 1)
  const [main] = [...counts].sort(([, a], [, b]) => b - a)[0] ?? []
  const own = events.filter((event) => threadOf(event) === main).sort((a, b) => a.ts - b.ts)
  const tasks = own.filter(({ name, ph }) => name === 'RunTask' && ph === 'X')
  const cost = ({ tdur, dur = 0 }: TraceEvent) => (tdur ?? dur) / 1000
  const within = (task: TraceEvent, test: (event: TraceEvent) => boolean) =>
    own.some((event) => event.ts >= task.ts && event.ts <= task.ts + (task.dur ?? 0) && test(event))
  let [answer, task, all] = [0, 0, 0]
  let waiting: number | undefined
  for (const each of tasks) {
    task = Math.max(task, cost(each))
    all += cost(each)
    if (waiting === undefined && within(each, isInput)) waiting = 0
    if (waiting === undefined) continue
    waiting += cost(each)
    if (!within(each, ({ name }) => name === 'Commit')) continue
    answer = Math.max(answer, waiting)
    waiting = undefined
  }
  return { answer: Math.max(answer, waiting ?? 0), task, all }
}

interface Bench {
  readonly browser: Browser
  readonly page: Page
  readonly cdp: CDPSession
}

/** What a user does, in turns: 0 is traced, 1 is slowed down. */
interface Interaction {
  readonly name: string
  readonly act: (page: Page, turn: number) => Promise<unknown>
  /** Milliseconds until all is quiet again. */
  readonly settle?: number
}

/** A program of the page, as text: Node declares an observer that knows no events. */
const observe = `
  globalThis.waits = []
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) waits.push(entry.duration)
  }).observe({ type: 'event', durationThreshold: 16 })
`

const takeWaits = (page: Page): Promise<number> =>
  page.evaluate(() => {
    const { waits } = globalThis as unknown as { waits: number[] }
    return Math.max(0, ...waits.splice(0))
  })

async function measure({ browser, page, cdp }: Bench, { name, act, settle = 1200 }: Interaction) {
  await browser.startTracing(page, { categories })
  await act(page, 0)
  await page.waitForTimeout(settle)
  const { traceEvents } = JSON.parse((await browser.stopTracing()).toString('utf8'))
  const { answer, task, all } = figuresOf(traceEvents)
  await cdp.send('Emulation.setCPUThrottlingRate', { rate })
  await takeWaits(page)
  await act(page, 1)
  await page.waitForTimeout(2 * settle)
  const seen = await takeWaits(page)
  await cdp.send('Emulation.setCPUThrottlingRate', { rate: 1 })
  const text = (ms: number) => Math.round(ms).toString().padStart(6)
  console.log(
    `${name.padEnd(34)} answer ${text(rate * answer)}  task ${text(rate * task)}  all ${text(rate * all)}  seen ${text(seen)}`,
  )
}

const button = (page: Page, name: string | RegExp) => page.getByRole('button', { name })

async function drag(page: Page, from: readonly [number, number], by: readonly [number, number]) {
  await page.mouse.move(...from)
  await page.mouse.down()
  for (let i = 1; i <= 20; i++) {
    await page.mouse.move(from[0] + (by[0] * i) / 20, from[1] + (by[1] * i) / 20)
    await page.waitForTimeout(16)
  }
  await page.mouse.up()
}
const paneOf = async (page: Page) => (await page.locator('.pane:visible').first().boundingBox())!

/** What is done on the Grow tab, whatever the network. */
const growing = (layer: string): readonly Interaction[] => [
  {
    name: 'type a width',
    async act(page, turn) {
      const field = page.getByLabel(`Width of ${layer}, as a number`, { exact: true })
      await field.click({ clickCount: 3 })
      await page.keyboard.type(String(96 + turn), { delay: 60 })
      await page.keyboard.press('Enter')
    },
  },
  {
    name: 'drag a slider',
    async act(page) {
      const slider = page.getByLabel(`Width of ${layer}`, { exact: true })
      const { x, y } = (await slider.boundingBox())!
      await drag(page, [x + 30, y + 10], [80, 0])
    },
  },
  { name: 'undo', act: (page) => button(page, 'Undo').first().click() },
  { name: 'redo', act: (page) => button(page, 'Redo').click() },
  {
    name: 'insert a layer',
    act: (page) =>
      page
        .getByRole('checkbox', { name: /^Insert/ })
        .first()
        .click(),
  },
  {
    name: 'choose noise',
    act: (page, turn) =>
      page.getByLabel('Noise on copies').selectOption(turn === 0 ? 'none' : 'paper'),
  },
  { name: 'zoom by a button', act: (page) => button(page, 'Zoom in').click() },
  {
    name: 'zoom by the wheel',
    async act(page, turn) {
      const { x, y } = await paneOf(page)
      await page.mouse.move(x + 150, y + 150)
      await page.keyboard.down('Control')
      for (let i = 0; i < 12; i++) {
        await page.mouse.wheel(0, turn === 0 ? 60 : -60)
        await page.waitForTimeout(30)
      }
      await page.keyboard.up('Control')
    },
  },
  {
    name: 'move the drawing',
    async act(page) {
      const { x, y, height } = await paneOf(page)
      await drag(page, [x + 40, y + height - 60], [120, -80])
    },
  },
  { name: 'fit', act: (page) => button(page, 'Fit').click() },
  {
    name: 'select a node',
    act: (page, turn) =>
      page.locator('.card:visible').nth(turn).dispatchEvent('click', { bubbles: true }),
  },
  {
    name: 'show prices',
    act: (page, turn) =>
      page.getByLabel('Price').selectOption(turn === 0 ? 'multiply-adds' : 'parameters'),
  },
  {
    name: 'find a node',
    async act(page, turn) {
      const field = page.getByRole('combobox', { name: 'Find a node' })
      await field.click({ clickCount: 3 })
      await page.keyboard.type(turn === 0 ? 'matmul' : 'relu', { delay: 60 })
      await page.keyboard.press('Escape')
    },
  },
  {
    name: 'roll the list of layers',
    async act(page) {
      const { x, y } = (await page.locator('.side:visible').boundingBox())!
      await page.mouse.move(x + 100, y + 400)
      for (let i = 0; i < 12; i++) {
        await page.mouse.wheel(0, i < 6 ? 300 : -300)
        await page.waitForTimeout(30)
      }
    },
  },
  {
    name: 'write a recipe',
    async act(page, turn) {
      if (turn === 0) await button(page, 'Recipe').first().click()
      const field = page.locator('.recipe textarea')
      await field.fill('')
      await field.pressSequentially(`steps:\n  - widen: { "${layer}": ${40 + turn} }`, {
        delay: 30,
      })
    },
    settle: 2000,
  },
  ...['Compare', 'Train', 'Runs', 'Grow'].map((tab) => ({
    name: `to ${tab}`,
    act: (page: Page) => page.getByRole('link', { name: tab, exact: true }).click(),
  })),
  {
    name: 'another language',
    act: (page, turn) => button(page, turn === 0 ? '中文' : 'English').click(),
  },
  {
    name: 'other colours',
    act: (page) => page.locator('header.top button').last().click(),
  },
]

/** Frames in a second while the drawing is moved, the thread slowed down. */
async function framesWhileMoved({ page, cdp }: Bench, name: string): Promise<void> {
  await cdp.send('Emulation.setCPUThrottlingRate', { rate })
  const { x, y } = await paneOf(page)
  // As a text: functions that the loader has named do not run elsewhere.
  const frames = page.evaluate<{ rate: number; longest: number }>(`new Promise((done) => {
    const start = performance.now()
    let [count, last, longest] = [0, start, 0]
    requestAnimationFrame(function next(now) {
      count++
      longest = Math.max(longest, now - last)
      last = now
      if (now - start > 3000) done({ rate: (1000 * count) / (now - start), longest })
      else requestAnimationFrame(next)
    })
  })`)
  await page.mouse.move(x + 100, y + 300)
  await page.mouse.down()
  for (let i = 0; i < 150; i++) {
    await page.mouse.move(x + 100 + (i % 50) * 4, y + 300 - i)
    await page.waitForTimeout(16)
  }
  await page.mouse.up()
  const { rate: found, longest } = await frames
  await cdp.send('Emulation.setCPUThrottlingRate', { rate: 1 })
  console.log(
    `${name.padEnd(34)} ${found.toFixed(0)} frames a second, the longest ${longest.toFixed(0)} ms`,
  )
}

const folder = await mkdtemp(join(tmpdir(), 'net2net-latency-'))
const server = await startPageServer({
  root: values.page,
  port: 0,
  api: new Runs(values.runs, []).api,
})
const executablePath = ['/usr/bin/chromium', '/usr/bin/google-chrome'].find((path) =>
  existsSync(path),
)
const browser = await chromium.launch({
  ...(executablePath === undefined ? {} : { executablePath }),
  args: ['--headless', '--no-sandbox', '--disable-gpu'],
})
async function bench(address: string, ready: string): Promise<Bench> {
  const page = await browser.newPage({
    viewport: { width: 1280, height: 860 },
    locale: 'en',
    serviceWorkers: 'block',
  })
  page.setDefaultTimeout(20_000)
  await page.addInitScript(observe)
  await page.goto(`${server.url}#${address}`)
  await page.locator(ready).first().waitFor()
  await page.waitForTimeout(2000)
  return { browser, page, cdp: await page.context().newCDPSession(page) }
}
const isWanted = (name: string) => name.includes(values.only)
async function all(of: string, on: Bench, interactions: readonly Interaction[]): Promise<void> {
  console.log(`\n${of}`)
  for (const interaction of interactions)
    await measure(on, interaction).catch((error: Error) =>
      console.log(`${interaction.name}: ${error.message.split('\n')[0]}`),
    )
}

try {
  for (const [sample, layer] of [
    ['perceptron', 'hidden1'],
    ['teacher', 'conv1'],
    ['resnet', 'a1'],
  ] as const) {
    if (!isWanted(sample)) continue
    const on = await bench(`tab=grow&model=sample:${sample}`, '.card')
    await all(sample, on, growing(layer))
    await on.page.context().close()
  }
  if (isWanted('large')) {
    const on = await bench('tab=grow&model=sample:perceptron', '.card')
    const file = join(folder, 'large.onnx')
    await writeFile(file, encodeModel(residualNetwork(10_000)))
    await all('large: 10,000 nodes, 800 layers', on, [
      {
        name: 'open a file',
        async act(page, turn) {
          const start = performance.now()
          if (turn === 1)
            await page
              .getByRole('combobox', { name: 'Network', exact: true })
              .selectOption('sample:perceptron')
          await page.locator('.grow-open input[type=file]').setInputFiles(file)
          await page.locator('.card.kind-block').first().waitFor({ timeout: 60_000 })
          console.log(`  opened after ${(performance.now() - start).toFixed(0)} ms`)
        },
        settle: 4000,
      },
      ...growing('/stage.0/block.0/first'),
    ])
    await framesWhileMoved(on, 'move, blocks closed')
    await button(on.page, /^Open all/).click()
    await on.page.waitForTimeout(6000)
    await framesWhileMoved(on, 'move, blocks open, near')
    await all('large, all blocks open', on, growing('/stage.0/block.0/first').slice(0, 11))
    await framesWhileMoved(on, 'move, blocks open, all in view')
  }
  if (isWanted('train')) {
    const on = await bench('tab=train&what=own&model=sample:teacher&epochs=30', '.charts canvas')
    await all('train', on, [
      {
        name: 'start and stop a training',
        async act(page) {
          await button(page, /^(Start|Start anew|Go on)$/).click()
          await page.locator('.status-text[data-phase=running]:visible').waitFor()
          await page.waitForTimeout(3000)
          await button(page, 'Stop').click()
        },
        settle: 3000,
      },
      {
        name: 'point at a chart',
        async act(page) {
          const { x, y } = (await page.locator('.chart-holder:visible').first().boundingBox())!
          for (let i = 0; i < 20; i++) {
            await page.mouse.move(x + 70 + 10 * i, y + 80 + i)
            await page.waitForTimeout(20)
          }
        },
      },
      {
        name: 'zoom a chart by keys',
        async act(page) {
          await page.locator('.chart-holder:visible').first().focus()
          for (const key of ['+', '+', 'ArrowRight', '0']) await page.keyboard.press(key)
        },
      },
      { name: 'logarithmic', act: (page) => button(page, /^log: Training loss/).click() },
      {
        name: 'draw a digit',
        async act(page) {
          const canvas = page.locator('.draw canvas:visible')
          await canvas.scrollIntoViewIfNeeded()
          const { x, y } = (await canvas.boundingBox())!
          await drag(page, [x + 40, y + 40], [100, 80])
        },
      },
      {
        name: 'another rate',
        async act(page, turn) {
          if (turn === 0) await button(page, 'Reset').first().click()
          const field = page.getByLabel('Learning rate')
          await field.click({ clickCount: 3 })
          await page.keyboard.type(`0.0${turn + 1}`, { delay: 50 })
          await page.keyboard.press('Enter')
        },
      },
      {
        name: 'drop data',
        act: (page) =>
          page
            .locator('input[type=file][accept*=csv]')
            .first()
            .setInputFiles({
              name: 'data.csv',
              mimeType: 'text/csv',
              buffer: Buffer.from(
                `${Array.from({ length: 20_000 }, (_, i) => `${i % 7},${i % 11},${i % 3}`).join('\n')}\n`,
              ),
            }),
      },
    ])
    await on.page.context().close()
  }
} finally {
  await browser.close()
  await server.close()
  await rm(folder, { recursive: true, force: true })
}
