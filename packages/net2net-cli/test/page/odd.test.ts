/** What people open and type that nobody expects. */

import { execFile } from 'node:child_process'
import { mkdtemp, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { encodeModel, save } from 'net2net'
import { dense, relu, sequential } from 'net2net/layers'
import { GraphBuilder, modelOf } from 'net2net/model'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { failureOf } from '../../page/src/engine/serve.ts'
import { mnistNetwork } from '../../src/mnist/networks.ts'
import {
  commandLine,
  download,
  dropFile,
  dropFiles,
  noBrowser,
  type Site,
  startSite,
} from './support.ts'

const width = (page: Page, layer: string) =>
  page.getByLabel(`Width of ${layer}, as a number`, { exact: true })
const setWidth = async (page: Page, layer: string, value: string) => {
  await width(page, layer).fill(value)
  await width(page, layer).press('Enter')
}
const same = (page: Page) => page.locator('.check-badge[data-equal=true]').waitFor()

describe.skipIf(noBrowser)('on the Grow tab', () => {
  let site: Site
  beforeAll(async () => {
    site = await startSite()
  })
  afterAll(() => site.close())

  it('a slider may be dragged for long: nothing of it is lost, in the address neither', async () => {
    const page = await site.open('tab=grow&model=sample:teacher')
    const slider = page.getByLabel('Width of conv1', { exact: true })
    await slider.evaluate(async (element) => {
      const input = element as HTMLInputElement
      for (let i = 0; i < 400; i++) {
        input.value = String(65 + (i % 191))
        input.dispatchEvent(new InputEvent('input', { bubbles: true }))
        if (i % 4 === 0) await new Promise(requestAnimationFrame)
      }
      input.value = '256'
      input.dispatchEvent(new InputEvent('input', { bubbles: true }))
    })
    await same(page)
    expect(await width(page, 'conv1').inputValue()).toBe('256')
    await expect.poll(() => page.url()).toContain('widen=conv1=256')
  })

  it('classifiers of scikit-learn are checked: with sizes that have no name, labels and maps', async () => {
    for (const name of ['classifier', 'names']) {
      const page = await site.open('tab=grow&model=sample:perceptron')
      const file = new URL(
        `../../../net2net/test/exporters/scikit-learn/${name}.onnx`,
        import.meta.url,
      )
      await dropFile(page, '.grow', `${name}.onnx`, new Uint8Array(await readFile(file)))
      await setWidth(page, 'MatMul', '12')
      await same(page)
      await page.context().close()
    }
  })

  it('all growth is taken back at once, and Back brings it again', async () => {
    const page = await site.open('tab=grow&model=sample:teacher&widen=nothing=9,conv1=80')
    await page.getByRole('alert').filter({ hasText: 'There is no layer "nothing"' }).waitFor()
    await page.getByRole('button', { name: 'Reset' }).click()
    await page.getByText('Widen a layer, or insert one').waitFor()
    await setWidth(page, 'conv1', '96')
    await same(page)
    await page.getByRole('button', { name: 'Reset' }).click()
    await page.locator('.panes.two').waitFor({ state: 'detached' })
    await page.goBack()
    await same(page)
    expect(await width(page, 'conv1').inputValue()).toBe('96')
  })

  it('what is no number is taken back, and what is no seed counts as none', async () => {
    const page = await site.open('tab=grow&model=sample:teacher&widen=conv1=80&seed=1.5')
    await same(page)
    expect(await page.locator('pre.command').textContent()).not.toContain('--seed')
    for (const text of ['', '80.5']) {
      await setWidth(page, 'conv1', text)
      expect(await width(page, 'conv1').inputValue()).toBe('80')
    }
    const seed = page.getByLabel('Seed', { exact: true })
    await seed.fill('99999999999')
    await seed.press('Enter')
    expect(await seed.inputValue()).toBe('4294967295')
    await page.locator('pre.command', { hasText: '--seed 4294967295' }).waitFor()
  })

  it('layers may be called anything, and the command grows them too', async () => {
    const names = [`it's "quoted"`, '層/{"a":[1,2]}=x,y', '-o', '__proto__', 'constructor', '50%2C']
    const layers = names.flatMap((name, i) => [dense(8, { name }), relu({ name: `relu${i}` })])
    const model = sequential([...layers, dense(4, { name: 'out' })], { input: [16], seed: 1 })
    const page = await site.open('tab=grow&model=sample:perceptron')
    await dropFile(page, '.grow', '-odd name.onnx', encodeModel(model))
    for (const [i, name] of names.entries()) await setWidth(page, name, String(9 + i))
    await page.getByText('Insert a layer after __proto__').click()
    await same(page)
    await page.reload()
    await same(page)
    for (const [i, name] of names.entries())
      expect(await width(page, name).inputValue()).toBe(String(9 + i))
    await page.getByTitle('Show __proto__ in the graph').click()
    await page.getByRole('complementary', { name: 'Gemm __proto__' }).waitFor()

    const { bytes } = await download(page, () =>
      page.getByRole('button', { name: 'Download model' }).click(),
    )
    const folder = await mkdtemp(join(site.folder, 'odd-'))
    await writeFile(join(folder, '-odd name.onnx'), encodeModel(model))
    const command = await page.locator('pre.command').textContent()
    const words = [process.execPath, ...commandLine].map((word) => `'${word}'`).join(' ')
    const script = `net2net() { ${words} "$@"; }\n${command}`
    await promisify(execFile)('sh', ['-ec', script], { cwd: folder })
    expect(bytes.equals(await readFile(join(folder, '-odd name-grown.onnx')))).toBe(true)
  }, 120_000)

  it('a model whose data lie beside it is opened together with them', async () => {
    const folder = await mkdtemp(join(site.folder, 'external-'))
    await save(mnistNetwork('net', 3), join(folder, 'net.onnx'), { externalData: true })
    const read = (name: string) => readFile(join(folder, name))
    const page = await site.open('tab=grow&model=sample:perceptron')
    await dropFile(page, '.grow', 'net.onnx', await read('net.onnx'))
    await page.getByText('Drop both files together, the model and net.onnx.data.').waitFor()
    await dropFiles(page, '.grow', {
      'net.onnx.data': await read('net.onnx.data'),
      'net.onnx': await read('net.onnx'),
    })
    await setWidth(page, 'conv1', '80')
    await same(page)
    await page.reload()
    await same(page)
    const { bytes } = await download(page, () =>
      page.getByRole('button', { name: 'Download model' }).click(),
    )
    await save(mnistNetwork('net', 3), join(folder, 'whole.onnx'))
    await page.goto(`${site.url}#tab=grow&model=sample:perceptron`)
    await dropFile(page, '.grow', 'net.onnx', await read('whole.onnx'))
    await setWidth(page, 'conv1', '80')
    await same(page)
    const whole = await download(page, () =>
      page.getByRole('button', { name: 'Download model' }).click(),
    )
    expect(bytes.equals(whole.bytes)).toBe(true)
  }, 120_000)

  it('a network without layers, and one too large, are told from broken ones', async () => {
    const graph = new GraphBuilder()
    graph.input('x', 'float32', [1, 4])
    graph.output(graph.node('Relu', ['x']), 'float32', [1, 4])
    const page = await site.open('tab=grow&model=sample:perceptron')
    await dropFile(page, '.grow', 'bare.onnx', encodeModel(modelOf(graph.graph())))
    await page.getByText('No node of this network has weights of its own').waitFor()
    await page.getByText('This network cannot grow.').waitFor()
    await page.goto(`${site.url}#tab=grow&model=sample:perceptron`)
    await setWidth(page, 'hidden1', '90000000000')
    await page.getByText('cannot get width 90000000000').waitFor()
    const { message } = failureOf(new RangeError('Array buffer allocation failed'))
    expect(message).toMatch(/^This is too large for the browser/)
  })

  it('a folder is no file, and a link may name nothing', async () => {
    const page = await site.open('tab=grow&model=sample:perceptron')
    await page.locator('.card').first().waitFor()
    await page.locator('.grow').evaluate((area) => {
      const folder = new File([], 'folder')
      folder.arrayBuffer = () => Promise.reject(new DOMException('not found', 'NotFoundError'))
      const event = new DragEvent('drop', { bubbles: true, cancelable: true })
      Object.defineProperty(event, 'dataTransfer', { value: { files: [folder] } })
      area.dispatchEvent(event)
    })
    await page.getByText('folder cannot be read: it is a folder').waitFor()
    // What was there is still there.
    await page.locator('.card').first().waitFor()
    await page.goto(`${site.url}#tab=grow&model=nonsense`)
    await page.getByText('This link is about a network "nonsense"').waitFor()
  })

  it('the details of a node close by key, and the graph has the focus again', async () => {
    const page = await site.open('tab=grow&model=sample:perceptron')
    await page.locator('.card[data-key="b:hidden1"]').click()
    await page.getByRole('button', { name: 'Close the details' }).focus()
    await page.keyboard.press('Escape')
    await page.getByRole('complementary').waitFor({ state: 'detached' })
    const focused = () =>
      page.evaluate(() => document.activeElement?.getAttribute('data-key') ?? undefined)
    await expect.poll(focused).toBe('b:hidden1')
  })
})

describe.skipIf(noBrowser)('a file that is dropped', () => {
  let site: Site
  beforeAll(async () => {
    site = await startSite()
  })
  afterAll(() => site.close())

  it('where nobody takes it does not replace the page', async () => {
    for (const [address, selector] of [
      ['tab=train', '.train-main'],
      ['tab=runs', 'header.top'],
    ] as const) {
      const page = await site.open(address)
      await page.locator(selector).waitFor()
      const taken = await page.locator(selector).evaluate((element) => {
        const dataTransfer = new DataTransfer()
        dataTransfer.items.add(new File(['x'], 'x.onnx'))
        return !element.dispatchEvent(
          new DragEvent('drop', { bubbles: true, cancelable: true, dataTransfer }),
        )
      })
      expect(taken, address).toBe(true)
    }
  })

  it('on the Compare tab goes to the side that is free; two go to both', async () => {
    const [a, b] = [1, 2].map((seed) => encodeModel(mnistNetwork('net', seed)))
    const page = await site.open('tab=compare')
    await dropFile(page, '.compare > .stage', 'a.onnx', a!)
    await page
      .getByRole('combobox', { name: 'First' })
      .getByText('a.onnx')
      .waitFor({ state: 'attached' })
    await dropFile(page, '.compare > .stage', 'b.onnx', b!)
    await page.locator('.check-badge[data-equal=false]').waitFor()
    await page.goto(`${site.url}#tab=compare`)
    await dropFiles(page, '.compare > .stage', { 'a.onnx': a!, 'copy.onnx': a! })
    await page.locator('.check-badge[data-equal=true]').waitFor()
  })
})
