/** The data that own networks are trained on, in every form in which they are dropped. */
import { gzipSync } from 'node:zlib'
import { decodeModel, encodeModel, type Model, type Tensor } from 'net2net'
import { encodeNpz, loadFashionMnist } from 'net2net/data'
import { dense, flatten, sequential } from 'net2net/layers'
import { classesOf } from 'net2net/model'
import { float32, int64 } from 'net2net/tensor'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { lossFor, ownData } from '../../page/src/train/own/data.ts'
import type { OwnSettings } from '../../page/src/train/own/protocol.ts'
import { download, dropFile, dropFiles, noBrowser, type Site, startSite } from './support.ts'

const settings: OwnSettings = {
  data: 'files',
  samples: 1000,
  loss: 'auto',
  optimizer: 'sgd',
  rate: 0.01,
  epochs: 1,
  batchSize: 4,
  seed: 0,
  device: 'auto',
}
const ofImages = sequential([flatten(), dense(3, { name: 'd' })], { input: [1, 4, 4], seed: 1 })
const ofTables = sequential([dense(3, { name: 'd' })], { input: [2], seed: 1 })

/** https://en.wikipedia.org/wiki/MNIST_database: two zero bytes, 8 for bytes, the rank, the sizes, big-endian, the bytes. */
function idx(dims: readonly number[], value: (i: number) => number): Uint8Array<ArrayBuffer> {
  const count = dims.reduce((a, b) => a * b, 1)
  const bytes = new Uint8Array(4 + 4 * dims.length + count)
  const view = new DataView(bytes.buffer)
  bytes[2] = 8
  bytes[3] = dims.length
  dims.forEach((size, i) => {
    view.setUint32(4 + 4 * i, size)
  })
  for (let i = 0; i < count; i++) bytes[4 + 4 * dims.length + i] = value(i)
  return bytes
}
const images = (count: number, size = 4) => idx([count, size, size], (i) => (i * 37) % 256)
const labels = (count: number) => idx([count], (i) => i % 3)
const zipped = (bytes: Uint8Array) => new Uint8Array(gzipSync(bytes))
const text = (rows: readonly string[]) => new TextEncoder().encode(`${rows.join('\n')}\n`)
const npz = (arrays: Readonly<Record<string, Tensor>>) =>
  new Uint8Array(encodeNpz(new Map(Object.entries(arrays))))

const read = async (
  model: Model,
  files: Readonly<Record<string, Uint8Array<ArrayBuffer>>>,
  more: Partial<OwnSettings> = {},
) => {
  const all = Object.entries(files).map(([name, bytes]) => ({ name, bytes }))
  const data = await ownData({ ...settings, ...more }, all, model)
  return {
    ...data,
    counts: [data.train.length, data.validation.length],
    loss: lossFor(settings, data),
  }
}

describe('data that are dropped', () => {
  it('are the four files of MNIST’s form, packed or not, or two of them', async () => {
    const packed = await read(ofImages, {
      't10k-labels-idx1-ubyte.gz': zipped(labels(5)),
      'train-images-idx3-ubyte.gz': zipped(images(20)),
      't10k-images.idx3-ubyte': images(5),
      'train-labels-idx1-ubyte.gz': zipped(labels(20)),
    })
    expect(packed.counts).toEqual([20, 5])
    expect(packed.loss).toBe('softmax-cross-entropy')
    const [batch] = packed.train.batches(2)
    const [input] = Object.values(batch!.inputs)
    expect(input!.dims).toEqual([2, 1, 4, 4])
    // Bytes become numbers from 0 to 1, in their order.
    expect(Number(input!.data[1])).toBeCloseTo(37 / 255, 6)
    expect(Array.from(batch!.target.data, Number)).toEqual([0, 1])
    // Without test images a tenth is held back.
    const two = await read(ofImages, {
      'my-images-idx3-ubyte': images(20),
      'my-labels-idx1-ubyte': labels(20),
    })
    expect(two.counts).toEqual([18, 2])
    expect(
      (
        await read(
          ofImages,
          { 'a-images-idx3-ubyte': images(20), 'a-labels-idx1-ubyte': labels(20) },
          { samples: 7 },
        )
      ).counts,
    ).toEqual([7, 2])
  })

  it('say what is missing of such files, and what is wrong with them', async () => {
    const one = read(ofImages, { 'train-images-idx3-ubyte': images(4) })
    await expect(one).rejects.toThrow('train-images-idx3-ubyte is one of two files')
    const test = read(ofImages, {
      't10k-images-idx3-ubyte': images(4),
      't10k-labels-idx1-ubyte': labels(4),
    })
    await expect(test).rejects.toThrow('There are test images, and none to learn from.')
    const short = read(ofImages, {
      'train-images-idx3-ubyte': images(4).slice(0, 40),
      'train-labels-idx1-ubyte': labels(4),
    })
    await expect(short).rejects.toThrow(/train-images-idx3-ubyte is .* should have/)
    await expect(read(ofImages, { 'photo.psd': images(4) })).rejects.toThrow('is of no kind')
    const broken = read(ofTables, { 'table.csv.gz': zipped(text(['a,b,y'])).slice(0, 12) })
    await expect(broken).rejects.toThrow('table.csv.gz is packed, but cannot be unpacked')
  })

  it('are tables and arrays, of which one may be for validation', async () => {
    const rows = Array.from({ length: 20 }, (_, i) => `${i % 7},${i % 5},${'abc'[i % 3]}`)
    const alone = await read(ofTables, { 'table.csv.gz': zipped(text(['p,q,kind', ...rows])) })
    expect(alone.counts).toEqual([18, 2])
    expect(alone.train.classes).toEqual(['a', 'b', 'c'])
    const both = await read(ofTables, {
      'validation.csv': text(['p,q,kind', ...rows.slice(0, 6)]),
      'learn.csv': text(['p,q,kind', ...rows]),
    })
    expect(both.counts).toEqual([20, 6])
    const arrays = await read(ofImages, {
      'digits.npz': npz({
        x_train: float32([6, 4, 4], new Float32Array(96)),
        y_train: int64([0, 1, 2, 0, 1, 2]),
        x_test: float32([3, 16], new Float32Array(48)),
        y_test: int64([0, 1, 2]),
      }),
    })
    expect(arrays.counts).toEqual([6, 3])
    // Without the axis of the one channel they hold the same numbers.
    for (const part of [arrays.train, arrays.validation])
      expect(Object.values(part.inputs)[0]!.dims).toEqual([1, 4, 4])
  })
})

