import { deepen, encodeModel, widen } from 'net2net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { mnistNetwork } from '../../src/mnist/networks.ts'
import { dropFile, noBrowser, type Site, startSite } from './support.ts'

describe.skipIf(noBrowser)('the Compare tab', () => {
  let site: Site
  beforeAll(async () => {
    site = await startSite()
  })
  afterAll(() => site.close())

  const teacher = mnistNetwork('teacher', 1)
  const open = async (second: Uint8Array) => {
    const page = await site.open('tab=compare')
    await dropFile(page, '.compare-side >> nth=0', 'first.onnx', encodeModel(teacher))
    await dropFile(page, '.compare-side >> nth=1', 'second.onnx', second)
    await page.locator('.panes.two').waitFor()
    return page
  }

  it('shows what is the same, widened and new, and that the functions agree', async () => {
    const grown = deepen(widen(teacher, { conv1: 80 }), ['fc1'])
    const page = await open(encodeModel(grown))
    await page.locator('.check-badge[data-equal=true]').waitFor()
    const legend = await page.locator('.legend').textContent()
    // conv1, conv2 are widened; a Gemm and its Relu are new.
    expect(legend).toMatch(/7 the same.*2 widened.*2 inserted/)
    expect(await page.locator('.pane-label').allTextContents()).toEqual([
      'first.onnx',
      'second.onnx',
    ])
    await page.reload()
    await page.locator('.check-badge[data-equal=true]').waitFor()
    expect(await page.locator('.legend').textContent()).toBe(legend)
  })

  it('marks weights that differ, and that the functions do not agree', async () => {
    const page = await open(encodeModel(mnistNetwork('teacher', 2)))
    await page.locator('.check-badge[data-equal=false]').waitFor()
    expect(await page.locator('.legend').textContent()).toMatch(/5 the same.*4 changed/)
    await page.locator('.card[data-status=changed]').first().click()
    const details = page.getByRole('complementary')
    await details.getByRole('img', { name: /Histogram of conv1.weight/ }).waitFor()
  })

  it('says what is wrong with a file that is no model', async () => {
    const page = await site.open('tab=compare&a=sample:perceptron')
    await dropFile(page, '.compare-side >> nth=1', 'x.onnx', new Uint8Array([1, 2, 3]))
    await page.getByRole('alert').waitFor()
    expect(await page.getByRole('alert').textContent()).toMatch(/\w.*\./)
  })
})
