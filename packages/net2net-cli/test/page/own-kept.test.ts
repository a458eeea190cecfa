/** A training of the user's networks outlives its tab, and says so where it cannot. */
import { encodeModel } from 'net2net'
import { dense, sequential } from 'net2net/layers'
import type { BrowserContext, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { dropFile, noBrowser, restingStatus, type Site, startSite } from './support.ts'

const button = (page: Page, name: string) => page.getByRole('button', { name, exact: true })
const until = (page: Page, phase: string) =>
  page.locator(`.status-text[data-phase=${phase}]`).waitFor({ timeout: 60_000 })
const losses = (page: Page, arm: number): Promise<number[]> =>
  page
    .locator(`[data-own="${arm}"] [data-value]`)
    .evaluateAll((cells) => cells.map((cell) => Number(cell.getAttribute('data-value'))))

const network = sequential([dense(8, { name: 'a', activation: 'relu' }), dense(1, { name: 'b' })], {
  input: [2],
  seed: 1,
})
const rows = Array.from({ length: 200 }, (_, i) => `${i % 7},${i % 5},${(i % 7) / 2 - (i % 5)}`)
const csv = new TextEncoder().encode(`a,b,y\n${rows.join('\n')}\n`)

const workerScript = /worker-[^/]*\.js/
/** Runs a script at the beginning of all workers of pages to come. */
async function inWorkers(context: BrowserContext, script: string): Promise<void> {
  await context.route(workerScript, async (route) => {
    const response = await route.fetch()
    await route.fulfill({ response, body: `${script}\n${await response.text()}` })
  })
}

/** The steps wait for a task each, which takes so long here that there is time to stop. */
const slowly = (milliseconds: number) => (context: BrowserContext) =>
  inWorkers(
    context,
    `{
      const { postMessage } = MessagePort.prototype
      MessagePort.prototype.postMessage = function (message) {
        setTimeout(() => postMessage.call(this, message), ${milliseconds})
      }
    }`,
  )

describe.skipIf(noBrowser)('a training of own networks', () => {
  let site: Site
  beforeAll(async () => {
    site = await startSite()
  })
  afterAll(() => site.close())

  /** The network, grown, on the Train tab with its table. */
  const prepared = async (
    epochs: number,
    change?: (context: BrowserContext) => Promise<void>,
    batchSize = 4,
  ): Promise<Page> => {
    const page = await site.open('tab=compare')
    await change?.(page.context())
    await page.goto(
      `${site.url}?own#tab=grow&model=sample:perceptron&own-epochs=${epochs}&optimizer=adam&own-batch=${batchSize}`,
    )
    await dropFile(page, '.grow', 'net.onnx', encodeModel(network))
    await page.getByLabel('Width of a, as a number').fill('12')
    await page.getByLabel('Width of a, as a number').press('Enter')
    await page.locator('.check-badge[data-equal=true]').waitFor()
    await button(page, 'Train it').click()
    await page.getByText('parameters, and beside it what grew from it').waitFor()
    await dropFile(page, '.own', 'table.csv', csv)
    return page
  }

  it('goes on in another tab from where it was stopped, and ends with the numbers of one that was not', async () => {
    const whole = await prepared(6)
    await button(whole, 'Start').click()
    await until(whole, 'done')
    const expected = [await losses(whole, 0), await losses(whole, 1)]
    expect(expected[0]).toHaveLength(7)
    await whole.context().close()

    const page = await prepared(6, slowly(30))
    await button(page, 'Start').click()
    await page.locator('[data-own="0"] [data-value]').nth(1).waitFor()
    await button(page, 'Stop').click()
    await page.locator('[data-kept=yes]').waitFor()
    // The steps that are under way are made and kept; the page does not say when.
    const at = Number(/at step (\d+)/.exec(await restingStatus(page))![1])
    const { context, address } = { context: page.context(), address: page.url() }
    await page.close()
    await context.unroute(workerScript)

    // The address of the first visit, and no file dropped.
    const later = await context.newPage()
    await later.goto(`${address.split('#')[0]}#tab=train&what=own`)
    await later.getByRole('button', { name: 'Go on with net.onnx' }).click()
    // Each network is read back by a worker of its own, in any order; the steps shown are those of both.
    for (const arm of [0, 1])
      await later.locator(`[data-own="${arm}"][data-phase=training]`).waitFor()
    const shown = await later.locator('.status-text').textContent()
    expect(Number(/step ([\d,]+)/.exec(shown!)![1])).toBeGreaterThanOrEqual(at)
    // What is shown is what it is trained with, not what the address says.
    expect(await later.getByLabel('Epochs').inputValue()).toBe('6')
    await until(later, 'done')
    expect([await losses(later, 0), await losses(later, 1)]).toEqual(expected)
    // In the list of runs it is one, though two tabs have trained it.
    await later.getByRole('link', { name: 'Runs' }).click()
    const listed = later.locator('[data-kind=browser]')
    await listed.getByText('finished').waitFor()
    expect(await listed.count()).toBe(1)
    await later.getByRole('link', { name: 'Train' }).click()
    // What is done stays, until it is forgotten.
    await button(later, 'Reset').click()
    await later.getByRole('button', { name: 'Forget net.onnx' }).click()
    await later.locator('.kept').waitFor({ state: 'detached' })
    await later.reload()
    await until(later, 'idle')
    expect(await later.locator('.kept').count()).toBe(0)
    await later.getByRole('link', { name: 'Runs' }).click()
    await later.getByText('None yet.').waitFor()
  }, 120_000)

  it('makes as many epochs as it says where a network grows after the last step of one', async () => {
    // An epoch is one step: every step is the last of its epoch.
    const page = await prepared(10, slowly(150), 4096)
    await button(page, 'Start').click()
    await page.locator('[data-own="1"] [data-value]').nth(1).waitFor()
    await button(page, 'Stop').click()
    await page.getByRole('button', { name: 'Grow further: grown' }).click()
    await page.locator('.layer-width', { hasText: '12' }).waitFor()
    await page.getByLabel('Width of a, as a number').fill('16')
    await page.getByLabel('Width of a, as a number').press('Enter')
    await page.locator('.check-badge[data-equal=true]').waitFor()
    await button(page, 'Go on training with this').click()
    await page.locator('[data-own="2"]').waitFor()
    await button(page, 'Go on').click()
    await until(page, 'done')
    const [value, max] = await page
      .locator('.status progress')
      .evaluate(({ value, max }: HTMLProgressElement) => [value, max])
    expect(value).toBe(max)
    for (const arm of [0, 1, 2]) expect(await losses(page, arm)).toHaveLength(11)
  }, 90_000)

  it('that is reset leaves nobody waiting for its networks', async () => {
    const page = await prepared(1000)
    await page.evaluate(() => {
      const send = Worker.prototype.postMessage
      Worker.prototype.postMessage = function (
        this: Worker,
        message: { type?: string },
        ...rest: never[]
      ) {
        if (message?.type !== 'snapshot') send.call(this, message, ...rest)
      } as typeof send
    })
    const further = page.getByRole('button', { name: 'Grow further: grown' })
    await button(page, 'Start').click()
    await until(page, 'running')
    await further.click()
    await expect.poll(() => further.textContent()).toBe('…')
    await button(page, 'Reset').click()
    await button(page, 'Start').click()
    await until(page, 'running')
    expect(await further.textContent()).toBe('Grow further')
    await button(page, 'Reset').click()
  }, 60_000)

  it('goes on where the browser has no room for it, and says that it ends with the tab', async () => {
    const full = `IDBObjectStore.prototype.put = () => {
      throw new DOMException('no room', 'QuotaExceededError')
    };`
    const page = await prepared(2, async (context) => {
      await context.addInitScript(full)
      await inWorkers(context, full)
    })
    await button(page, 'Start').click()
    await page.getByText('This browser has no room left to keep the training').waitFor()
    await until(page, 'done')
    const [first, , last] = await losses(page, 0)
    expect(last).toBeLessThan(first!)
  }, 60_000)
})
