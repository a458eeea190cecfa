/** Growth of other kinds on the page, recipes, budgets, ranking; what differs between networks. */
import { mkdtemp, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { encodeModel, solve } from 'net2net'
import { conv2d, sequential } from 'net2net/layers'
import { GraphBuilder, inferShapes, modelOf } from 'net2net/model'
import { float32 } from 'net2net/tensor'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { largerKernel } from '../../page/src/engine/kernels.ts'
import { settingsOf, stepsOf } from '../../page/src/engine/steps.ts'
import { viewOf } from '../../page/src/engine/view.ts'
import { mnistNetwork } from '../../src/mnist/networks.ts'
import {
  download,
  dropFile,
  dropFiles,
  noBrowser,
  runInShell,
  type Site,
  startSite,
} from './support.ts'

const button = (page: Page, name: string) => page.getByRole('button', { name, exact: true })
const same = (page: Page) => page.locator('.check-badge[data-equal=true]').waitFor()

describe('what the controls and a recipe say', () => {
  it('is the same growth, there and back', () => {
    const steps = [
      { widen: { a: 8, b: 16 }, init: 'net2wider', noise: 'paper', seed: 3 },
      { deepen: ['a'], init: 'net2deeper', block: 'residual', kernelSize: 1, seed: 3 },
      { repeat: ['h.*'], seed: 4 },
    ] as const
    for (let from = 0; from < 3; from++)
      for (let to = from + 1; to <= 3; to++)
        expect(stepsOf(settingsOf(steps.slice(from, to)))).toEqual(steps.slice(from, to))
    // What the controls cannot say stays a step of the recipe.
    const others = [{ widen: { a: 'x2' } }, { deepen: ['b'], seed: 7 }] as const
    expect(settingsOf(others).more).toEqual(others)
  })
})

describe('the kernel that is proposed', () => {
  it('is the smallest one that is larger for every layer', () => {
    const kernel = fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 2, maxLength: 2 })
    fc.assert(
      fc.property(fc.array(kernel, { minLength: 1, maxLength: 3 }), (kernels) => {
        const network = sequential(
          kernels.map((size) => conv2d(2, [size[0]!, size[1]!])),
          { input: [1, 24, 24], seed: 1 },
        )
        const opened = {
          solution: solve(network),
          view: viewOf(network, 'kernels.onnx', inferShapes(network)),
        }
        const isLarger = (size: number, of: readonly number[]) =>
          of.every((taps) => size >= taps && (size - taps) % 2 === 0) &&
          of.some((taps) => size > taps)
        const wanted = Array.from({ length: 10 }, (_, size) => size).find((size) =>
          kernels.every((of) => isLarger(size, of)),
        )
        const found = largerKernel(opened, ['*'])
        expect(found.size).toBe(wanted)
        expect(found.reason === undefined).toBe(wanted !== undefined)
      }),
      { numRuns: 40 },
    )
  })
})

