import { cp, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { download, net2net, noBrowser, type Site, startSite } from './support.ts'

describe.skipIf(noBrowser)('the Runs tab', () => {
  let site: Site
  beforeAll(async () => {
    site = await startSite()
    await net2net(
      ['mnist', '--epochs', '1', '--train-size', '320', '--test-size', '200'].concat([
        '--arms',
        'teacher,wider_net2wider_exact',
        '-o',
        'runs/first',
      ]),
      site.folder,
    )
    await cp(join(site.folder, 'runs/first'), join(site.folder, 'runs/second'), { recursive: true })
  }, 180_000)
  afterAll(() => site.close())

  it('shows the runs of the folder and compares them', async () => {
    const page = await site.open('tab=runs&runs=first')
    const panel = page.locator('[data-panel=first]')
    await panel.locator('[data-arm=wider_net2wider_exact]').waitFor()
    const results = JSON.parse(
      await readFile(join(site.folder, 'runs/first/results.json'), 'utf8'),
    ) as { arms: { epochs: { valLoss: number }[] }[] }
    expect(await panel.locator('[data-arm=teacher]').textContent()).toContain(
      results.arms[0]!.epochs[0]!.valLoss.toFixed(4),
    )
    await page.locator('[data-run=second] input').check()
    await page.locator('[data-panel=second] [data-arm=teacher]').waitFor()
    await page.reload()
    await page.locator('[data-panel=second] [data-arm=teacher]').waitFor()
    // Lines of the same arm are told apart by their run's letter.
    for (const [run, letter] of [
      ['first', 'A'],
      ['second', 'B'],
    ])
      expect(await page.locator(`[data-panel=${run}] .run-letter`).textContent()).toBe(letter)
    await page.locator('[data-panel=first]').waitFor()
  })

  it('shows no run where none is chosen, and says which one is not there', async () => {
    const page = await site.open('tab=runs')
    const newest = page.locator('.run-list input:checked')
    await newest.click()
    await page.getByText('No run is chosen.').waitFor()
    expect(await page.locator('.run-list input:checked').count()).toBe(0)
    await page.reload()
    await page.getByText('No run is chosen.').waitFor()
    await page.goto(`${site.url}#tab=runs&runs=first,nowhere`)
    await page.getByText('There is no run called nowhere in').waitFor()
    await page.locator('[data-panel=first] [data-arm=teacher]').waitFor()
  })

  it('shows and hides curves at any pace', async () => {
    const page = await site.open('tab=runs&runs=first')
    await page.locator('.chart canvas').first().waitFor()
    // What a chart still has to draw when it goes is drawn no more: errors of the page are looked at in the end.
    await page.locator('[data-run=first] input').evaluate(async (input: HTMLInputElement) => {
      for (let i = 0; i < 80; i++) {
        input.click()
        await new Promise((resolve) => setTimeout(resolve, i % 40))
      }
    })
    await page.locator('.chart canvas').first().waitFor()
  })

  it('shows runs whose names hold what separates names', async () => {
    const name = 'first, again'
    await cp(join(site.folder, 'runs/first'), join(site.folder, 'runs', name), { recursive: true })
    const page = await site.open('tab=runs&runs=first')
    await page.locator(`[data-run="${name}"] input`).check()
    await page.locator(`[data-panel="${name}"] [data-arm=teacher]`).waitFor()
    await rm(join(site.folder, 'runs', name), { recursive: true })
    await page.getByText(`There is no run called ${name} in`).waitFor()
  })

  it('says that the server answers no more, until it does', async () => {
    const page = await site.open('tab=compare')
    const events = '**/api/runs/events'
    await page.route(events, (route) =>
      route.fulfill({ contentType: 'text/event-stream', body: '' }),
    )
    await page.getByRole('link', { name: 'Runs' }).click()
    const notice = page.getByText('The server answers no more')
    await notice.waitFor()
    await page.unroute(events)
    await notice.waitFor({ state: 'detached' })
  })

  it('follows the runs in more tabs than a server has connections, also when some close', async () => {
    const first = await site.open('tab=runs')
    const context = first.context()
    const listening = (page: Page) =>
      page.evaluate(async () => (await navigator.locks.query()).held!.length > 0)
    await expect.poll(() => listening(first), { timeout: 10_000 }).toBe(true)
    const connected: Page[] = []
    context.on('request', (request) => {
      const page = request.frame().page()
      if (request.url().endsWith('/api/runs/events') && page !== first) connected.push(page)
    })
    const pages = [first]
    while (pages.length < 8) {
      const page = await context.newPage()
      await page.goto(`${site.url}#tab=runs`)
      pages.push(page)
    }
    const everyoneSees = async (run: string) => {
      await cp(join(site.folder, 'runs/first'), join(site.folder, 'runs', run), { recursive: true })
      await Promise.all(pages.map((page) => page.locator(`[data-run=${run}]`).waitFor()))
    }
    await everyoneSees('third')
    expect(connected.length).toBe(0)
    await pages.shift()!.close()
    await everyoneSees('fourth')
    expect(connected.length).toBe(1)
    // A view that is left holds no connection.
    for (const page of pages) await page.getByRole('link', { name: 'Compare' }).click()
    await expect.poll(() => listening(pages[0]!), { timeout: 10_000 }).toBe(false)
    await context.close()
    for (const run of ['third', 'fourth'])
      await rm(join(site.folder, 'runs', run), { recursive: true })
  }, 120_000)

  it('takes a trained arm to the Grow tab, and its report along', async () => {
    const page = await site.open('tab=runs&runs=first')
    const { name, bytes } = await download(page, () =>
      page.getByRole('link', { name: 'Report' }).click(),
    )
    expect(name).toBe('report.html')
    expect(bytes.toString('utf8')).toContain('<h1>Net2Net: seed 0</h1>')
    const model = await download(page, () =>
      page.getByRole('link', { name: 'Download Teacher' }).click(),
    )
    expect(model.bytes.equals(await readFile(join(site.folder, 'runs/first/teacher.onnx')))).toBe(
      true,
    )
    await page.getByRole('button', { name: 'Grow Teacher' }).click()
    await page.locator('[data-layer=fc1]').waitFor()
    expect(page.url()).toContain('model=run:first:teacher')
    await page.reload()
    await page.locator('[data-layer=fc1]').waitFor()
    await page.goto(`${site.url}#tab=compare&a=run:first:teacher&b=run:second:teacher`)
    await page.locator('.check-badge[data-equal=true]').waitFor()
    const chosen = page.locator('.compare-files select option:checked')
    expect(await chosen.allTextContents()).toEqual(['teacher of first', 'teacher of second'])
  })

  it('starts a run in a process of its own, follows it live, and stops it', async () => {
    const page = await site.open('tab=runs')
    await page.getByText('Start a run').click()
    for (const label of ['Wider, random padding', 'Deeper, random layers', 'Deeper, Net2Deeper'])
      await page.getByLabel(label, { exact: true }).uncheck()
    await page.getByRole('spinbutton', { name: 'Epochs' }).fill('200')
    await page.getByRole('spinbutton', { name: 'Training images' }).fill('320')
    await page.getByRole('spinbutton', { name: 'Test images' }).fill('100')
    await page.getByRole('spinbutton', { name: 'Test images' }).press('Enter')
    await page.getByRole('button', { name: 'Start', exact: true }).click()
    const run = page.locator('[data-run^=mnist-]')
    await run.getByText('running').waitFor()
    // Epochs appear without anybody reloading the page.
    const epochs = page.locator('[data-panel^=mnist-] [data-arm=teacher] [data-value]:not(:empty)')
    await epochs.nth(2).waitFor()
    await run.getByRole('button', { name: /^Stop/ }).click()
    await run.getByText('stopped').waitFor({ timeout: 90_000 })
  }, 180_000)
})
