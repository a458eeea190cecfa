/**
 * What an input makes the page compute: counted, not timed, so that it holds on a busy machine too. How long inputs wait is in the
 * notes on the page.
 */
import { encodeModel } from 'net2net'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { residualNetwork } from './residual-network.ts'
import { dropFile, noBrowser, type Site, startSite } from './support.ts'

const nodes = 10_000
const layers = (2 * nodes) / 25
const first = '/stage.0/block.0/first'
const width = (page: Page, layer: string) =>
  page.getByLabel(`Width of ${layer}, as a number`, { exact: true })

/** How often each function of the page that holds one of these texts was called while `act` went on. */
async function calls<Name extends string>(
  page: Page,
  texts: Readonly<Record<Name, string>>,
  act: () => Promise<unknown>,
): Promise<Record<Name, number>> {
  const cdp = await page.context().newCDPSession(page)
  await cdp.send('Profiler.enable')
  await cdp.send('Profiler.startPreciseCoverage', { callCount: true, detailed: false })
  await act()
  const { result } = await cdp.send('Profiler.takePreciseCoverage')
  await cdp.detach()
  const script = result.find(({ url }) => /\/assets\/index-[\w-]+\.js$/.test(url))!
  const source = await (await fetch(script.url)).text()
  const count = (text: string) => {
    const at = source.indexOf(text)
    expect(at, `${text} in the page's script`).toBeGreaterThan(0)
    const around = script.functions
      .flatMap(({ ranges }) => ranges.slice(0, 1))
      .filter(({ startOffset, endOffset }) => startOffset <= at && at < endOffset)
      .sort((a, b) => a.endOffset - a.startOffset - (b.endOffset - b.startOffset))
    // A function that was never called may be missing, and what is around it is the whole script.
    const [own] = around.filter(({ startOffset, endOffset }) => endOffset - startOffset < 20_000)
    return own?.count ?? 0
  }
  return Object.fromEntries(
    Object.entries<string>(texts).map(([name, text]) => [name, count(text)]),
  ) as Record<Name, number>
}

/** Sizes of what workers told the page, as texts. */
const countMessages = () => {
  const sizes: number[] = []
  Object.assign(globalThis, { sizes })
  const Original = Worker
  globalThis.Worker = class extends Original {
    constructor(url: string | URL, options?: WorkerOptions) {
      super(url, options)
      this.addEventListener('message', ({ data }) => {
        const plain = (_: string, value: unknown) =>
          // Files are handed over, not copied.
          value instanceof Map ? [...value] : ArrayBuffer.isView(value) ? 'bytes' : value
        sizes.push(JSON.stringify(data, plain).length)
      })
    }
  }
}
const takeSizes = (page: Page): Promise<number[]> =>
  page.evaluate(() => (globalThis as unknown as { sizes: number[] }).sizes.splice(0))

