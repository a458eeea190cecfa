/** Runs and explorations of the server and trainings of this browser, in one list. */
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { decodeModel, encodeModel, inspect } from 'net2net'
import { dense, relu, sequential } from 'net2net/layers'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { contentType, fileUnder } from '../../src/server/files.ts'
import { firstTrial, secondTrial, thirdTrial, writeExploration } from './small-exploration.ts'
import { download, dropFile, noBrowser, pageFolder, type Site, startSite } from './support.ts'

const opened = (page: Page, width: number) =>
  page.locator('[data-layer=a] .layer-width', { hasText: String(width) }).waitFor()

describe.skipIf(noBrowser)('the list of runs', () => {
  let site: Site
  beforeAll(async () => {
    site = await startSite()
    await writeExploration(join(site.folder, 'runs/explored'))
  })
  afterAll(() => site.close())

  it('shows an exploration while it goes on, and grows any of its networks at one press', async () => {
    const page = await site.open('tab=runs')
    const panel = page.locator('[data-panel=explored]')
    await panel.locator('[data-front="1"]').waitFor()
    expect(await page.locator('[data-kind=exploration]').textContent()).toContain('2 networks')
    expect(await panel.locator('.tree li').count()).toBe(2)
    // What is new appears without anybody reloading the page.
    await writeExploration(join(site.folder, 'runs/explored'), [
      firstTrial,
      secondTrial,
      thirdTrial,
    ])
    await panel.locator('.tree [data-network="2"]', { hasText: 'deepen a' }).waitFor()
    expect(await panel.locator('.tree [data-network="2"] button').count()).toBe(0)
    await panel.locator('[data-front="1"]').getByRole('button', { name: 'Grow network 1' }).click()
    await opened(page, 9)
    expect(page.url()).toContain('model=exploration:explored:1:0')
    await page.reload()
    await opened(page, 9)
    await page.goBack()
    await panel.locator('.dot[data-network="0"]').click()
    await opened(page, 6)
    await page.goBack()
    await panel.locator('.dot[data-network="2"]').hover()
    await panel.locator('.tree li.pointed[data-network="2"]').waitFor()
    await page.goto(`${site.url}#tab=compare&a=exploration:explored:0:0&b=exploration:explored:1:0`)
    await page.locator('.check-badge[data-equal=true]').waitFor()
    // A network that is not there is a 404, and is said to be one.
    page.removeAllListeners('console')
    await page.goto(`${site.url}#tab=grow&model=exploration:explored:7:0`)
    await page.getByText('there is no such network here').waitFor()
  })

  it('keeps what is trained in this browser, with its networks, until it is removed', async () => {
    const page = await site.open('tab=train&arms=teacher&images=32&epochs=1')
    await page.getByRole('button', { name: 'Run', exact: true }).click()
    await page.locator('.status-text[data-phase=done]').waitFor()
    await page.getByRole('link', { name: 'Runs' }).click()
    const item = page.locator('[data-kind=browser]')
    await item.getByText('finished').waitFor()
    expect(await item.textContent()).toContain('The experiment')
    await page.reload()
    await item.locator('input').check()
    const row = page.locator('[data-panel] [data-arm=teacher]')
    await row.waitFor()
    const { bytes } = await download(page, () =>
      row.getByRole('button', { name: 'Download Teacher' }).click(),
    )
    expect(inspect(decodeModel(bytes)).parameters).toBeGreaterThan(200_000)
    // What the server has would come between entries, under a click: the list waits for its answer.
    const other = await page.context().newPage()
    let answer = () => {}
    await other.route('**/api/runs', async (route) => {
      await new Promise<void>((resolve) => {
        answer = resolve
      })
      await route.continue()
    })
    const id = await item.getAttribute('data-run')
    await other.goto(`${site.url}#tab=runs&runs=browser:${id}`)
    await other.locator('[data-panel] [data-arm=teacher]').waitFor()
    expect(await other.locator('[data-kind]').count()).toBe(0)
    answer()
    await other.locator('[data-kind=browser]').waitFor()
    await other.close()
    await row.getByRole('button', { name: 'Grow Teacher' }).click()
    await page.locator('[data-layer=conv1]').waitFor()
    expect(page.url()).toMatch(/model=browser:[\w-]+:teacher/)
    await page.reload()
    await page.locator('[data-layer=conv1]').waitFor()
    await page.goBack()
    await item.getByRole('button', { name: /^Remove The experiment/ }).click()
    await item.waitFor({ state: 'detached' })
    await page.reload()
    await page.locator('[data-kind=exploration]').waitFor()
    expect(await item.count()).toBe(0)
  }, 90_000)

  it('lists trainings of own networks too, and says in other tabs whether they go on', async () => {
    // So many steps that it goes on until it is stopped.
    const page = await site.open('tab=grow&model=sample:perceptron&own-epochs=1000&own-batch=1')
    const model = sequential(
      [dense(4, { name: 'a' }), relu({ name: 'r' }), dense(1, { name: 'b' })],
      {
        input: [2],
        seed: 1,
      },
    )
    await dropFile(page, '.grow', 'net.onnx', encodeModel(model))
    await page.getByLabel('Width of a, as a number').fill('6')
    await page.getByLabel('Width of a, as a number').press('Enter')
    await page.locator('.check-badge[data-equal=true]').waitFor()
    await page.getByRole('button', { name: 'Train it' }).click()
    const lines = Array.from(
      { length: 500 },
      (_, i) => `${i % 7},${i % 5},${(i % 7) - (i % 5) + 0.25}`,
    )
    const table = new TextEncoder().encode(`a,b,y\n${lines.join('\n')}\n`)
    await dropFile(page, '.own', 'table.csv', table)
    await page.getByRole('button', { name: 'Start', exact: true }).click()
    await page.locator('[data-own="1"] [data-value]').nth(3).waitFor()
    await page.getByRole('button', { name: 'Stop', exact: true }).click()
    const other = await page.context().newPage()
    await other.goto(`${site.url}#tab=runs`)
    const item = other.locator('[data-kind=browser]')
    await item.getByText('running').waitFor()
    expect(await item.textContent()).toContain('net.onnx')
    await item.locator('input').check()
    await other.locator('[data-arm=network-0]', { hasText: 'as it was, trained on' }).waitFor()
    // Of values there is no accuracy.
    const charts = other.locator('.chart figcaption > span:first-child')
    await expect.poll(() => charts.allTextContents()).toEqual(['Training loss', 'Validation loss'])
    // The other tab sees it as soon as this one is closed, and after a reload.
    await page.close()
    await item.getByText('stopped').waitFor()
    await other.reload()
    await item.getByText('stopped').waitFor()
    await other.getByRole('button', { name: 'Grow grown' }).click()
    await opened(other, 6)
  }, 90_000)

  it('asks a static site once whether it has runs, and shows those of this browser', async () => {
    let asked = 0
    const plain = createServer(async (request, response) => {
      const path = (request.url ?? '').split('?')[0]!
      if (path.startsWith('/api/')) asked++
      const file = await fileUnder(pageFolder, path)
      response.writeHead(file ? 200 : 404, file ? { 'Content-Type': contentType(file) } : {})
      response.end(file ? await readFile(file) : undefined)
    }).listen(0, '127.0.0.1')
    await new Promise((resolve) => plain.once('listening', resolve))
    const { port } = plain.address() as AddressInfo
    try {
      const page = await site.open('tab=compare')
      page.removeAllListeners('request')
      page.removeAllListeners('console')
      await page.clock.install()
      await page.goto(`http://127.0.0.1:${port}/#tab=runs&runs=gone`)
      await page.getByText('This page comes from a plain web server').waitFor()
      await page.getByText('There is no run called gone: no net2net serve').waitFor()
      for (const tab of ['Compare', 'Runs']) {
        await page.getByRole('link', { name: tab }).click()
        await page.clock.runFor(60_000)
      }
      await page.getByText('None yet. What is trained on the Train tab').waitFor()
      expect(asked).toBe(1)
      await page.context().close()
    } finally {
      plain.close()
    }
  })
})
