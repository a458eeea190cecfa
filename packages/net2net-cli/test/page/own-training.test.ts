/** A network of the user is grown, trained beside what it was, grown again on the way, and asked what it sees. */
import { decodeModel, encodeModel, inspect } from 'net2net'
import { encodeNpz } from 'net2net/data'
import { dense, sequential } from 'net2net/layers'
import { GraphBuilder } from 'net2net/model'
import { float32, toNumbers } from 'net2net/tensor'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { download, dropFile, noBrowser, restingStatus, type Site, startSite } from './support.ts'

const button = (page: Page, name: string) => page.getByRole('button', { name, exact: true })
const until = (page: Page, phase: string) =>
  page.locator(`.status-text[data-phase=${phase}]`).waitFor({ timeout: 90_000 })
const losses = (page: Page, arm: number): Promise<number[]> =>
  page
    .locator(`[data-own="${arm}"] [data-value]`)
    .evaluateAll((cells) => cells.map((cell) => Number(cell.getAttribute('data-value'))))

describe.skipIf(noBrowser)('the Train tab, on the network of the Grow tab', () => {
  let site: Site
  beforeAll(async () => {
    site = await startSite()
  })
  afterAll(() => site.close())

  it('trains both side by side, stops, goes on, grows again on the way; all answer drawn digits', async () => {
    const page = await site.open(
      'tab=grow&model=sample:teacher&widen=fc1=80&own-samples=1024&own-epochs=1&own-rate=0.002',
    )
    await page.locator('.check-badge[data-equal=true]').waitFor()
    await button(page, 'Train it').click()
    await page.getByText('parameters, and beside it what grew from it').waitFor()
    // Before a single step, teacher and student answer alike.
    await button(page, 'A test image').click()
    await page.locator('[data-answer="1 start"] .answer').waitFor()
    const answers = async () =>
      page.locator('.answers .answer').evaluateAll((all) => all.map((each) => each.textContent))
    const [teacher, student] = await answers()
    expect(student).toBe(teacher)

    await button(page, 'Start').click()
    await until(page, 'running')
    await button(page, 'Stop').click()
    await until(page, 'paused')
    // The step that was under way is still made, and one more, whose state is kept.
    const [, made, all] = /at step (\d+) of (\d+)/.exec(await restingStatus(page))!
    expect(Number(made)).toBeLessThan(Number(all))

    // Grown once more while it stands still: a third network begins where the second one is.
    await page.getByRole('button', { name: 'Grow further: grown' }).click()
    await page.locator('[data-layer=fc1]').waitFor()
    await page.locator('.layer-width', { hasText: '80' }).waitFor()
    await page.getByLabel('Insert a layer after conv2').check()
    await page.locator('.check-badge[data-equal=true]').waitFor()
    await button(page, 'Go on training with this').click()
    await page.locator('[data-own="2"]').waitFor()
    await button(page, 'Go on').click()
    await until(page, 'done')

    const [first, second, third] = [
      await losses(page, 0),
      await losses(page, 1),
      await losses(page, 2),
    ]
    expect([first.length, second.length, third.length]).toEqual([2, 2, 2])
    // The same function at growth.
    expect(second[0]).toBeCloseTo(first[0]!, 5)
    for (const all of [first, second, third]) for (const loss of all) expect(loss).toBeLessThan(0.5)
    // The third one made fewer steps, since it began on the way.
    const progress = page.locator('.status progress')
    // It is drawn with the next frame.
    const left = async () =>
      Number(await progress.getAttribute('max')) - Number(await progress.getAttribute('value'))
    await expect.poll(left).toBe(0)
    await page.locator('[data-answer="2 now"] .answer').waitFor()

    const { name, bytes } = await download(page, () =>
      page.getByRole('button', { name: 'Download grown', exact: true }).click(),
    )
    expect(name).toBe('teacher-grown-epoch1.onnx')
    expect(inspect(decodeModel(bytes)).layers.find((layer) => layer.name === 'fc1')!.width).toBe(80)

    // The curves are read off, zoomed into, and taken along.
    const chart = page.locator('.chart', { hasText: 'Validation loss' })
    await chart.locator('.chart-holder').focus()
    await page.keyboard.press('ArrowRight')
    await expect.poll(() => chart.locator('.readout li').count()).toBeGreaterThanOrEqual(2)
    const place = () => chart.getByRole('button', { name: 'SVG: save' }).boundingBox()
    const before = await place()
    await page.keyboard.press('+')
    await chart.getByRole('button', { name: 'Show all' }).waitFor()
    // What appears moves no other button from under the pointer.
    expect(await place()).toEqual(before)
    const save = (kind: string) =>
      download(page, () => chart.getByRole('button', { name: `${kind}: save` }).click())
    // A line goes on beyond the part that is shown, whose ends are at 76 and 932.
    const zoomed = (await save('SVG')).bytes.toString()
    const [, line] = /clip-path="url\(#area\)" d="M([^"]*)"/.exec(zoomed)!
    const ends = line!.split('L').map((point) => Number.parseFloat(point))
    expect(Math.min(...ends) < 76 || Math.max(...ends) > 932).toBe(true)
    await chart.getByRole('button', { name: 'Show all' }).click()
    const svg = await save('SVG')
    expect(svg.bytes.toString()).toContain('>as it was, trained on<')
    expect((await save('PNG')).bytes.subarray(1, 4).toString()).toBe('PNG')
    const rows = (await save('CSV')).bytes.toString().trim().split('\n')
    expect(rows).toHaveLength(1 + 6)
  }, 180_000)

  it('says of which output the loss is, and that weights which are stored as one are trained apart', async () => {
    const graph = new GraphBuilder()
    const numbers = (...dims: readonly number[]) =>
      float32(
        dims,
        Array.from({ length: dims.reduce((a, b) => a * b) }, (_, i) => Math.sin(i + dims[0]!)),
      )
    const x = graph.input('x', 'float32', ['n', 3])
    // As PyTorch's older exporter writes two parameters whose numbers are equal.
    const scale = graph.initializer('ones', float32([8], new Float32Array(8).fill(1)))
    const other = graph.node('Identity', [scale], {}, { outputs: ['other.ones'] })
    const norm = (value: string, own: string) =>
      graph.node('LayerNormalization', [value, own, graph.constant(numbers(8), 'shift')])
    const first = graph.node('MatMul', [x, graph.initializer('a.weight', numbers(3, 8))])
    const hidden = norm(graph.node('Relu', [norm(first, scale)]), other)
    for (const [name, size] of [
      ['kind', 2],
      ['box', 4],
    ] as const)
      graph.output(
        graph.node(
          'MatMul',
          [hidden, graph.initializer(`${name}.weight`, numbers(8, size))],
          {},
          { outputs: [name] },
        ),
        'float32',
        ['n', size],
      )
    const page = await site.open('tab=grow&model=sample:perceptron&own-epochs=1')
    await dropFile(page, '.grow', 'two.onnx', encodeModel(graph.model()))
    await page.locator('option:checked', { hasText: 'two.onnx' }).waitFor({ state: 'attached' })
    await button(page, 'Train it').click()
    const rows = Array.from({ length: 60 }, (_, i) => `${i % 7},${i % 5},${i % 3},${i % 2}`)
    await dropFile(page, '.own', 'kinds.csv', new TextEncoder().encode(`${rows.join('\n')}\n`))
    await button(page, 'Start').click()
    await until(page, 'done')
    await page.getByText('The network has 2 outputs: the loss is of "kind" alone.').waitFor()
    await page.getByText('Some layers share equal weights in the file').waitFor()
    // Another one is chosen, and trained.
    await button(page, 'Reset').click()
    await page.getByLabel('Output to train').selectOption('box')
    await button(page, 'Start').click()
    await until(page, 'done')
    await page.getByText('The network has 2 outputs: the loss is of "box" alone.').waitFor()
    const trained = await download(page, () => page.getByLabel(/^Download/).click())
    const { initializers } = decodeModel(trained.bytes).graph
    const before = graph.model().graph.initializers
    const isAsBefore = (name: string) =>
      String(toNumbers(initializers.get(name)!.tensor)) ===
      String(toNumbers(before.get(name)!.tensor))
    expect([isAsBefore('kind.weight'), isAsBefore('box.weight')]).toEqual([true, false])
    // Of four classes only the second has enough scores.
    await button(page, 'Reset').click()
    await page.getByLabel('Output to train').selectOption('')
    const kinds = Array.from({ length: 60 }, (_, i) => `${i % 7},${i % 5},${i % 3},${i % 4}`)
    await dropFile(page, '.own', 'four.csv', new TextEncoder().encode(`${kinds.join('\n')}\n`))
    await page.getByRole('option', { name: 'four.csv' }).waitFor({ state: 'attached' })
    await button(page, 'Start').click()
    await until(page, 'done')
    await page.getByText('The network has 2 outputs: the loss is of "box" alone.').waitFor()
  }, 90_000)

  it('trains on a dropped table and on arrays, with the loss that these ask for, and says what does not fit', async () => {
    const network = sequential(
      [dense(8, { name: 'a', activation: 'relu' }), dense(1, { name: 'b' })],
      {
        input: [2],
        seed: 1,
      },
    )
    const page = await site.open('tab=grow&model=sample:perceptron&own-epochs=2&optimizer=adam')
    await dropFile(page, '.grow', 'net.onnx', encodeModel(network))
    await page.locator('[data-layer=a]').waitFor()
    await button(page, 'Train it').click()
    const table = Array.from(
      { length: 120 },
      (_, i) => `${i % 7},${i % 5},${(i % 7) / 2 - (i % 5) + 0.25}`,
    )
    await dropFile(
      page,
      '.own',
      'table.csv',
      new TextEncoder().encode(`a,b,y\n${table.join('\n')}\n`),
    )
    await button(page, 'Start').click()
    await until(page, 'done')
    await page.getByText('108 samples to learn from, 12 to test on, loss mse.').waitFor()
    const [start, , end] = await losses(page, 0)
    expect(end).toBeLessThan(start!)

    await button(page, 'Reset').click()
    const x = float32(
      [20, 3],
      Array.from({ length: 60 }, (_, i) => i),
    )
    const y = float32(
      [20, 1],
      Array.from({ length: 20 }, (_, i) => i),
    )
    await dropFile(
      page,
      '.own',
      'arrays.npz',
      encodeNpz(
        new Map([
          ['x', x],
          ['y', y],
        ]),
      ),
    )
    await button(page, 'Start').click()
    await page.getByRole('alert').waitFor()
    expect(await page.getByRole('alert').textContent()).toMatch(/\[?.*3.*\]?.*2|2.*3/)
    // Other data are taken at once.
    await dropFile(page, '.own', 'prices.csv', new TextEncoder().encode(table.join('\n')))
    await button(page, 'Start').click()
    await until(page, 'done')
  }, 90_000)
})
