/** Files of Keras and PyTorch on the page: what it writes is what the command line writes, byte for byte. */
import { execFileSync } from 'node:child_process'
import { mkdtemp, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { encodeModel, load } from 'net2net'
import { readSafetensors, safetensorsParts } from 'net2net/bridges'
import { float32, type LazyTensor } from 'net2net/tensor'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { kerasBytes } from '../../../net2net/testing/framework-files.ts'
import { torchPython } from '../../../net2net/testing/python.ts'
import { mnistNetwork } from '../../src/mnist/networks.ts'
import { download, dropFiles, net2net, noBrowser, type Site, startSite } from './support.ts'

describe.skipIf(noBrowser)('files of other frameworks', () => {
  let site: Site
  beforeAll(async () => {
    site = await startSite()
  })
  afterAll(() => site.close())

  const setWidth = async (page: Page, layer: string, width: number) => {
    const input = page.getByLabel(`Width of ${layer}, as a number`, { exact: true })
    await input.fill(String(width))
    await input.press('Enter')
    await page.locator('.check-badge[data-equal=true]').waitFor()
  }
  /** What a click on the button downloads, by name. */
  const downloads = async (page: Page, count: number) => {
    const files = new Map<string, Buffer>()
    const all = new Promise<void>((resolve) => {
      page.on('download', async (file) => {
        files.set(file.suggestedFilename(), await readFile(await file.path()))
        if (files.size === count) resolve()
      })
    })
    await page.getByRole('button', { name: 'Download model' }).click()
    await all
    return files
  }
  /** Runs the commands that the page shows. */
  const runCommands = async (page: Page, folder: string) => {
    const command = (await page.locator('pre.command').first().textContent())!
    for (const line of command.split('\n')) await net2net(line.split(' ').slice(1), folder)
  }
  const drop = async (files: Readonly<Record<string, Uint8Array>>) => {
    const folder = await mkdtemp(join(site.folder, 'formats-'))
    for (const [name, bytes] of Object.entries(files)) await writeFile(join(folder, name), bytes)
    const page = await site.open('tab=grow&model=sample:perceptron')
    await dropFiles(page, '.grow', files)
    return { page, folder }
  }

  it('a network of Keras grows, also after a reload, and is a network of Keras again', async () => {
    const { page, folder } = await drop({ 'mlp.keras': kerasBytes() })
    await setWidth(page, 'hidden', 13)
    await page.reload()
    await page.locator('.check-badge[data-equal=true]').waitFor()
    const { name, bytes } = await download(page, () =>
      page.getByRole('button', { name: 'Download model' }).click(),
    )
    expect(name).toBe('mlp-grown.keras')
    await runCommands(page, folder)
    expect(bytes.equals(await readFile(join(folder, name)))).toBe(true)
    using grown = await load(join(folder, name))
    expect(grown.graph.initializers.get('hidden/kernel')?.tensor.dims).toEqual([6, 13])
  }, 120_000)

  it('weights that are dropped with their network grow along', async () => {
    const model = mnistNetwork('net', 3)
    const entries = [...model.graph.initializers].map(
      ([name, { tensor }]) => [name, tensor] as const,
    )
    const parts = safetensorsParts(new Map(entries), { format: 'pt' })
    const weights = Buffer.concat(parts.map((part) => part.read(0, part.byteLength)))
    const { page, folder } = await drop({
      'net.onnx': encodeModel(model),
      'net.safetensors': weights,
    })
    await page.getByText('net.safetensors grows along').waitFor()
    expect(await page.locator('[data-unbound]').count()).toBe(0)
    await setWidth(page, 'fc1', 80)
    const files = await downloads(page, 2)
    expect([...files.keys()].sort()).toEqual(['net-grown.onnx', 'net-grown.safetensors'])
    await runCommands(page, folder)
    for (const [name, bytes] of files)
      expect(bytes.equals(await readFile(join(folder, name))), name).toBe(true)
    const grown = files.get('net-grown.safetensors')!
    const { tensors } = readSafetensors(
      { size: grown.length, read: (at, length) => grown.subarray(at, at + length) },
      'grown',
    )
    expect(tensors.get('fc1.weight')?.dims[0]).toBe(80)
  }, 120_000)

  it('weights of a part of the network are told when they are dropped, and what they cannot follow as soon as it grows', async () => {
    const model = mnistNetwork('net', 3)
    const part = new Map(
      [...model.graph.initializers].flatMap(([name, { tensor }]) =>
        name === 'fc1.weight' ? [] : [[name, tensor] as const],
      ),
    )
    const { page } = await drop({
      'net.onnx': encodeModel(model),
      'part.safetensors': safetensors(part),
    })
    await page
      .locator('[data-unbound]', { hasText: 'part.safetensors holds only a part of the weights' })
      .waitFor()
    expect(await page.locator('[data-unbound]').textContent()).toContain('no numbers of fc1.weight')
    const refusal = page.locator('[data-unwritable]', {
      hasText: /changes "fc1\.weight", and no entry of part\.safetensors/,
    })
    await setWidth(page, 'fc1', 80)
    await refusal.waitFor()
    // What does not touch it grows along.
    await page.getByRole('button', { name: 'Undo' }).first().click()
    await setWidth(page, 'conv1', 70)
    await refusal.waitFor({ state: 'detached' })
    expect((await downloads(page, 2)).size).toBe(2)
  }, 120_000)

  it.skipIf(!torchPython)(
    'so do a state dict of PyTorch and the state of its optimizer',
    async () => {
      const folder = await mkdtemp(join(site.folder, 'torch-'))
      const script = fileURLToPath(
        new URL('../../../net2net/test/bridges/torch_networks.py', import.meta.url),
      )
      execFileSync(torchPython!, [script, 'make'], { cwd: folder, stdio: 'ignore' })
      const read = (name: string) => readFile(join(folder, name))
      const { page, folder: own } = await drop({
        'mlp.onnx': await read('mlp.onnx'),
        'mlp.pt': await read('mlp.pt'),
        'mlp-optimizer.pt': await read('mlp-optimizer.pt'),
      })
      await page.getByText('mlp.pt and mlp-optimizer.pt grow along').waitFor()
      await setWidth(page, 'node_linear', 24)
      const files = await downloads(page, 3)
      await runCommands(page, own)
      expect([...files.keys()].sort()).toEqual([
        'mlp-grown-optimizer.pt',
        'mlp-grown.onnx',
        'mlp-grown.pt',
      ])
      for (const [name, bytes] of files)
        expect(bytes.equals(await readFile(join(own, name))), name).toBe(true)
    },
    300_000,
  )

  it.each([
    [
      'weights alone',
      { 'w.safetensors': safetensors() },
      /w\.safetensors.*holds weights, and not the network/,
    ],
    [
      'a damaged network',
      { 'mlp.keras': kerasBytes().slice(0, 3000) },
      /mlp\.keras is not a zip archive/,
    ],
    [
      'a text',
      { 'page.onnx': new TextEncoder().encode('<html></html>') },
      /is a text \(JSON, HTML/,
    ],
    [
      'two files of weights',
      {
        'n.onnx': encodeModel(mnistNetwork('n', 1)),
        'a.safetensors': safetensors(),
        'b.safetensors': safetensors(),
      },
      /b\.safetensors is one file too many/,
    ],
    [
      'weights that are cut off',
      {
        'n.onnx': encodeModel(mnistNetwork('n', 1)),
        'a.safetensors': safetensors(new Map([['w', float32([4], [1, 2, 3, 4])]])).slice(0, -3),
      },
      /a\.safetensors is not a safetensors file that can be read/,
    ],
    [
      'weights of another network',
      {
        'n.onnx': encodeModel(mnistNetwork('n', 1)),
        'a.safetensors': safetensors(new Map([['w', float32([4], [1, 2, 3, 4])]])),
      },
      /a\.safetensors is of another network than the model: it holds none of its weights, such as "conv1\.weight" \[64,1,3,3\]/,
    ],
  ] as const)('refuses in a sentence: %s', async (_, files, message) => {
    const { page } = await drop(files)
    await page.getByRole('alert').filter({ hasText: message }).waitFor()
  })
})

function safetensors(tensors: ReadonlyMap<string, LazyTensor> = new Map()): Uint8Array {
  const parts = safetensorsParts(tensors)
  return Buffer.concat(parts.map((part) => part.read(0, part.byteLength)))
}
