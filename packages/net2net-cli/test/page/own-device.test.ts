/** Own networks are trained on WebGPU where that is chosen and right, and on the CPU where it is not. */
import { encodeModel } from 'net2net'
import { dense, sequential } from 'net2net/layers'
import type { BrowserContext, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { dropFile, noBrowser, type Site, softwareAdapter, startSite } from './support.ts'

const network = sequential([dense(8, { name: 'a', activation: 'relu' }), dense(1, { name: 'b' })], {
  input: [2],
  seed: 1,
})
const rows = Array.from({ length: 40 }, (_, i) => `${i % 7},${i % 5},${(i % 7) / 2 - (i % 5)}`)
const csv = new TextEncoder().encode(`a,b,y\n${rows.join('\n')}\n`)

describe.skipIf(noBrowser)('the training of an own network', () => {
  let site: Site
  beforeAll(async () => {
    site = await startSite(softwareAdapter)
  })
  afterAll(() => site.close())

  /** Trains with a setting of the device; `inWorker` runs at the beginning of each worker. */
  async function trained(device: string, inWorker = '') {
    const page = await site.open('tab=compare')
    await runInWorkers(page.context(), inWorker)
    await page.goto(`${site.url}?own#tab=train&what=own&own-epochs=2&own-batch=8&device=${device}`)
    await dropFile(page, '.own', 'net.onnx', encodeModel(network))
    await page.locator('.train-settings', { hasText: 'net.onnx' }).waitFor()
    await dropFile(page, '.own', 'table.csv', csv)
    await page.getByRole('button', { name: 'Start', exact: true }).click()
    await page.locator('.status-text[data-phase=done]').waitFor({ timeout: 100_000 })
    const found = {
      losses: await losses(page),
      device: await page.locator('[data-device]').getAttribute('data-device'),
      reason: await page.locator('[data-device]').textContent(),
    }
    await page.context().close()
    return found
  }

  it('computes on WebGPU what it computes on the CPU, and falls back where WebGPU is wrong or fails', async () => {
    const cpu = await trained('cpu')
    expect(cpu).toMatchObject({ device: 'cpu', reason: 'On the CPU: as chosen.' })
    expect(cpu.losses).toHaveLength(3)

    const webgpu = await trained('webgpu')
    expect(webgpu.device).toBe('webgpu')
    expect(webgpu.reason).toMatch(/^On WebGPU \(.*swiftshader.*\): as chosen\.$/)
    webgpu.losses.forEach((loss, i) => {
      expect(Math.abs(loss - cpu.losses[i]!)).toBeLessThan(1e-3 * Math.abs(cpu.losses[i]!) + 1e-4)
    })

    // A driver that miscompiles shaders computes other numbers.
    const wrong = await trained(
      'webgpu',
      `{
        const { createShaderModule } = GPUDevice.prototype
        GPUDevice.prototype.createShaderModule = function ({ code, ...rest }) {
          return createShaderModule.call(this, { ...rest, code: code.replaceAll(' + ', ' - ') })
        }
      }`,
    )
    expect(wrong.device).toBe('cpu')
    expect(wrong.reason).toMatch(
      /^On the CPU: WebGPU (computes something else: the loss of step|failed: )/,
    )
    expect(wrong.losses).toEqual(cpu.losses)

    // One that is lost on the way, after the choice: the training goes on where it was.
    const lost = await trained(
      'webgpu',
      `{
        const { submit } = GPUQueue.prototype
        let left = 60
        GPUQueue.prototype.submit = function (...buffers) {
          if (--left < 0) throw new Error('The device was lost.')
          return submit.apply(this, buffers)
        }
      }`,
    )
    expect(lost.device).toBe('cpu')
    expect(lost.reason).toContain('WebGPU failed')
    lost.losses.forEach((loss, i) => {
      expect(Math.abs(loss - cpu.losses[i]!)).toBeLessThan(1e-3 * Math.abs(cpu.losses[i]!) + 1e-4)
    })
  }, 240_000)

  it('stays on the CPU where the adapter is software, unless it is chosen', async () => {
    const { device, reason, losses: all } = await trained('auto')
    expect(device).toBe('cpu')
    expect(reason).toContain('WebGPU here is software only')
    expect(all).toHaveLength(3)
  }, 60_000)
})

async function runInWorkers(context: BrowserContext, script: string): Promise<void> {
  if (script === '') return
  await context.route(/worker-[^/]*\.js/, async (route) => {
    const response = await route.fetch()
    await route.fulfill({ response, body: `${script}\n${await response.text()}` })
  })
}

const losses = (page: Page): Promise<number[]> =>
  page
    .locator('[data-own="0"] [data-value]')
    .evaluateAll((cells) => cells.map((cell) => Number(cell.getAttribute('data-value'))))