describe.skipIf(noBrowser)('the Grow tab', () => {
  let site: Site
  beforeAll(async () => {
    site = await startSite()
  })
  afterAll(() => site.close())

  it('grows what the recipe says, as soon as it says it, and says where it is wrong', async () => {
    const page = await site.open('tab=grow&model=sample:perceptron')
    await page.locator('[data-layer=hidden1]').waitFor()
    await button(page, 'Recipe').click()
    const recipe = page.getByLabel('Recipe')
    await recipe.fill('steps:\n  - widen: { hidden1: 80 }\n  - widen: { hidden2: x2 }\n')
    await page.locator('[data-layer=hidden1] .grown-text', { hasText: '80' }).waitFor()
    await page.locator('.steps li', { hasText: 'x2' }).waitFor()
    await same(page)
    await recipe.fill('steps:\n  - widen: { hidden1: many }\n')
    await page.getByText(/The recipe:2:\d+/).waitFor()
    // The other way round: what is chosen stands in the recipe.
    await page.getByRole('button', { name: /^Remove/ }).click()
    await page.getByLabel('Width of hidden1, as a number').fill('72')
    await page.getByLabel('Width of hidden1, as a number').press('Enter')
    await expect.poll(() => recipe.inputValue()).toContain('hidden1: 72')
  })

  it('extends, copies, enlarges and shrinks, and its command does the same', async () => {
    const page = await site.open('tab=grow&model=sample:resnet')
    await page.getByText('Other growth').click()
    const add = async (kind: string, name?: string, number?: string) => {
      await page.getByLabel('Kind of growth').selectOption(kind)
      if (name !== undefined) await page.locator('.more-growth input[type=text]').fill(name)
      if (number !== undefined)
        await page.locator('.more-growth form input[type=number]').fill(number)
      await button(page, 'Add this growth').click()
    }
    await add('kernel', 'a1', '5')
    await page.locator('.pane').last().locator('.card', { hasText: '16×16×5×5' }).waitFor()
    await same(page)
    await add('repeat', 'a1')
    await page.locator('.card.inserted').first().waitFor()
    await same(page)
    await add('outputs', undefined, '2')
    await page.locator('.check-badge[data-equal=kept]').waitFor()
    expect(await page.locator('.check-badge').textContent()).toContain('old entries kept')
    const { bytes } = await download(page, () => button(page, 'Download model').click())
    const folder = await mkdtemp(join(site.folder, 'more-'))
    await runInShell(await page.locator('pre.command').textContent(), folder)
    expect(bytes.equals(await readFile(join(folder, 'resnet-grown.onnx')))).toBe(true)
    for (let left = 3; left > 0; left--)
      await page
        .getByRole('button', { name: /^Remove/ })
        .first()
        .click()
    await page.goto(
      `${site.url}#tab=grow&model=sample:resnet&more=${encodeURIComponent(JSON.stringify([{ widen: { a1: 'x2' } }, { shrink: 'a1' }]))}`,
    )
    await same(page)
  }, 90_000)

  it('proposes the next larger kernel of what is there and has grown, and none where none is', async () => {
    const page = await site.open('tab=grow&model=sample:perceptron')
    const network = sequential(
      [
        conv2d(4, 5, { name: 'a', padding: 'same' }),
        conv2d(4, 3, { name: 'b', padding: 'same' }),
        conv2d(2, 4, { name: 'even' }),
      ],
      { input: [1, 8, 8], seed: 1 },
    )
    await dropFile(page, '.grow', 'kernels.onnx', encodeModel(network))
    await page.locator('[data-layer=even]').waitFor()
    await page.getByText('Other growth').click()
    await page.getByLabel('Kind of growth').selectOption('kernel')
    const names = page.locator('.more-growth input[type=text]')
    const size = page.locator('.more-growth form input[type=number]')
    // No size is larger for odd and even kernels: most are odd.
    await expect.poll(() => names.inputValue()).toBe('a, b')
    await expect.poll(() => size.inputValue()).toBe('7')
    await button(page, 'Add this growth').click()
    await same(page)
    await expect.poll(() => size.inputValue()).toBe('9')
    // A proposal that arrives while somebody is in the field changes it afterwards.
    await size.focus()
    await names.evaluate((field: HTMLInputElement) => {
      field.value = 'even'
      field.dispatchEvent(new Event('input', { bubbles: true }))
    })
    await expect.poll(() => size.getAttribute('min')).toBe('6')
    expect(await size.inputValue()).toBe('9')
    await size.blur()
    await expect.poll(() => size.inputValue()).toBe('6')
    await names.fill('*')
    await page.locator('[data-why=kernel]').waitFor()
    expect(await size.inputValue()).toBe('')
    expect(await button(page, 'Add this growth').isDisabled()).toBe(true)
    await page.locator('.grow-model select').selectOption('sample:perceptron')
    await page.locator('[data-layer=hidden1]').waitFor()
    await page.locator('[data-why=kernel]', { hasText: 'has a kernel' }).waitFor()
    expect(await size.inputValue()).toBe('')
  })

  it('measures which growth pays on digits, and takes it', async () => {
    const page = await site.open('tab=grow&model=sample:teacher&own-samples=40')
    await page.locator('[data-layer=conv1]').waitFor()
    await page.getByText('Which growth pays').click()
    await button(page, 'Measure').click()
    const growths = page.getByRole('list', { name: 'Growths, the best first' }).locator('li')
    await growths.first().waitFor({ timeout: 50_000 })
    expect(await growths.count()).toBeGreaterThan(4)
    await growths.first().getByRole('button', { name: 'Add' }).click()
    await same(page)
  }, 90_000)
})

describe.skipIf(noBrowser)('the Compare tab', () => {
  let site: Site
  beforeAll(async () => {
    site = await startSite()
  })
  afterAll(() => site.close())

  it('matches networks whose names differ, by their numbers and places', async () => {
    const model = mnistNetwork('teacher', 1)
    const { graph } = model
    const rename = (name: string) => (name === '' ? '' : `t_${name}`)
    const renamed = {
      ...model,
      graph: {
        ...graph,
        nodes: graph.nodes.map((node) => ({
          ...node,
          name: '',
          inputs: node.inputs.map(rename),
          outputs: node.outputs.map(rename),
        })),
        inputs: graph.inputs.map((input) => ({ ...input, name: rename(input.name) })),
        outputs: graph.outputs.map((output) => ({ ...output, name: rename(output.name) })),
        initializers: new Map(
          [...graph.initializers].map(([name, value]) => [rename(name), value]),
        ),
      },
    }
    const page = await site.open('tab=compare')
    await dropFiles(page, '.compare > .stage', {
      'first.onnx': encodeModel(model),
      'second.onnx': encodeModel(renamed),
    })
    await page.locator('.panes.two').waitFor()
    await page.getByText(/\d+ differences/).waitFor()
    expect(await page.locator('.legend').textContent()).toMatch(/^9 the same$/)
  })

  it('lists what differs: structure, shapes, attributes and by how much the numbers do', async () => {
    const make = (shift: number, alpha: number, extra: boolean) => {
      const graph = new GraphBuilder()
      const x = graph.input('x', 'float32', ['n', 3])
      const w = graph.initializer('w', float32([3, 3], [1, 2, 3, 4, 5, 6, 7, 8, 9 + shift]))
      let y = graph.node('Gemm', [x, w], { alpha }, { name: 'g' })
      if (extra) y = graph.node('Relu', [y], {}, { name: 'extra' })
      graph.output(y)
      return encodeModel(modelOf(graph.graph()))
    }
    const page = await site.open('tab=compare')
    await dropFiles(page, '.compare > .stage', {
      'a.onnx': make(0, 1, false),
      'b.onnx': make(0.5, 2, true),
    })
    await page.getByText(/\d+ differences/).click()
    const row = (kind: string) => page.locator(`tr[data-change=${kind}]`)
    await row('numbers').waitFor()
    expect(await row('numbers').textContent()).toMatch(/5\.0e-1.*1 \/ 9/)
    expect(await row('attribute').textContent()).toContain('alpha')
    expect(await row('structure').last().textContent()).toContain('Relu')
    const { bytes, name } = await download(page, () => button(page, 'CSV').click())
    expect(name).toBe('differences.csv')
    expect(bytes.toString().split('\n')[0]).toBe('kind,name,before,after,max_abs,differing,count')
  })
})
