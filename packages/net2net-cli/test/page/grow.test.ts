import { createHash } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { encodeModel } from 'net2net'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { mnistNetwork } from '../../src/mnist/networks.ts'
import { download, dropFile, net2net, noBrowser, type Site, startSite } from './support.ts'

const network = (page: Page) => page.getByRole('combobox', { name: 'Network', exact: true })
const badge = (page: Page) => page.locator('.check-badge')

describe.skipIf(noBrowser)('the Grow tab', () => {
  let site: Site
  const bytes = encodeModel(mnistNetwork('net', 3))
  beforeAll(async () => {
    site = await startSite()
    await writeFile(join(site.folder, 'net.onnx'), bytes)
  })
  afterAll(() => site.close())

  const openDropped = async () => {
    const page = await site.open('tab=grow&model=sample:perceptron')
    await dropFile(page, '.grow', 'net.onnx', bytes)
    await page.locator('[data-layer=conv1]').waitFor()
    return page
  }
  const setWidth = async (page: Page, layer: string, width: number) => {
    const input = page.getByLabel(`Width of ${layer}, as a number`, { exact: true })
    await input.fill(String(width))
    await input.press('Enter')
  }

  const savedRecipe = async (page: Page) => {
    await page.getByRole('button', { name: 'Recipe', exact: true }).click()
    await expect.poll(() => page.getByLabel('Recipe').inputValue()).toContain('steps:')
    return download(page, () => page.getByRole('button', { name: 'Save the recipe' }).click())
  }

  it('grows a dropped file, and downloads what the command line makes, byte for byte', async () => {
    const page = await openDropped()
    await setWidth(page, 'conv1', 96)
    await setWidth(page, 'fc1', 80)
    await page.getByLabel('Insert a layer after conv2').check()
    await page.getByLabel('Seed', { exact: true }).fill('7')
    await page.getByLabel('Seed', { exact: true }).press('Enter')
    await page.getByText('seed=7').waitFor({ state: 'detached' })
    await page.locator('pre.command', { hasText: '--seed 7' }).waitFor()
    await badge(page).waitFor()
    expect(await badge(page).getAttribute('data-equal')).toBe('true')

    const { name, bytes: grown } = await download(page, () =>
      page.getByRole('button', { name: 'Download model' }).click(),
    )
    expect(name).toBe('net-grown.onnx')
    await page.getByRole('button', { name: 'Copy command' }).click()
    const command = await page.evaluate(() => navigator.clipboard.readText())
    expect(command).toBe(
      [
        'net2net widen net.onnx conv1=96 fc1=80 --seed 7 -o net-wider.onnx',
        'net2net deepen net-wider.onnx conv2 --seed 7 -o net-grown.onnx',
      ].join('\n'),
    )

    const recipe = await savedRecipe(page)
    await writeFile(join(site.folder, recipe.name), recipe.bytes)
    await net2net(['grow', recipe.name, 'net.onnx', '-o', 'by-recipe.onnx'], site.folder)
    expect(grown.equals(await readFile(join(site.folder, 'by-recipe.onnx')))).toBe(true)
    for (const line of command.split('\n')) await net2net(line.split(' ').slice(1), site.folder)
    expect(grown.equals(await readFile(join(site.folder, 'net-grown.onnx')))).toBe(true)
  }, 120_000)

  it('shows the drawing of a file that was opened after another', async () => {
    const page = await site.open('tab=grow&model=sample:resnet')
    await page.locator('.card').first().waitFor()
    // A taller and narrower drawing than the one before, and the other way round.
    await dropFile(page, '.grow', 'net.onnx', bytes)
    await page.locator('[data-layer=fc1]').waitFor()
    const inView = async () => {
      const pane = (await page.locator('.pane').boundingBox())!
      const first = (await page.locator('.pane svg [data-key]').first().boundingBox())!
      const middle = first.x + first.width / 2 - pane.x
      return middle > 0.25 * pane.width && middle < 0.75 * pane.width && first.y > pane.y - 1
    }
    await expect.poll(inView).toBe(true)
    await network(page).selectOption('sample:resnet')
    await page.locator('[data-layer=a1]').waitFor()
    await expect.poll(inView).toBe(true)
  })

  it('says of a link without its file what to do, and then grows as the link says', async () => {
    const key = createHash('sha256').update(bytes).digest('hex').slice(0, 12)
    const page = await site.open(`tab=grow&model=file:${key}:theirs.onnx&widen=conv1=72`)
    await page.getByText('This link is about theirs.onnx, and a link does not carry').waitFor()
    await dropFile(page, '.grow', 'mine.onnx', bytes)
    await badge(page).waitFor()
    expect(await page.getByLabel('Width of conv1, as a number').inputValue()).toBe('72')
    expect(await badge(page).getAttribute('data-equal')).toBe('true')
  })

  it('grows while a check takes long, and checks what was grown last', async () => {
    const page = await site.open('tab=grow&model=sample:perceptron')
    let held = 0
    // The first check never gets what it computes with.
    await page.route('**/ort/*.wasm', async (route) => {
      if (held++ > 0) await route.continue()
    })
    await setWidth(page, 'hidden1', 80)
    await page.getByText('measuring').waitFor()
    await expect.poll(() => held, { timeout: 20_000 }).toBe(1)
    await setWidth(page, 'hidden1', 96)
    await page.locator('.card.widened .grown', { hasText: '96' }).first().waitFor()
    await badge(page).waitFor()
    expect(await badge(page).getAttribute('data-equal')).toBe('true')
    expect(held).toBeGreaterThan(1)
    await page.unrouteAll({ behavior: 'ignoreErrors' })
  })

  it('shows before and after side by side, in their colours, in step', async () => {
    const page = await openDropped()
    await setWidth(page, 'conv1', 96)
    await page.getByLabel('Insert a layer after fc1').check()
    await page.locator('.card.inserted').first().waitFor()
    const [before, after] = [page.locator('.pane').first(), page.locator('.pane').last()]
    expect(await before.locator('.card.inserted').count()).toBe(0)
    expect(await after.locator('.card.inserted').count()).toBe(2)
    expect(await before.locator('.card.widened .grown').allTextContents()).toContain('64')
    expect(await after.locator('.card.widened .grown').allTextContents()).toContain('96')
    expect(await after.locator('.edge.grown text').allTextContents()).toContain('batch×96×28×28')
    await badge(page).waitFor()
    expect(await page.locator('.facts-row').textContent()).toMatch(/Parameters 238,986 → 261,898/)

    const where = () =>
      page
        .locator('svg.graph > g')
        .evaluateAll((all) => all.map((g) => g.getAttribute('transform')))
    const start = await where()
    await before.locator('svg').hover({ position: { x: 20, y: 200 } })
    await page.mouse.down()
    await page.mouse.move(400, 500, { steps: 4 })
    await page.mouse.up()
    const moved = await where()
    expect(moved[0]).not.toBe(start[0])
    expect(moved[0]).toBe(moved[1])
  })

  it('inserts residual blocks that compute the same, as the command line does', async () => {
    const page = await openDropped()
    await page.getByRole('combobox', { name: 'Insert', exact: true }).selectOption('residual')
    await page.getByLabel('Insert a residual block after conv2').check()
    await page.locator('.card.inserted').first().waitFor()
    // Two layers, the activation between them, and the sum.
    expect(await page.locator('.pane').last().locator('.card.inserted').count()).toBe(4)
    await page.locator('.check-badge[data-equal=true]').waitFor()
    const { bytes: grown } = await download(page, () =>
      page.getByRole('button', { name: 'Download model' }).click(),
    )
    const command = await page.locator('pre.command').textContent()
    expect(command?.trim()).toBe('net2net deepen net.onnx conv2 --block residual -o net-grown.onnx')
    await net2net([...command!.trim().split(' ').slice(1), '--force'], site.folder)
    expect(grown.equals(await readFile(join(site.folder, 'net-grown.onnx')))).toBe(true)
    const recipe = await savedRecipe(page)
    await writeFile(join(site.folder, recipe.name), recipe.bytes)
    await net2net(['grow', recipe.name, 'net.onnx', '-o', 'blocks.onnx'], site.folder)
    expect(grown.equals(await readFile(join(site.folder, 'blocks.onnx')))).toBe(true)
    await page.reload()
    await page.getByLabel('Insert a residual block after conv2').waitFor()
    expect(await page.getByLabel('Insert a residual block after conv2').isChecked()).toBe(true)
  })

  it('keeps what the model computes unless a baseline is chosen, and says so', async () => {
    const page = await openDropped()
    await setWidth(page, 'fc1', 100)
    await page.locator('.check-badge[data-equal=true]').waitFor()
    await page.getByRole('combobox', { name: 'New units', exact: true }).selectOption('random-pad')
    await page.locator('.check-badge[data-equal=false]').waitFor()
    expect(await badge(page).textContent()).toContain('another function')
  })

  it('says why a layer cannot grow, and refuses a smaller width in words', async () => {
    const page = await openDropped()
    expect(await page.locator('[data-layer=fc2]').textContent()).toMatch(/Not wider: .{10,}/)
    await setWidth(page, 'conv1', 12)
    const alert = page.getByRole('alert')
    await alert.waitFor()
    expect(await alert.textContent()).toMatch(/conv1/)
  })

  it('keeps its state over a reload, the dropped file included', async () => {
    const page = await openDropped()
    await setWidth(page, 'conv2', 72)
    await page.getByLabel('Noise on copies').selectOption('paper')
    await badge(page).waitFor()
    const address = page.url()
    const text = await badge(page).textContent()
    await page.reload()
    await badge(page).waitFor()
    expect(page.url()).toBe(address)
    expect(await badge(page).textContent()).toBe(text)
    expect(await page.getByLabel('Width of conv2, as a number', { exact: true }).inputValue()).toBe(
      '72',
    )
    expect(await page.getByLabel('Noise on copies').inputValue()).toBe('paper')
  })

  it('says what is wrong with a broken file', async () => {
    const page = await site.open('tab=grow&model=sample:perceptron')
    for (const broken of [bytes.subarray(0, 5000), new TextEncoder().encode('no model at all')]) {
      await dropFile(page, '.grow', 'broken.onnx', broken)
      const alert = page.getByRole('alert')
      await alert.waitFor()
      expect(await alert.textContent()).toMatch(/\w+.*\./)
      expect(await alert.textContent()).not.toContain('Something of ours failed')
    }
    await network(page).selectOption('sample:resnet')
    await page.locator('[data-layer=stem]').waitFor()
  })

  it('finds nodes and shows their details, histograms and mapping, by keyboard alone', async () => {
    const page = await openDropped()
    await setWidth(page, 'conv1', 96)
    await page.locator('.panes.two').waitFor()
    await page.getByRole('combobox', { name: 'Find a node' }).focus()
    await page.keyboard.type('conv1')
    await page.keyboard.press('Enter')
    const details = page.getByRole('complementary', { name: 'Conv conv1' })
    await details.waitFor()
    expect(await details.textContent()).toContain('64×1×3×3 → 96×1×3×3')
    await details.getByRole('img', { name: /Histogram of conv1.weight: 864 values/ }).waitFor()
    await details.getByRole('img', { name: /64 units become 96/ }).waitFor()
    await page.locator('.pane').last().locator('.card[data-key="b:conv1"]').focus()
    await page.keyboard.press('ArrowDown')
    await page.getByRole('complementary', { name: 'MaxPool pool1' }).waitFor()
    const zoom = () => page.locator('.zoom .number').textContent()
    const before = await zoom()
    await page.keyboard.press('+')
    expect(await zoom()).not.toBe(before)
    await page.keyboard.press('Escape')
    await page.getByRole('complementary').waitFor({ state: 'detached' })
    // None is selected: the arrows go on from the node that has the focus.
    await page.locator('.pane').last().locator('.card[data-key="b:conv1"]').focus()
    await page.keyboard.press('ArrowDown')
    await page.getByRole('complementary', { name: 'MaxPool pool1' }).waitFor()
  })

  it('opens every sample network and grows the first layer that can', async () => {
    const page = await site.open('tab=grow')
    await network(page).waitFor()
    const samples = await network(page)
      .locator('option')
      .evaluateAll((all) => all.map((option) => (option as HTMLOptionElement).value))
    expect(samples.length).toBeGreaterThanOrEqual(4)
    for (const sample of samples) {
      await network(page).selectOption(sample)
      await page.locator('.stage[aria-busy=false] .card').first().waitFor()
      const number = page.locator('.layer input[type=number]').first()
      await number.waitFor()
      await number.fill(String(Number(await number.getAttribute('min')) + 5))
      await number.press('Enter')
      await page.locator('.check-badge[data-equal=true]').waitFor()
    }
  })
})
