/** Attention on the Grow tab: heads by name, blocks that are copied, what is added and taken away, forth and back by keys. */
import { mkdtemp, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { decodeModel, encodeModel, inspect, type Model } from 'net2net'
import { GraphBuilder, modelOf } from 'net2net/model'
import { float32, int64 } from 'net2net/tensor'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { download, dropFile, noBrowser, runInShell, type Site, startSite } from './support.ts'

const width = 8

/** Two blocks of a transformer: attention of 4 heads, of which two share keys and values, and a feed-forward; then 5 classes. */
function transformer(): Model {
  const graph = new GraphBuilder()
  let seed = 1
  const weight = (name: string, dims: readonly number[]) => {
    const count = dims.reduce((a, b) => a * b, 1)
    const numbers = Array.from({ length: count }, () => Math.sin(seed++ * 12.9898) / 2)
    return graph.initializer(name, float32(dims, numbers))
  }
  const dense = (x: string, name: string, from: number, to: number) =>
    graph.node(
      'Add',
      [
        graph.node('MatMul', [x, weight(`${name}.weight`, [from, to])], {}, { name }),
        weight(`${name}.bias`, [to]),
      ],
      {},
      { name: `${name}.add` },
    )
  let stream = graph.input('x', 'float32', ['n', 6, width])
  for (const i of [0, 1]) {
    const attended = graph.node(
      'Attention',
      ['q', 'k', 'v'].map((part) =>
        dense(stream, `h.${i}.attn.${part}`, width, part === 'q' ? 16 : 8),
      ),
      { q_num_heads: 4, kv_num_heads: 2 },
      { name: `h.${i}.attn.core` },
    )
    stream = graph.node('Add', [stream, dense(attended, `h.${i}.attn.out`, 16, width)])
    const hidden = graph.node('Relu', [dense(stream, `h.${i}.mlp.up`, width, 12)])
    stream = graph.node('Add', [stream, dense(hidden, `h.${i}.mlp.down`, 12, width)])
  }
  const mean = graph.node('ReduceMean', [stream, graph.initializer('axes', int64([1]))], {
    keepdims: 0,
  })
  graph.output(dense(mean, 'classes', width, 5))
  return modelOf(graph.graph(), 23)
}

const button = (page: Page, name: string) => page.getByRole('button', { name, exact: true })
const verdict = (page: Page, equal: string) =>
  page.locator(`.check-badge[data-equal=${equal}]`).waitFor()
const field = (page: Page, label: string, name: string) =>
  page.getByLabel(`${label}: ${name}`, { exact: true })
const set = async (page: Page, label: string, name: string, value: number) => {
  await field(page, label, name).fill(String(value))
  await field(page, label, name).press('Enter')
}
const grownModel = async (page: Page) => {
  const { bytes } = await download(page, () => button(page, 'Download model').click())
  return { bytes, inspection: inspect(decodeModel(bytes)) }
}

describe.skipIf(noBrowser)('a transformer on the Grow tab', () => {
  let site: Site
  let names: readonly string[]
  const model = transformer()
  const file = encodeModel(model)
  beforeAll(async () => {
    site = await startSite()
    names = inspect(model).attentions.map(({ name }) => name)
  })
  afterAll(() => site.close())

  const opened = async (): Promise<Page> => {
    const page = await site.open('tab=grow&model=sample:perceptron')
    await dropFile(page, '.grow', 'transformer.onnx', file)
    await page.locator(`[data-attention="${names[0]}"]`).waitFor()
    return page
  }

  it('grows by heads, heads of keys and values, and their size; keys take it back and do it again', async () => {
    const page = await opened()
    expect(names).toHaveLength(2)
    const [first, second] = names as [string, string]
    expect(await field(page, 'Heads', first).inputValue()).toBe('4')
    expect(await field(page, 'Heads of keys and values', first).inputValue()).toBe('2')
    expect(await field(page, 'Size of a head', first).inputValue()).toBe('4')
    await set(page, 'Heads', first, 8)
    await verdict(page, 'true')
    await page.waitForTimeout(750)
    await set(page, 'Size of a head', second, 6)
    await verdict(page, 'true')
    const { bytes, inspection } = await grownModel(page)
    expect(
      inspection.attentions.map(({ heads, keyValueHeads, headSize }) => [
        heads,
        keyValueHeads,
        headSize,
      ]),
    ).toEqual([
      [8, 2, 4],
      [4, 2, 6],
    ])
    // The command that is shown makes the same file.
    const folder = await mkdtemp(join(site.folder, 'heads-'))
    await writeFile(join(folder, 'transformer.onnx'), file)
    await runInShell(await page.locator('pre.command').textContent(), folder)
    expect(bytes.equals(await readFile(join(folder, 'transformer-grown.onnx')))).toBe(true)

    await page.locator('.card').first().focus()
    await page.keyboard.press('Control+z')
    await expect.poll(() => field(page, 'Size of a head', second).inputValue()).toBe('4')
    expect(await field(page, 'Heads', first).inputValue()).toBe('8')
    await page.keyboard.press('Control+z')
    await expect.poll(() => field(page, 'Heads', first).inputValue()).toBe('4')
    await page.keyboard.press('Control+y')
    await expect.poll(() => field(page, 'Heads', first).inputValue()).toBe('8')
    await page.keyboard.press('Control+Shift+z')
    await expect.poll(() => field(page, 'Size of a head', second).inputValue()).toBe('6')
    await verdict(page, 'true')
    // The link says it: whoever opens it again sees the same.
    await page.reload()
    await verdict(page, 'true')
    expect(await field(page, 'Heads', first).inputValue()).toBe('8')
    // Five heads do not divide among two of keys and values.
    await set(page, 'Heads', first, 5)
    await page.locator('.notice').waitFor()
    await button(page, 'Undo').first().click()
    await verdict(page, 'true')
  }, 90_000)

  it('copies blocks, adds classes, and takes away again what copies only', async () => {
    const page = await opened()
    await page.getByText('Other growth').click()
    const add = async (kind: string, name?: string, number?: string) => {
      await page.getByLabel('Kind of growth').selectOption(kind)
      if (name !== undefined) await page.locator('.more-growth input[type=text]').fill(name)
      if (number !== undefined)
        await page.locator('.more-growth form input[type=number]').fill(number)
      await button(page, 'Add this growth').click()
    }
    await add('repeat', 'h.1.attn.q')
    await verdict(page, 'true')
    expect(await page.locator('.card.inserted').count()).toBeGreaterThan(4)
    await add('factor', 'h.0.mlp.up', '2')
    await verdict(page, 'true')
    await page.locator('.pane').last().locator('.card', { hasText: '8×24' }).first().waitFor()
    await add('outputs', undefined, '3')
    await verdict(page, 'kept')
    const { inspection } = await grownModel(page)
    expect(inspection.attentions).toHaveLength(3)
    expect(inspection.layers.find(({ name }) => name === 'classes')!.width).toBe(8)
    // Back by keys: the classes, the factor, the copies.
    await page.locator('.card').first().focus()
    for (const left of [2, 1, 0]) {
      await page.keyboard.press('Control+z')
      await expect.poll(() => page.locator('.steps li').count()).toBe(left)
    }
    await page.getByText('Widen a layer, or insert one').waitFor()
    for (const there of [1, 2]) {
      await page.keyboard.press('Control+y')
      await expect.poll(() => page.locator('.steps li').count()).toBe(there)
    }
    await verdict(page, 'true')
    // Units that are copies, and a block that adds nothing yet, are needed by nobody.
    await add('shrink', '*')
    await verdict(page, 'true')
    const shrunk = await grownModel(page)
    expect(shrunk.inspection.parameters).toBe(inspect(model).parameters)
  }, 90_000)
})
