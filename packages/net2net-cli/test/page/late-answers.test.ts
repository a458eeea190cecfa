/** Answers and files that come late: for a view that is gone, or for another network than the one that is there now. */
import { encodeModel } from 'net2net'
import { encodeNpz } from 'net2net/data'
import { float32 } from 'net2net/tensor'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { mnistNetwork } from '../../src/mnist/networks.ts'
import { dropFile, noBrowser, type Site, startSite } from './support.ts'

declare global {
  interface Window {
    release(): void
  }
}

/** What the page asks of its workers waits until it is released. */
const holdWorkers = (page: Page) =>
  page.evaluate(() => {
    const { postMessage } = Worker.prototype
    const held: (() => void)[] = []
    Worker.prototype.postMessage = function (...message: unknown[]) {
      held.push(() => Reflect.apply(postMessage, this, message))
    }
    window.release = () => {
      Worker.prototype.postMessage = postMessage
      for (const send of held) send()
    }
  })

/** The file that is read next is read only when it is released. */
const holdFile = (page: Page) =>
  page.evaluate(() => {
    const { arrayBuffer } = Blob.prototype
    Blob.prototype.arrayBuffer = async function () {
      Blob.prototype.arrayBuffer = arrayBuffer
      await new Promise<void>((resolve) => {
        window.release = resolve
      })
      return arrayBuffer.call(this)
    }
  })
const release = (page: Page) => page.evaluate(() => window.release())

/** How many files the page has kept; it makes the database. */
const keptFiles = (page: Page) =>
  page.evaluate(async () => {
    const databases = await indexedDB.databases()
    if (databases.every(({ name }) => name !== 'net2net')) return 0
    return await new Promise<number>((resolve) => {
      const request = indexedDB.open('net2net')
      request.onsuccess = () => {
        const count = request.result.transaction('files').objectStore('files').count()
        count.onsuccess = () => {
          request.result.close()
          resolve(count.result)
        }
      }
    })
  })

const button = (page: Page, name: string) => page.getByRole('button', { name, exact: true })
const tab = (page: Page, name: string) =>
  page.locator('header nav').getByRole('link', { name, exact: true })
const same = (page: Page) => page.locator('.check-badge[data-equal=true]').waitFor()

describe.skipIf(noBrowser)('what comes late', () => {
  let site: Site
  beforeAll(async () => {
    site = await startSite()
  })
  // Errors on the page are looked at here.
  afterAll(() => site.close())

  it('does no harm where its view is gone', async () => {
    const page = await site.open('tab=grow&model=sample:perceptron&widen=hidden1=80')
    await same(page)
    const find = async (name: string) => {
      await page.getByLabel('Find a node').fill('hidden2')
      await page.getByRole('option').filter({ hasText: name }).first().waitFor()
    }
    await find('hidden2')
    await holdWorkers(page)
    await page.getByLabel('Find a node').fill('hidden1')
    await page.getByLabel('Find a node').press('Enter')
    await page.locator('.legend button').first().click()
    await tab(page, 'Compare').click()
    await page.locator('.compare').waitFor()
    // Another language takes away what is hidden.
    await button(page, '中文').click()
    await button(page, 'English').click()
    await page.locator('.grow').waitFor({ state: 'detached' })
    await release(page)
    await tab(page, 'Grow').click()
    await find('hidden2')
  })

  it('does no harm where what was drawn goes with its view', async () => {
    const page = await site.open('tab=train&what=own&model=sample:teacher')
    await button(page, 'A test image').waitFor()
    await holdWorkers(page)
    await button(page, 'A test image').click()
    await tab(page, 'Compare').click()
    await page.locator('.compare').waitFor()
    await button(page, '中文').click()
    await button(page, 'English').click()
    await page.locator('.train.own').waitFor({ state: 'detached' })
    await release(page)
    await tab(page, 'Train').click()
    await button(page, 'A test image').click()
    await page.getByLabel(/^A test image: \d/).waitFor()
  })

  it('does not replace a network that was opened after it', async () => {
    const page = await site.open('tab=grow&model=sample:perceptron')
    await page.locator('[data-layer=hidden1]').waitFor()
    await holdFile(page)
    await dropFile(page, '.grow', 'late.onnx', encodeModel(mnistNetwork('late', 1)))
    await page.locator('.grow-model select').selectOption('sample:resnet')
    await page.locator('[data-layer=stem]').waitFor()
    await release(page)
    // It has been read, and kept, as soon as this is so.
    await expect.poll(() => keptFiles(page)).toBe(1)
    await page.getByLabel('Width of stem, as a number').fill('20')
    await page.getByLabel('Width of stem, as a number').press('Enter')
    await same(page)
    expect(page.url()).toContain('model=sample:resnet')
  })

  it('are no inputs for another network', async () => {
    const page = await site.open('tab=grow&model=sample:teacher')
    await page.locator('[data-layer=conv1]').waitFor()
    await holdFile(page)
    const x = float32([2, 1, 28, 28], new Float32Array(2 * 784).fill(0.5))
    await dropFile(page, '.grow', 'own.npz', encodeNpz(new Map([['x', x]])))
    await page.locator('.grow-model select').selectOption('sample:perceptron')
    await page.locator('[data-layer=hidden1]').waitFor()
    await release(page)
    await page.getByLabel('Width of hidden1, as a number').fill('80')
    await page.getByLabel('Width of hidden1, as a number').press('Enter')
    await page.locator('.check-badge[title*="4 random inputs"]').waitFor()
    expect(await button(page, 'On own.npz').count()).toBe(0)
  })
})