describe.skipIf(noBrowser)('inputs', () => {
  let site: Site
  beforeAll(async () => {
    site = await startSite()
  })
  afterAll(() => site.close())

  const openLarge = async () => {
    const page = await site.open('tab=grow&model=sample:perceptron')
    await page.locator('.card').first().waitFor()
    await page.evaluate(countMessages)
    await dropFile(page, '.grow', 'large.onnx', encodeModel(residualNetwork(nodes)))
    await page.locator('.card.kind-block').first().waitFor()
    return page
  }

  it('of a network of 10,000 nodes send and draw what is seen, not what there is', async () => {
    // Its worker starts anew with what counts its messages.
    const page = await site.open('tab=compare')
    await page.evaluate(countMessages)
    await page.getByRole('link', { name: 'Grow' }).click()
    await page.locator('.card').first().waitFor()
    await dropFile(page, '.grow', 'large.onnx', encodeModel(residualNetwork(nodes)))
    await page.locator('.card.kind-block').first().waitFor()
    await width(page, first).waitFor()
    // The prices of the rows that are seen.
    await page.locator('.price-line').first().waitFor()
    await takeSizes(page)
    const drawn = await calls(
      page,
      { rows: 'layer-width-controls', cards: 'frame behind' },
      async () => {
        await width(page, first).fill('12')
        await width(page, first).press('Enter')
        await page.locator('.card.widened').first().waitFor()
      },
    )
    const sizes = await takeSizes(page)
    expect(sizes.length).toBeGreaterThan(0)
    // A box of a block is some 300 characters, and there are a few hundred at most.
    expect(Math.max(...sizes)).toBeLessThan(150_000)
    // The row that changed, and prices that came meanwhile.
    expect(drawn.rows).toBeGreaterThan(0)
    expect(drawn.rows).toBeLessThan(25)
    expect(drawn.cards).toBeLessThan(200)
    await page.context().close()
  }, 120_000)

  it('find every layer of a long list, of which few are in the document', async () => {
    const page = await openLarge()
    const rows = page.locator('[data-layer]')
    await rows.first().waitFor()
    expect(await page.locator('.side-count').textContent()).toContain(`of ${layers}`)
    expect(await rows.count()).toBeLessThan(40)
    const last = page.locator(`[data-layer="/stage.39/block.399/second"]`)
    await page.getByRole('heading', { name: 'How to grow' }).scrollIntoViewIfNeeded()
    await last.waitFor()
    expect(await last.getAttribute('aria-posinset')).toBe(String(layers))
    expect(await rows.count()).toBeLessThan(40)
    // Keys go from row to row, as far as one likes, and the row with the focus stays where it is.
    await page.locator('.side').evaluate((side) => side.scrollTo(0, 0))
    await width(page, first).focus()
    for (let i = 0; i < 80; i++) {
      await page.keyboard.press('Tab')
      // A key that is held down comes 30 times a second: the page draws in between.
      await page.evaluate(() => new Promise(requestAnimationFrame))
    }
    const at = await page.evaluate(
      () => document.activeElement?.closest('li')?.getAttribute('aria-posinset') ?? 'none',
    )
    expect(Number(at)).toBeGreaterThan(15)
    await page.locator('.side').evaluate((side) => side.scrollTo(0, 60_000))
    await page.locator(`[data-layer="/stage.39/block.399/second"]`).or(rows.last()).waitFor()
    expect(
      await page.evaluate(() =>
        document.activeElement?.closest('li')?.getAttribute('aria-posinset'),
      ),
    ).toBe(at)
    await page.context().close()
  }, 120_000)

  it('keep few boxes in the document, however far one zooms', async () => {
    const page = await openLarge()
    await page.getByRole('button', { name: /^Open all/ }).click()
    await page.locator('.overview').waitFor()
    await page.getByRole('button', { name: 'Fit' }).click()
    await page.locator('canvas.graph-small').waitFor()
    let most = 0
    for (let i = 0; i < 40; i++) {
      await page.getByRole('button', { name: 'Zoom in' }).click()
      most = Math.max(most, await page.locator('.card').count())
    }
    expect(most).toBeGreaterThan(3)
    expect(most).toBeLessThan(200)
    await page.context().close()
  }, 120_000)

  it('lead back to a view that is still there, and grow and draw nothing for that', async () => {
    const page = await site.open('tab=grow&model=sample:resnet&widen=a1=24')
    await page.locator('.check-badge[data-equal]').waitFor()
    await page.getByRole('combobox', { name: 'Find a node' }).fill('conv')
    const go = (name: string) => page.getByRole('link', { name, exact: true }).click()
    await go('Compare')
    await page.locator('.compare').waitFor()
    const drawn = await calls(
      page,
      { rows: 'layer-width-controls', cards: 'frame behind', badge: 'measuring …' },
      async () => {
        await go('Grow')
        await page.locator('.grow').waitFor()
        await page.waitForTimeout(500)
      },
    )
    expect(drawn).toEqual({ rows: 0, cards: 0, badge: 0 })
    expect(await page.getByRole('combobox', { name: 'Find a node' }).inputValue()).toBe('conv')
    expect(await page.locator('.check-badge[data-equal]').count()).toBe(1)
    // What is hidden is reached by nobody.
    expect(await page.locator('.compare').isVisible()).toBe(false)
    expect(await page.getByRole('heading', { name: 'Compare two networks' }).count()).toBe(0)
    await page.context().close()
  }, 60_000)

  it('are not kept waiting by charts that nobody sees', async () => {
    const page = await site.open('tab=train&what=own&model=sample:teacher&epochs=50')
    await page.locator('.charts canvas').first().waitFor()
    await page.evaluate(() => {
      const { prototype } = CanvasRenderingContext2D
      const { clearRect } = prototype
      Object.assign(globalThis, { cleared: 0 })
      prototype.clearRect = function (...box) {
        ;(globalThis as unknown as { cleared: number }).cleared++
        clearRect.apply(this, box)
      }
    })
    const cleared = () =>
      page.evaluate(() => (globalThis as unknown as { cleared: number }).cleared)
    const done = () =>
      page
        .locator('.train.own progress')
        .evaluate((element) => (element as HTMLProgressElement).value)
    const goesOn = async () => {
      const before = await done()
      await expect.poll(done, { timeout: 30_000 }).toBeGreaterThan(before)
    }
    await page.getByRole('button', { name: 'Start', exact: true }).click()
    await page.locator('.status-text[data-phase=running]').waitFor()
    await goesOn()
    await expect.poll(cleared, { timeout: 10_000 }).toBeGreaterThan(0)
    await page.getByRole('link', { name: 'Compare' }).click()
    await page.locator('.compare').waitFor()
    await page.waitForTimeout(300)
    const hidden = await cleared()
    await goesOn()
    await goesOn()
    expect(await cleared()).toBe(hidden)
    await page.getByRole('link', { name: 'Train' }).click()
    await expect.poll(cleared, { timeout: 10_000 }).toBeGreaterThan(hidden)
    await page.context().close()
  }, 90_000)
})
