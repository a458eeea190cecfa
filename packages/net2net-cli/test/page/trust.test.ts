/** What the Grow tab shows can be believed, taken back and stopped. */
import { mkdtemp, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { decodeModel, encodeModel, inspect } from 'net2net'
import { encodeNpz } from 'net2net/data'
import { conv2d, relu, sequential } from 'net2net/layers'
import { GraphBuilder } from 'net2net/model'
import { float32 } from 'net2net/tensor'
import type { Page } from 'playwright-core'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { mnistNetwork } from '../../src/mnist/networks.ts'
import { download, dropFile, noBrowser, runInShell, type Site, startSite } from './support.ts'

const badge = (page: Page) => page.locator('.check-badge')
const same = (page: Page) => page.locator('.check-badge[data-equal=true]').waitFor()
const width = (page: Page, layer: string) =>
  page.getByLabel(`Width of ${layer}, as a number`, { exact: true })
const setWidth = async (page: Page, layer: string, value: number) => {
  await width(page, layer).fill(String(value))
  await width(page, layer).press('Enter')
}
const button = (page: Page, name: string) => page.getByRole('button', { name, exact: true })
const numbers = (text: string | null) =>
  (text ?? '').match(/[\d,]{4,}/g)!.map((n) => Number(n.replaceAll(',', '')))

describe.skipIf(noBrowser)('the Grow tab', () => {
  let site: Site
  const network = mnistNetwork('net', 3)
  beforeAll(async () => {
    site = await startSite()
  })
  afterAll(() => site.close())

  it('counts as the library does, says what was measured, and compares on inputs of the user', async () => {
    const page = await site.open('tab=grow&model=sample:perceptron')
    await dropFile(page, '.grow', 'net.onnx', encodeModel(network))
    await page.locator('[data-layer=conv1]').waitFor()
    await setWidth(page, 'conv1', 70)
    await same(page)
    const { bytes } = await download(page, () => button(page, 'Download model').click())
    const [before, after] = numbers(await page.locator('.facts-row').textContent())
    expect([before, after]).toEqual([
      inspect(network).parameters,
      inspect(decodeModel(bytes)).parameters,
    ])
    const said = async () => [
      await badge(page).textContent(),
      await badge(page).getAttribute('title'),
    ]
    const [text, title] = await said()
    // Badge and tooltip say one thing.
    expect(title).toMatch(/^same function: A change in any grown .* 4 random inputs; .*output: \d/)
    expect(text).toContain('same function')

    const x = float32(
      [3, 1, 28, 28],
      Array.from({ length: 3 * 784 }, (_, i) => (i % 7) / 7),
    )
    await dropFile(page, '.grow', 'own.npz', encodeNpz(new Map([['x', x]])))
    await page.locator('.check-badge[title*="samples from own.npz: 3"]').waitFor()
    // Targets are no inputs, whatever the arrays are called; [3, 28, 28] holds the numbers of [3, 1, 28, 28].
    const y = float32([3], [1, 2, 3])
    const images = float32([3, 28, 28], x.data)
    await dropFile(
      page,
      '.grow',
      'labelled.npz',
      encodeNpz(
        new Map([
          ['y', y],
          ['images', images],
        ]),
      ),
    )
    await page.locator('.check-badge[title*="samples from labelled.npz: 3"]').waitFor()
    await page.locator('[data-aside]', { hasText: 'left aside: y.' }).waitFor()
    await dropFile(page, '.grow', 'targets.npz', encodeNpz(new Map([['y', y]])))
    await page.getByText('targets.npz has no array for the input').waitFor()
    const picture = await sharp({
      create: { width: 60, height: 40, channels: 3, background: '#888' },
    })
      .png()
      .toBuffer()
    await dropFile(page, '.grow', 'grey.png', picture)
    await page.locator('.check-badge[title*="samples from grey.png: 1"]').waitFor()
    const wrong = float32([1, 5], [1, 2, 3, 4, 5])
    await dropFile(page, '.grow', 'wrong.npz', encodeNpz(new Map([['x', wrong]])))
    await page.getByText('an array of shape 1×5 is none for the input').waitFor()
    await button(page, 'Random inputs').click()
    await page.locator('.check-badge[title*="4 random inputs"]').waitFor()
  })

  it('takes back and does again what was chosen, by keys too', async () => {
    const page = await site.open('tab=grow&model=sample:perceptron')
    await page.locator('[data-layer=hidden1]').waitFor()
    expect(await button(page, 'Undo').isDisabled()).toBe(true)
    await setWidth(page, 'hidden1', 80)
    await page.waitForTimeout(750)
    await setWidth(page, 'hidden2', 40)
    await page.locator('.card').first().focus()
    await page.keyboard.press('Control+z')
    await expect.poll(() => width(page, 'hidden2').inputValue()).toBe('32')
    expect(await width(page, 'hidden1').inputValue()).toBe('80')
    await page.keyboard.press('Control+z')
    await expect.poll(() => width(page, 'hidden1').inputValue()).toBe('64')
    await page.keyboard.press('Control+Shift+z')
    await expect.poll(() => width(page, 'hidden1').inputValue()).toBe('80')
    await button(page, 'Redo').click()
    await expect.poll(() => width(page, 'hidden2').inputValue()).toBe('40')
    expect(await button(page, 'Redo').isDisabled()).toBe(true)
  })

  it('steps sliders by what the group allows', async () => {
    const graph = new GraphBuilder()
    const x = graph.input('x', 'float32', ['n', 1, 8, 8])
    const w = graph.initializer(
      'w',
      float32(
        [6, 1, 3, 3],
        Array.from({ length: 54 }, (_, i) => i / 54),
      ),
    )
    const grouped = graph.initializer(
      'g',
      float32(
        [6, 2, 1, 1],
        Array.from({ length: 12 }, (_, i) => i / 12),
      ),
    )
    const first = graph.node('Conv', [x, w], { kernel_shape: [3, 3] }, { name: 'first' })
    const second = graph.node('Conv', [first, grouped], { group: 3 }, { name: 'second' })
    const last = graph.initializer(
      'l',
      float32(
        [2, 6, 1, 1],
        Array.from({ length: 12 }, (_, i) => i / 9),
      ),
    )
    graph.output(graph.node('Conv', [second, last], {}, { name: 'last' }))
    const page = await site.open('tab=grow&model=sample:perceptron')
    await dropFile(page, '.grow', 'groups.onnx', encodeModel(graph.model()))
    await page
      .getByText(/\d units more at a time/)
      .first()
      .waitFor()
    const slider = page.getByLabel('Width of first', { exact: true })
    const step = Number(await slider.getAttribute('step'))
    expect(step).toBeGreaterThan(1)
    await slider.focus()
    await page.keyboard.press('ArrowRight')
    await same(page)
    expect(await width(page, 'first').inputValue()).toBe(String(6 + step))
  })

  it('has kernels and kinds of inserted layers to choose, and says their parameters before', async () => {
    const page = await site.open('tab=grow&model=sample:perceptron')
    const model = sequential(
      [conv2d(8, 3, { name: 'c' }), relu({ name: 'r' }), conv2d(2, 1, { name: 'd' })],
      {
        input: [1, 8, 8],
        seed: 1,
      },
    )
    await dropFile(page, '.grow', 'conv.onnx', encodeModel(model))
    // 8·8·3·3 + 8, and 8·8 + 8.
    await page.locator('[data-layer=c]', { hasText: '+584 parameters' }).waitFor()
    await page.getByLabel('Their kernels').selectOption('1')
    await page.locator('[data-layer=c]', { hasText: '+72 parameters' }).waitFor()
    await page.getByLabel('Insert a layer after c').check()
    await page.locator('.pane').last().locator('.card.inserted', { hasText: '8×8×1×1' }).waitFor()
    await same(page)
    await page
      .locator('pre.command', { hasText: 'net2net deepen conv.onnx c --kernel 1' })
      .waitFor()
    await page.getByRole('combobox', { name: 'Insert', exact: true }).selectOption('residual')
    await page.locator('[data-layer=c]', { hasText: '+144 parameters' }).waitFor()
    await same(page)
  })

  it('shows 100,000 units, and stops what takes too long', async () => {
    const page = await site.open('tab=grow&model=sample:perceptron')
    await setWidth(page, 'hidden1', 100_000)
    await page.locator('.card.widened .grown', { hasText: '100000' }).first().waitFor()
    await same(page)
    await page.locator('.card[data-key="b:hidden1"]').last().click()
    const mapping = page.getByRole('img', { name: '64 units become 100000' })
    await mapping.waitFor()
    expect(await mapping.locator('path').count()).toBeLessThan(400)

    // A growth and a check that never end.
    await page.evaluate(() => {
      const send = Worker.prototype.postMessage
      Worker.prototype.postMessage = function (
        this: Worker,
        message: { method?: string },
        ...rest: never[]
      ) {
        if ((window as { held?: string }).held?.split(' ').includes(message?.method ?? '')) return
        send.call(this, message, ...rest)
      } as typeof send
    })
    const hold = (held: string | undefined) =>
      page.evaluate((method) => {
        ;(window as { held?: string | undefined }).held = method
      }, held)
    // What is asked meanwhile is stopped too, and is no error of the page.
    await button(page, 'Recipe').click()
    await hold('grow recipe locate')
    await setWidth(page, 'hidden2', 33)
    await page.getByText('growing …').waitFor()
    await page.getByTitle('Show hidden2 in the graph').click()
    await page.locator('.legend button.widened').click()
    await hold(undefined)
    await button(page, 'Cancel').click()
    await expect.poll(() => width(page, 'hidden2').inputValue()).toBe('32')
    await same(page)
    await hold('check')
    await setWidth(page, 'hidden2', 34)
    await page.getByText('measuring …').waitFor()
    await button(page, 'Cancel').click()
    await page.getByText('measuring …').waitFor({ state: 'detached' })
    expect(await badge(page).count()).toBe(0)
    await hold('open')
    await page.getByRole('combobox', { name: 'Network', exact: true }).selectOption('sample:resnet')
    await hold(undefined)
    await button(page, 'Cancel').click()
    await page.getByText('Opening was cancelled.').waitFor()
    await page
      .getByRole('combobox', { name: 'Network', exact: true })
      .selectOption('sample:inception')
    await page.locator('[data-layer=stem]').waitFor()
  }, 120_000)

  it('fits all that there is, and zooms by small steps', async () => {
    const page = await site.open('tab=grow&model=sample:inception')
    await page.locator('.card').first().waitFor()
    await button(page, 'Fit').click()
    const pane = (await page.locator('.pane').boundingBox())!
    const boxes = () =>
      page.locator('.card .frame').evaluateAll((all) =>
        all.map((each) => {
          const { left, top, right, bottom } = each.getBoundingClientRect()
          return { left, top, right, bottom }
        }),
      )
    const outside = async () =>
      (await boxes()).filter(
        ({ left, top, right, bottom }) =>
          left < pane.x - 1 ||
          top < pane.y - 1 ||
          right > pane.x + pane.width + 1 ||
          bottom > pane.y + pane.height + 1,
      )
    await expect.poll(outside).toEqual([])
    expect((await boxes()).length).toBeGreaterThan(15)
    const scale = () =>
      page
        .locator('svg.graph > g')
        .evaluate((g) => Number(/scale\((.*)\)/.exec(g.getAttribute('transform')!)![1]))
    const before = await scale()
    for (const deltaY of [-3, -120, -1000]) {
      const start = await scale()
      await page
        .locator('svg.graph')
        .evaluate(
          (svg, delta) =>
            svg.dispatchEvent(
              new WheelEvent('wheel', { deltaY: delta, ctrlKey: true, cancelable: true }),
            ),
          deltaY,
        )
      await expect.poll(async () => (await scale()) / start).toBeGreaterThan(1)
      expect((await scale()) / start).toBeLessThan(1.2)
    }
    expect(await scale()).toBeGreaterThan(before)
  })

  it('shows commands of samples that run as they stand', async () => {
    const page = await site.open('tab=grow&model=sample:resnet&widen=a1=20')
    await same(page)
    const { bytes } = await download(page, () => button(page, 'Download model').click())
    const folder = await mkdtemp(join(site.folder, 'sample-'))
    await runInShell(await page.locator('pre.command').textContent(), folder)
    expect(bytes.equals(await readFile(join(folder, 'resnet-grown.onnx')))).toBe(true)
    expect((await stat(join(folder, 'resnet.onnx'))).size).toBeGreaterThan(1000)
  }, 60_000)

  it('draws 10,000 nodes as blocks that open, with a map, and keeps few of them in the document', async () => {
    const graph = new GraphBuilder()
    let value = graph.input('x', 'float32', ['n', 4])
    for (let i = 0; i < 10_000; i++)
      value = graph.node(
        i % 9 === 0 ? 'Tanh' : 'Relu',
        [value],
        {},
        { name: `/h.${Math.floor(i / 100)}/act/n${i}` },
      )
    graph.output(value)
    const page = await site.open('tab=grow&model=sample:perceptron')
    await dropFile(page, '.grow', 'large.onnx', encodeModel(graph.model()))
    await page.locator('.card.kind-block', { hasText: 'h.0' }).first().waitFor()
    expect(await page.locator('.card').count()).toBeLessThan(150)
    // A node that is searched for is shown, and its block opens.
    await page.getByRole('combobox', { name: 'Find a node' }).fill('n4242')
    await page.keyboard.press('Enter')
    await page.locator('.card[data-key*="n4242"], .card.selected').first().waitFor()
    await page.getByRole('button', { name: /^Open all/ }).click()
    await page.locator('.overview').waitFor()
    await button(page, 'Fit').click()
    await page.locator('canvas.graph-small').waitFor()
    expect(await page.locator('.card').count()).toBeLessThan(20)
    const cards = () => page.locator('svg.graph > g').getAttribute('transform')
    const before = await cards()
    await page.locator('.overview').click({ position: { x: 20, y: 60 } })
    await expect.poll(cards).not.toBe(before)
    await button(page, 'Close blocks').click()
    await page.locator('.card.kind-block').first().waitFor({ state: 'attached' })
  })
})
