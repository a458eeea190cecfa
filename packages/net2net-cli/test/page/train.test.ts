import { decodeModel, type Model } from 'net2net'
import { loadMnist } from 'net2net/data'
import { nodeRuntime } from 'net2net/runtime'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { allArmNames, defaultArmNames } from '../../page/src/train/arms.ts'
import { type Arm, arms, defaultArms, selectArms } from '../../src/mnist/arms.ts'
import { trainArm } from '../../src/mnist/train-arm.ts'
import { download, noBrowser, type Site, startSite } from './support.ts'

const status = (page: Page) => page.locator('.status-text')
const untilDone = (page: Page) =>
  page.locator('.status-text[data-phase=done]').waitFor({ timeout: 240_000 })
const button = (page: Page, name: string) => page.getByRole('button', { name, exact: true })

it('lists the arms that the experiments know', () => {
  expect(allArmNames).toEqual(arms.map(({ name }) => name))
  expect(defaultArmNames).toEqual(defaultArms)
})

describe.skipIf(noBrowser)('the Train tab', () => {
  let site: Site
  beforeAll(async () => {
    site = await startSite()
  })
  afterAll(() => site.close())

  it('trains one arm on 1,000 images; the loss falls and the page answers meanwhile', async () => {
    const page = await site.open('tab=train&arms=teacher&images=1000&epochs=2')
    await button(page, 'Run').click()
    await page.locator('[data-arm=teacher]').waitFor()
    // The page's own thread is free: a frame comes soon after it is asked for.
    const wait = await page.evaluate(async () => {
      let worst = 0
      for (let i = 0; i < 20; i++) {
        const start = performance.now()
        await new Promise((resolve) => setTimeout(resolve, 20))
        worst = Math.max(worst, performance.now() - start)
      }
      return worst
    })
    expect(wait).toBeLessThan(1000)
    await untilDone(page)
    const losses = await values(page, 'teacher')
    expect(losses).toHaveLength(2)
    expect(losses[0]!).toBeLessThan(2.2)
    expect(losses[1]!).toBeLessThan(losses[0]!)

    // The trained network is a model like any other.
    const { name, bytes } = await download(page, () => button(page, 'Download').click())
    expect(name).toBe('teacher.onnx')
    expect(decodeModel(bytes).graph.initializers.has('conv1.weight')).toBe(true)
    await button(page, 'Grow it').click()
    await page.locator('[data-layer=conv1]').waitFor()
  }, 300_000)

  it('agrees with Node to 1e-4: same seed, same steps', async () => {
    const names = ['teacher', 'wider_net2wider', 'deeper_net2deeper']
    const page = await site.open(
      `tab=train&arms=${names.join(',')}&images=320&batch=32&run-seed=5&rate=0.02`,
    )
    await button(page, 'Run').click()
    const { train, test } = await loadMnist()
    const expected: number[][] = []
    let teacher: Model | undefined
    for (const arm of selectArms(names)) {
      const rate: Arm = { ...arm, learningRate: arm.student ? 0.001 : 0.02 }
      const { result, model } = await trainArm(rate, teacher, {
        train: train.slice(0, 320),
        test: test.slice(0, 1000),
        seed: 5,
        epochs: 1,
        batchSize: 32,
        threads: 1,
        runtime: nodeRuntime,
        onEvent: () => undefined,
      })
      teacher ??= model
      const { initial, epochs } = result
      expected.push([...(initial ? [initial.valLoss] : []), ...epochs.map((e) => e.valLoss)])
    }
    await untilDone(page)
    for (const [i, name] of names.entries()) {
      const seen = await values(page, name)
      expect(seen).toHaveLength(expected[i]!.length)
      for (const [k, value] of seen.entries())
        expect(Math.abs(value - expected[i]![k]!), `${name}, figure ${k}`).toBeLessThan(1e-4)
    }
  }, 300_000)

  it('steps, pauses, goes on and is reset', async () => {
    const page = await site.open('tab=train&arms=teacher&images=640')
    await button(page, 'Step').click()
    // Nothing is paused yet.
    expect(await status(page).getAttribute('data-phase')).toBe('loading')
    expect(await button(page, 'Step').isDisabled()).toBe(true)
    await page.getByText('Paused at step 1 of 20').waitFor()
    await button(page, 'Step').click()
    await page.getByText('Paused at step 2 of 20').waitFor()
    await button(page, 'Go on').click()
    await page.locator('.status-text[data-phase=running]').waitFor()
    await button(page, 'Pause').click()
    await page.locator('.status-text[data-phase=paused]').waitFor()
    // A step that was under way is still made.
    await page.waitForTimeout(4000)
    const text = await status(page).textContent()
    await page.waitForTimeout(1500)
    expect(await status(page).textContent()).toBe(text)
    await button(page, 'Reset').click()
    await page.locator('.status-text[data-phase=idle]').waitFor()
    expect(await page.locator('[data-arm=teacher]').count()).toBe(0)
  }, 120_000)

  it('says that there is nothing to train', async () => {
    const page = await site.open('tab=train&arms=none')
    await page.getByText('Choose what to train.').waitFor()
    expect(await button(page, 'Run').isDisabled()).toBe(true)
  })

  it('keeps its settings in the address, over a reload', async () => {
    const page = await site.open('tab=train')
    await page.getByLabel('Teacher, continued').check()
    await page.getByLabel('Deeper, random layers').uncheck()
    await page.getByLabel('Training images').fill('1500')
    await page.getByLabel('Training images').press('Enter')
    await page.getByLabel("Students' rate").fill('0.002')
    await page.getByLabel("Students' rate").press('Enter')
    await page.reload()
    expect(await page.getByLabel('Teacher, continued').isChecked()).toBe(true)
    expect(await page.getByLabel('Deeper, random layers').isChecked()).toBe(false)
    expect(await page.getByLabel('Training images').inputValue()).toBe('1500')
    expect(await page.getByLabel("Students' rate").inputValue()).toBe('0.002')
  })

  it('trains on the CPU where there is no WebGPU, whatever was asked for, and says why', async () => {
    const page = await site.open('tab=train&arms=teacher&images=64')
    await page.getByLabel('Device').selectOption('webgpu')
    expect(page.url()).toContain('device=webgpu')
    await button(page, 'Run').click()
    await untilDone(page)
    expect(await page.locator('[data-device=cpu]').textContent()).toMatch(/^On the CPU: .*WebGPU/)
    await button(page, 'Reset').click()
    await page.getByLabel('Device').selectOption('cpu')
    await button(page, 'Run').click()
    await untilDone(page)
    expect(await page.locator('[data-device=cpu]').textContent()).toBe('On the CPU: as chosen.')
  }, 120_000)

  it('says what a drawn digit and a test image are', async () => {
    const page = await site.open('tab=train&arms=teacher&images=960')
    await button(page, 'Run').click()
    await untilDone(page)
    await button(page, 'A test image').click()
    await page.locator('.answer').first().waitFor()
    await button(page, 'Clear').click()
    const box = (await page.locator('.draw canvas').boundingBox())!
    await page.mouse.move(box.x + 70, box.y + 20)
    await page.mouse.down()
    await page.mouse.move(box.x + 70, box.y + 120, { steps: 8 })
    await page.mouse.up()
    await page.locator('.answer').first().waitFor()
    expect(await page.locator('.answer').first().textContent()).toMatch(/^\d +\d+%$/)

    // Another tab takes nothing away, and neither do settings of a next run, nor a step.
    const inked = () =>
      page.locator('.draw canvas').evaluate((canvas) =>
        (canvas as HTMLCanvasElement)
          .getContext('2d')!
          .getImageData(0, 0, 280, 280)
          .data.some((value) => value > 0),
      )
    await page.getByRole('link', { name: 'Compare' }).click()
    await page.goBack()
    await page.locator('.answer').first().waitFor()
    expect(await inked()).toBe(true)
    const head = () => page.locator('.results thead').textContent()
    const before = await head()
    const epochs = page.getByRole('spinbutton', { name: 'Epochs' })
    await epochs.fill('3')
    await epochs.press('Enter')
    expect(page.url()).toContain('epochs=3')
    expect(await head()).toBe(before)
    expect(await button(page, 'Step').isDisabled()).toBe(true)
  }, 240_000)
})

/** The validation losses in an arm's row: its start, if it has one, and each epoch. */
const values = (page: Page, arm: string): Promise<number[]> =>
  page
    .locator(`[data-arm=${arm}] [data-value]`)
    .evaluateAll((cells) => cells.map((cell) => Number(cell.getAttribute('data-value'))))