describe.skipIf(noBrowser)('data on the Train tab', () => {
  let site: Site
  beforeAll(async () => {
    site = await startSite()
  })
  afterAll(() => site.close())

  it('are dropped together as packed files of MNIST’s form; a network may be dropped there, too', async () => {
    const page = await site.open('tab=train&what=own&model=sample:perceptron&own-epochs=1')
    await page.getByText('parameters; it has not grown.').waitFor()
    await dropFile(page, '.own', 'images.onnx', encodeModel(ofImages))
    await page.locator('.train-settings', { hasText: 'images.onnx' }).waitFor()
    await dropFiles(page, '.own', {
      'train-images-idx3-ubyte.gz': zipped(images(40)),
      'train-labels-idx1-ubyte.gz': zipped(labels(40)),
      't10k-images-idx3-ubyte.gz': zipped(images(10)),
      't10k-labels-idx1-ubyte.gz': zipped(labels(10)),
    })
    await page.getByRole('button', { name: 'Start', exact: true }).click()
    await page.locator('.status-text[data-phase=done]').waitFor()
    await page
      .getByText('40 samples to learn from, 10 to test on, loss softmax-cross-entropy.')
      .waitFor()
    expect(await page.locator('[data-own="0"] [data-value]').count()).toBe(2)
  }, 60_000)

  it('are taken on the Grow tab too, and the network there stays open', async () => {
    const page = await site.open('tab=grow&model=sample:perceptron')
    await page.locator('[data-layer]').first().waitFor()
    const table = text(['p,q,kind', ...Array.from({ length: 9 }, (_, i) => `${i},1,a`)])
    await dropFile(page, '.grow', 'table.csv', table)
    await page.locator('.side', { hasText: 'table.csv is what networks are trained' }).waitFor()
    expect(page.url()).toMatch(/model=sample:perceptron.*data=files/)
    // Arrays are inputs for the check, unless they are dropped where data are chosen.
    await page.getByText('Which growth pays').click()
    const choice = page.locator('.more-growth[open] .drop')
    const x = float32([6, 4, 4], new Float32Array(96))
    await dropFile(
      page,
      '.more-growth[open] .drop',
      'digits.npz',
      npz({ x, y: int64([0, 1, 2, 0, 1, 2]) }),
    )
    await choice.getByRole('option', { name: 'digits.npz' }).waitFor({ state: 'attached' })
    expect(await page.getByText('On digits.npz').count()).toBe(0)
  }, 60_000)

  it('are Fashion-MNIST, which comes with the page, as the library has it', async () => {
    const page = await site.open(
      'tab=train&what=own&model=sample:teacher&own-samples=32&own-epochs=1&device=cpu',
    )
    const choice = page.locator('.train-settings select').first()
    await page.getByText('parameters; it has not grown.').waitFor()
    await choice.selectOption('fashion-mnist')
    await page.getByRole('button', { name: 'Start', exact: true }).click()
    await page.locator('.status-text[data-phase=done]').waitFor({ timeout: 60_000 })
    await page.getByText('32 samples to learn from, 1,000 to test on').waitFor()
    // The network has told digits apart. A note says that it learns the classes of clothes now.
    await page.getByText('it is trained for T-shirt/top, Trouser').waitFor()
    const { bytes } = await download(page, () =>
      page.getByRole('button', { name: /^Download/ }).click(),
    )
    const classes = classesOf(decodeModel(bytes))!
    expect(classes[9]).toBe('Ankle boot')
    // Test images are clothes, too, and are called so.
    await page.getByRole('button', { name: 'A test image' }).click()
    const answer = page.locator('[data-answer="0 now"] .answer')
    await answer.waitFor()
    expect(classes).toContain((await answer.textContent())!.replace(/ \d+%$/, ''))
    const shown = (await page.getByRole('img', { name: /^A test image: / }).ariaSnapshot()) ?? ''
    expect(classes.some((name) => shown.includes(name))).toBe(true)
    const packed = await page.evaluate(async () => {
      const response = await fetch('data/fashion-mnist-test.bin')
      let bytes = new Uint8Array(await response.arrayBuffer())
      if (bytes[0] === 0x1f && bytes[1] === 0x8b) {
        const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'))
        bytes = new Uint8Array(await new Response(stream).arrayBuffer())
      }
      return [...bytes.subarray(0, 1000), ...bytes.subarray(1000, 1000 + 784)]
    })
    const { test } = await loadFashionMnist()
    const first = test.slice(0, 1000)
    expect(packed.slice(0, 1000)).toEqual(Array.from(first.target.data, Number))
    expect(packed.slice(1000)).toEqual(
      Array.from(Object.values(first.inputs)[0]!.data.subarray(0, 784), Number),
    )
  }, 90_000)
})
