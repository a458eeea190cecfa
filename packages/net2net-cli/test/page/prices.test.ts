/** What nodes cost, and widths within a budget. */
import { countMultiplyAdds, decodeModel, encodeModel, inspect } from 'net2net'
import { conv2d, relu, sequential } from 'net2net/layers'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { mnistNetwork } from '../../src/mnist/networks.ts'
import { download, dropFile, noBrowser, type Site, startSite } from './support.ts'

const button = (page: Page, name: string) => page.getByRole('button', { name, exact: true })
const same = (page: Page) => page.locator('.check-badge[data-equal=true]').waitFor()
const basis = (page: Page) => page.locator('[data-basis]')
const budgetOf = async (page: Page, most: number) => {
  await page.getByText('Widen all, up to a budget').click()
  await page.getByLabel('Up to so many').fill(String(most))
  await page.getByLabel('Up to so many').press('Enter')
}
const grown = async (page: Page) =>
  decodeModel((await download(page, () => button(page, 'Download model').click())).bytes)

describe.skipIf(noBrowser)('prices on the Grow tab', () => {
  let site: Site
  beforeAll(async () => {
    site = await startSite()
  })
  afterAll(() => site.close())

  it('colours nodes by parameters or by multiply-adds, with a legend, and a link keeps it', async () => {
    const page = await site.open('tab=grow&model=sample:teacher')
    await page.locator('[data-layer=conv1]').waitFor()
    const model = mnistNetwork('teacher', 0)
    const dearest = async (price: string, layer: string, most: number) => {
      await page.getByLabel('Price').selectOption(price)
      await page.locator(`[data-legend="${most}"]`).waitFor()
      const shades = await page
        .locator('.card .price')
        .evaluateAll((all) => all.map((each) => Number((each as SVGElement).style.opacity)))
      expect(shades).toHaveLength(4)
      const strongest = page.locator('.card.priced').nth(shades.indexOf(Math.max(...shades)))
      expect(await strongest.textContent()).toContain(layer)
      return Number.parseFloat((await strongest.locator('.share').textContent())!)
    }
    const { parameters } = inspect(model)
    const fc1 = 3136 * 64 + 64
    expect(await dearest('parameters', 'fc1', fc1)).toBeCloseTo((100 * fc1) / parameters, -1)
    const conv2 = 64 * 64 * 9 * 14 * 14
    const whole = countMultiplyAdds(model)!
    expect(await dearest('multiply-adds', 'conv2', conv2)).toBeCloseTo((100 * conv2) / whole, -1)
    await page.reload()
    await page.locator(`[data-legend="${conv2}"]`).waitFor()
    await page.getByLabel('Price').selectOption('')
    await page.locator('.card.priced').first().waitFor({ state: 'detached' })
  })

  it('widens all layers alike up to a budget of parameters or multiply-adds', async () => {
    const page = await site.open('tab=grow&model=sample:teacher')
    await budgetOf(page, 400_000)
    await page.getByLabel('Which layers').selectOption('alike')
    await button(page, 'Propose widths').click()
    await same(page)
    expect(await basis(page).textContent()).toBe('All layers alike.')
    const { parameters, layers } = inspect(await grown(page))
    expect(parameters).toBeLessThanOrEqual(400_000)
    expect(parameters).toBeGreaterThan(380_000)
    expect(layers.slice(0, 3).every(({ width }) => (width ?? 0) > 64)).toBe(true)
    await page.getByLabel('Budget of').selectOption('multiplyAdds')
    await page.getByLabel('Up to so many').fill('12000000')
    await page.getByLabel('Up to so many').press('Enter')
    await button(page, 'Propose widths').click()
    await expect
      .poll(async () => countMultiplyAdds(await grown(page))!, { timeout: 20_000 })
      .toBeGreaterThan(11_000_000)
    expect(countMultiplyAdds(await grown(page))).toBeLessThanOrEqual(12_000_000)
  })

  it('widens where new units gain most on data, and can be stopped', async () => {
    const page = await site.open('tab=grow&model=sample:teacher&own-samples=40')
    await budgetOf(page, 300_000)
    await button(page, 'Propose widths').click()
    await button(page, 'Cancel').click()
    await button(page, 'Propose widths').click()
    await basis(page).waitFor()
    expect(await basis(page).textContent()).toBe('By what new units gain on 40 samples.')
    await same(page)
    const { parameters, layers } = inspect(await grown(page))
    expect(parameters).toBeLessThanOrEqual(300_000)
    expect(parameters).toBeGreaterThan(290_000)
    const widths = layers.slice(0, 3).map(({ width }) => width ?? 0)
    expect(new Set(widths).size).toBeGreaterThan(1)
    // More than what gains were measured for.
    await page.getByLabel('Up to so many').fill('2000000')
    await page.getByLabel('Up to so many').press('Enter')
    await button(page, 'Propose widths').click()
    await basis(page).filter({ hasText: 'No layer more than doubles by that' }).waitFor()
    await expect
      .poll(async () => inspect(await grown(page)).parameters, { timeout: 20_000 })
      .toBeGreaterThan(1_900_000)
  }, 90_000)

  it('says why all layers are widened alike where the data do not fit', async () => {
    const page = await site.open('tab=grow&model=sample:teacher')
    const model = sequential(
      [conv2d(8, 3, { name: 'c' }), relu({ name: 'r' }), conv2d(2, 1, { name: 'd' })],
      { input: [1, 8, 8], seed: 1 },
    )
    await dropFile(page, '.grow', 'conv.onnx', encodeModel(model))
    await page.locator('[data-layer=c]').waitFor()
    await budgetOf(page, 200)
    await button(page, 'Propose widths').click()
    await basis(page).filter({ hasText: 'All layers alike, since gains are not known: ' }).waitFor()
    await same(page)
    expect(inspect(await grown(page)).parameters).toBeGreaterThan(150)
  })
})
