/** A static site with a strict policy, in a folder of any web server: own networks are trained there, and without a network. */
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { contentType, fileUnder } from '../../src/server/files.ts'
import { contentSecurityPolicy } from '../../src/server/headers.ts'
import { noBrowser, pageFolder, type Site, startSite } from './support.ts'

describe.skipIf(noBrowser)('the page on a static site', () => {
  let site: Site
  beforeAll(async () => {
    site = await startSite()
  })
  afterAll(() => site.close())

  it('trains, keeps and goes on in a folder, under the policy, with no network after the first visit', async () => {
    const requested = new Set<string>()
    const server = createServer(async (request, response) => {
      const path = (request.url ?? '').split('?')[0]!
      requested.add(path)
      const inFolder = path.startsWith('/some/folder/')
      const file = inFolder && (await fileUnder(pageFolder, path.slice('/some/folder'.length)))
      response.writeHead(file ? 200 : 404, {
        'Content-Security-Policy': contentSecurityPolicy,
        ...(file ? { 'Content-Type': contentType(file) } : {}),
      })
      response.end(file ? await readFile(file) : undefined)
    }).listen(0, '127.0.0.1')
    await new Promise((resolve) => server.once('listening', resolve))
    const { port } = server.address() as AddressInfo
    const address = `http://127.0.0.1:${port}/some/folder/`

    const page = await site.open('tab=compare', { serviceWorkers: 'allow' })
    // What the policy forbids the browser says on its console; that a server is gone it says there, too.
    const violations: string[] = []
    page.removeAllListeners('request')
    page.removeAllListeners('console')
    page.context().on('console', (message) => {
      if (/Content.Security.Policy/i.test(message.text())) violations.push(message.text())
    })
    await page.goto(`${address}#tab=compare`)
    await page.evaluate(() => navigator.serviceWorker.ready.then(() => undefined))
    await page.waitForFunction(() => navigator.serviceWorker.controller !== null)
    server.close()
    server.closeAllConnections()

    await page.goto(
      `${address}?again#tab=train&what=own&model=sample:teacher&widen=fc1=80&own-samples=64&own-epochs=1`,
    )
    await page.getByText('parameters, and beside it what grew from it').waitFor()
    expect(await page.evaluate(() => crossOriginIsolated)).toBe(true)
    await page.getByRole('button', { name: 'Start', exact: true }).click()
    await page.locator('.status-text[data-phase=done]').waitFor({ timeout: 60_000 })
    expect(await page.locator('[data-own="1"] [data-value]').count()).toBe(2)

    // What was trained is there after the tab was closed, too.
    const later = await page.context().newPage()
    await page.close()
    await later.goto(`${address}#tab=train&what=own`)
    await later.getByRole('button', { name: 'Go on with teacher.onnx' }).click()
    await later.locator('.status-text[data-phase=done]').waitFor()
    expect(await later.locator('[data-own="1"] [data-value]').count()).toBe(2)
    expect(violations).toEqual([])
    expect([...requested].filter((path) => !path.startsWith('/some/folder/'))).toEqual([])
    await later.context().close()
  }, 120_000)
})
