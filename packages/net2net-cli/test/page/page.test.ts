/** What holds on every tab: access, size, speed, colours, narrow screens. */

import { readdir, readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import type { AxeResults } from 'axe-core'
import { encodeModel } from 'net2net'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { mnistNetwork } from '../../src/mnist/networks.ts'
import { contentType, fileUnder } from '../../src/server/files.ts'
import { writeExploration } from './small-exploration.ts'
import {
  dropFile,
  net2net,
  noBrowser,
  pageFolder,
  plainHost,
  type Site,
  startSite,
} from './support.ts'

/** Each view, and what stands there when it is ready. */
const views = [
  ['tab=grow&model=sample:perceptron', '.card'],
  ['tab=grow&model=sample:resnet&widen=a1=24&deepen=a1', '.check-badge'],
  ['tab=compare', '.compare-files'],
  ['tab=compare&a=sample:resnet&b=sample:teacher', '.changes summary'],
  ['tab=train', '.status-text'],
  ['tab=train&what=own&model=sample:teacher&widen=conv1=80', '.draw'],
  ['tab=runs&runs=one', '[data-panel=one] [data-arm=teacher]'],
  ['tab=runs&runs=exploration:explored', '.front-chart .dot'],
] as const

describe.skipIf(noBrowser)('the page', () => {
  let site: Site
  beforeAll(async () => {
    site = await startSite()
    await net2net(
      ['mnist', '--epochs', '1', '--train-size', '64', '--test-size', '50'].concat([
        '--arms',
        'teacher,wider_net2wider_exact,deeper_net2deeper',
        '-o',
        'runs/one',
      ]),
      site.folder,
    )
    await writeExploration(join(site.folder, 'runs/explored'))
  }, 120_000)
  afterAll(() => site.close())

  const axe = async (page: Page): Promise<readonly string[]> => {
    const script = createRequire(import.meta.url).resolve('axe-core/axe.min.js')
    // Not as a tag: the page's policy, rightly, forbids that.
    await page.evaluate(await readFile(script, 'utf8'))
    const { violations } = (await page.evaluate('axe.run()')) as AxeResults
    return violations.map(
      ({ id, nodes }) => `${id}: ${nodes.map((node) => node.html.slice(0, 160)).join(' | ')}`,
    )
  }

  for (const colorScheme of ['light', 'dark'] as const)
    it(`has no violation that axe-core finds (${colorScheme})`, async () => {
      for (const [address, ready] of views) {
        const page = await site.open(address, { colorScheme })
        await page.locator(ready).first().waitFor()
        expect(await axe(page), address).toEqual([])
        await page.context().close()
      }
    }, 180_000)

  it('has none in the details of a node, in a plan and of what was trained either', async () => {
    const page = await site.open('tab=grow&model=sample:resnet&widen=a1=24')
    await page.locator('.check-badge').waitFor()
    await page.locator('.card.widened').first().click()
    await page.locator('.histogram svg').first().waitFor()
    await page.getByRole('button', { name: 'Plan' }).click()
    await page.locator('.plan td', { hasText: 'a1.weight' }).first().waitFor()
    expect(await axe(page)).toEqual([])
    const training = await site.open(
      'tab=train&what=own&model=sample:teacher&own-samples=32&own-epochs=1',
    )
    await training.getByRole('button', { name: 'Start', exact: true }).click()
    await training.locator('.status-text[data-phase=done]').waitFor()
    expect(await axe(training)).toEqual([])
  })

  it("does not break at a phone's width, in either language", async () => {
    for (const [i, [address, ready]] of views.entries()) {
      const locale = i % 2 === 0 ? 'zh-CN' : 'en'
      const page = await site.open(address, { viewport: { width: 360, height: 740 }, locale })
      await page.locator(ready).first().waitFor()
      // The words of another language come a moment later.
      await page.getByRole('link', { name: i % 2 === 0 ? '扩展' : 'Grow', exact: true }).waitFor()
      const width = await page.evaluate(() => {
        for (const closed of document.querySelectorAll('details')) closed.open = true
        return document.documentElement.scrollWidth
      })
      expect(width, address).toBeLessThanOrEqual(360)
      await page.context().close()
    }
  }, 120_000)

  it('is larger on a very large screen; on a phone what is chosen stands first', async () => {
    const usual = await site.open('tab=train')
    const sizes = async (page: Page) => {
      await page.locator('.charts canvas').first().waitFor()
      return page.evaluate(() => [
        Number.parseFloat(getComputedStyle(document.body).fontSize),
        document.querySelector('.charts .u-wrap')!.clientHeight,
        document.documentElement.scrollWidth - innerWidth,
      ])
    }
    expect(await sizes(usual)).toEqual([14, 250, 0])
    const large = await site.open('tab=train', { viewport: { width: 3840, height: 2160 } })
    const [text, chart, beyond] = await sizes(large)
    expect([text! > 18, chart! > 400, beyond]).toEqual([true, true, 0])
    // On a phone, before there are curves, what is chosen stands first.
    const phone = await site.open('tab=train', { viewport: { width: 360, height: 740 } })
    await phone.getByRole('button', { name: 'Run', exact: true }).waitFor()
    expect(await phone.locator('.charts').isVisible()).toBe(false)
    const top = (selector: string) =>
      phone.locator(selector).evaluate((each) => each.getBoundingClientRect().top)
    expect(await top('.train-settings')).toBeLessThan(await top('.train-main'))
  })

  it('paints first below one second', async () => {
    const page = await site.open('tab=grow&model=sample:perceptron')
    await page.locator('.card').first().waitFor()
    await page.reload()
    await page.locator('.card').first().waitFor()
    const paint = await page.evaluate(
      () => performance.getEntriesByName('first-contentful-paint')[0]!.startTime,
    )
    expect(paint).toBeLessThan(1000)
  })

  it('loads less than 300 kB of compressed script to open and grow a network, the runtime left out', async () => {
    const folder = join(pageFolder, 'assets')
    const text = (name: string) => readFile(join(folder, name), 'utf8')
    const all = (await readdir(folder)).filter((name) => name.endsWith('.js'))
    const first = /assets\/(index-[\w-]+\.js)/.exec(
      await readFile(join(pageFolder, 'index.html'), 'utf8'),
    )![1]!
    const needed = new Set<string>()
    // What is imported with a name or without one, not what is loaded when it is wanted.
    const add = async (name: string): Promise<void> => {
      if (needed.has(name)) return
      needed.add(name)
      const imports = (await text(name)).matchAll(/(?:from|import)\s*["']\.\/([\w.-]+\.js)["']/g)
      for (const [, other] of imports) await add(other!)
    }
    await add(first)
    for (const part of [/^worker-/, /^model-methods-/, /^check-methods-/])
      for (const name of all.filter((each) => part.test(each))) await add(name)
    let bytes = 0
    for (const name of needed) bytes += gzipSync(await text(name)).length
    expect(needed.size).toBeGreaterThan(3)
    expect(bytes).toBeLessThan(300_000)
  })

  it('opens and grows without a network after the first visit, from any folder, isolated', async () => {
    const plain = createServer(async (request, response) => {
      const path = (request.url ?? '').split('?')[0]!.replace(/^\/some\/folder\//, '/')
      const file = await fileUnder(pageFolder, path)
      response.writeHead(file ? 200 : 404, file ? { 'Content-Type': contentType(file) } : {})
      response.end(file ? await readFile(file) : undefined)
    }).listen(0, '127.0.0.1')
    await new Promise((resolve) => plain.once('listening', resolve))
    const { port } = plain.address() as AddressInfo
    const page = await site.open('tab=compare', { serviceWorkers: 'allow' })
    page.removeAllListeners('request')
    page.removeAllListeners('console')
    await page.goto(`http://127.0.0.1:${port}/some/folder/#tab=compare`)
    await page.evaluate(async () => {
      await navigator.serviceWorker.ready
    })
    await page.waitForFunction(() => navigator.serviceWorker.controller !== null)
    plain.close()
    plain.closeAllConnections()
    await page.goto(
      `http://127.0.0.1:${port}/some/folder/?again#tab=grow&model=sample:teacher&widen=conv1=80`,
    )
    await page.locator('.check-badge[data-equal=true]').waitFor()
    expect(await page.evaluate(() => crossOriginIsolated)).toBe(true)
    await page.context().close()
  }, 90_000)

  it('speaks Chinese where that is chosen or the browser does, and nothing else then', async () => {
    const english = await site.open('tab=grow&model=sample:teacher&widen=conv1=80')
    await english.locator('.check-badge').waitFor()
    await english.getByRole('button', { name: '中文' }).click()
    await english.getByRole('button', { name: '下载模型' }).waitFor()
    expect(await english.locator('html').getAttribute('lang')).toBe('zh-CN')
    await english.reload()
    await english.getByRole('button', { name: '下载模型' }).waitFor()
    await english.context().close()
    const own = ['tab=train&what=own&model=sample:teacher', '.charts canvas'] as const
    // What the library refuses, and why, and what one can do.
    const refused = ['tab=grow&model=sample:inception&widen=stem=3', '.notice'] as const
    const unknown = ['tab=grow&model=sample:resnet&deepen=nothing', '.notice'] as const
    for (const [address, ready] of [views[1], views[3], views[4], own, refused, unknown]) {
      const page = await site.open(address, { locale: 'zh-CN' })
      await page.locator(ready).first().waitFor()
      await page.getByRole('link', { name: '训练' }).waitFor()
      // Names and operators stay; words do not.
      const said = await page.evaluate(() => {
        const texts: string[] = []
        const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
        for (let node = walker.nextNode(); node; node = walker.nextNode()) {
          const { parentElement } = node
          const skipped = 'code, pre, svg, noscript, textarea, .mono'
          if (parentElement?.closest(skipped) === null) texts.push(node.textContent ?? '')
        }
        for (const element of document.querySelectorAll('[aria-label]'))
          if (element.closest('svg') === null) texts.push(element.getAttribute('aria-label')!)
        return texts
      })
      const words = said.filter((text) => /\b[a-z]{3,} [a-z]{2,}/.test(text))
      expect(words, address).toEqual([])
      await page.context().close()
    }
  }, 120_000)

  it('gives the runtime threads: it is isolated from other origins', async () => {
    const page = await site.open('tab=grow')
    expect(await page.evaluate(() => crossOriginIsolated)).toBe(true)
  })

  it('works from a folder of any web server, without our headers', async () => {
    const plain = createServer(async (request, response) => {
      const path = (request.url ?? '').split('?')[0]!.replace(/^\/some\/folder\//, '/')
      const file = await fileUnder(pageFolder, path)
      response.writeHead(file ? 200 : 404, file ? { 'Content-Type': contentType(file) } : {})
      response.end(file ? await readFile(file) : undefined)
    }).listen(0, '127.0.0.1')
    await new Promise((resolve) => plain.once('listening', resolve))
    const { port } = plain.address() as AddressInfo
    try {
      const page = await site.open('tab=compare')
      const faults: string[] = []
      page.on('pageerror', (error) => faults.push(error.message))
      page.removeAllListeners('request')
      await page.goto(
        `http://${plainHost}:${port}/some/folder/#tab=grow&model=sample:teacher&widen=conv1=80`,
      )
      await page.locator('.check-badge[data-equal=true]').waitFor()
      expect(await page.evaluate(() => crossOriginIsolated)).toBe(false)
      // Without https the browser computes no hash and has no clipboard.
      await page.getByRole('button', { name: 'Copy command' }).click()
      await page.getByText('The browser does not let this page copy.').waitFor()
      await dropFile(page, '.grow', 'net.onnx', encodeModel(mnistNetwork('net', 3)))
      await page.locator('.pane-label', { hasText: 'net.onnx' }).waitFor()
      await page.reload()
      await page.locator('.pane-label', { hasText: 'net.onnx' }).waitFor()
      expect(faults).toEqual([])
    } finally {
      plain.close()
    }
  }, 120_000)

  it('changes its colours, keeps them, and goes back and forth between tabs', async () => {
    const page = await site.open('tab=grow&model=sample:perceptron', { colorScheme: 'light' })
    const paper = () =>
      page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor)
    const light = await paper()
    await page.getByRole('button', { name: /Switch to light/ }).click()
    await page.getByRole('button', { name: /Switch to dark/ }).click()
    expect(await paper()).not.toBe(light)
    await page.reload()
    expect(await paper()).not.toBe(light)
    await page.getByRole('link', { name: 'Train' }).click()
    await page.getByRole('heading', { name: 'Train the experiment' }).waitFor()
    expect(await page.title()).toBe('Train · net2net')
    await page.goBack()
    await page.getByRole('heading', { name: 'Grow a network' }).waitFor()
    expect(page.url()).toContain('model=sample:perceptron')
  })
})
