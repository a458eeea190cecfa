/** Drawn digits: teacher and student answer alike when the student has just grown, by pointer, by touch and by keys. */
import { decodeModel, type Model } from 'net2net'
import { loadMnist } from 'net2net/data'
import { nodeRuntime } from 'net2net/runtime'
import { float32, toNumbers } from 'net2net/tensor'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { download, noBrowser, type Site, startSite } from './support.ts'

const button = (page: Page, name: string) => page.getByRole('button', { name, exact: true })
const answers = (page: Page): Promise<Record<string, string>> =>
  page
    .locator('[data-answer]')
    .evaluateAll((all) =>
      Object.fromEntries(
        all.map((each) => [
          each.getAttribute('data-answer')!,
          `${each.querySelector('.answer')?.textContent ?? ''} ${[...each.querySelectorAll('.bars span')].map((bar) => (bar as HTMLElement).style.height).join(' ')}`,
        ]),
      ),
    )
const answered = (page: Page, name: string) =>
  page.locator(`[data-answer="${name}"] .answer`).waitFor()

describe.skipIf(noBrowser)('a drawn digit', () => {
  let site: Site
  beforeAll(async () => {
    site = await startSite()
  })
  afterAll(() => site.close())

  it('is answered alike before, and by each as its file says after training', async () => {
    // The example that is taken: image 7 of the test set.
    const page = await site.open('tab=compare', { hasTouch: true })
    await page.addInitScript('Math.random = () => 0.0075')
    await page.goto(
      `${site.url}?own#tab=train&what=own&model=sample:teacher&widen=fc1=96&deepen=conv2&own-samples=64&own-epochs=1&device=cpu`,
    )
    await page.getByText('parameters, and beside it what grew from it').waitFor()
    const canvas = page.locator('.draw canvas')
    await canvas.scrollIntoViewIfNeeded()

    // By touch: a stroke down, which must not scroll the page.
    const box = (await canvas.boundingBox())!
    const touch = await page.context().newCDPSession(page)
    const send = (type: 'touchStart' | 'touchMove' | 'touchEnd', y?: number) =>
      touch.send('Input.dispatchTouchEvent', {
        type,
        touchPoints: y === undefined ? [] : [{ x: box.x + box.width / 2, y: box.y + y }],
      })
    const scrolled = await page.evaluate(() => scrollY)
    await send('touchStart', 0.15 * box.height)
    for (let part = 2; part <= 8; part++) await send('touchMove', (part / 10) * box.height)
    await send('touchEnd')
    await answered(page, '1 start')
    expect(await page.evaluate(() => scrollY)).toBe(scrolled)
    const drawn = await answers(page)
    expect(drawn['1 start']).toBe(drawn['0 start'])
    expect(drawn['0 start']).toMatch(/^1 /)

    // By keys: what is drawn goes, and an image of the test set comes.
    await button(page, 'A test image').focus()
    await page.keyboard.press('Tab')
    await page.keyboard.press('Enter')
    await expect.poll(async () => (await answers(page))['0 start'] ?? '').not.toContain('1 ')
    await page.keyboard.press('Shift+Tab')
    await page.keyboard.press('Enter')
    await answered(page, '1 start')
    await page.getByRole('img', { name: 'A test image: 9' }).waitFor()
    const before = await answers(page)
    expect(before['1 start']).toBe(before['0 start'])

    await button(page, 'Start').click()
    await page.locator('.status-text[data-phase=done]').waitFor({ timeout: 90_000 })
    await answered(page, '0 now')
    await answered(page, '1 now')
    const after = await answers(page)
    // Where both began they still answer as before.
    expect(after['0 start']).toBe(before['0 start'])
    expect(after['1 start']).toBe(before['1 start'])
    const { test } = await loadMnist()
    const column = Object.values(test.slice(7, 8).inputs)[0]!
    const pixels = Float32Array.from(Array.from(column.data, Number), (byte) => byte / 255)
    for (const [i, title] of ['as it was, trained on', 'grown'].entries()) {
      const { bytes } = await download(page, () => button(page, `Download ${title}`).click())
      const probabilities = await answerOf(decodeModel(bytes), pixels, bytes)
      const best = probabilities.indexOf(Math.max(...probabilities))
      expect(after[`${i} now`]).toMatch(
        new RegExp(`^${best} ${Math.round(100 * probabilities[best]!)}%`),
      )
    }
  }, 150_000)
})

async function answerOf(model: Model, pixels: Float32Array, bytes: Uint8Array) {
  const session = await nodeRuntime.createSession(bytes)
  const name = model.graph.inputs[0]!.name
  const results = await session.run({ [name]: float32([1, 1, 28, 28], pixels) })
  await session.release()
  return toNumbers(results[session.outputs[0]!.name]!)
}
