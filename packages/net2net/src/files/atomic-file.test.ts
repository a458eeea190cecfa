import fs from 'node:fs'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { temporaryFolder } from '../../testing/temporary-folder.ts'
import { AtomicFile } from './atomic-file.ts'

const at = temporaryFolder()
afterEach(() => {
  vi.restoreAllMocks()
})

/** The handle of the next file. */
async function created(): Promise<{ file: AtomicFile; handle: fs.promises.FileHandle }> {
  let handle: fs.promises.FileHandle | undefined
  const open = fs.promises.open
  vi.spyOn(fs.promises, 'open').mockImplementationOnce(async (...args) => {
    handle = await open(...args)
    return handle
  })
  const file = await AtomicFile.create(at('a'))
  return { file, handle: handle! }
}

test('small and large writes come out in their order', async () => {
  const { file } = await created()
  const sizes = [10, 600_000, 33, 5, 900_000, 400_000, 1]
  const parts = sizes.map((size, i) => new Uint8Array(size).fill(i + 1))
  for (const part of parts) await file.write(part)
  await file.seek(2_500_000)
  await file.write(parts[0]!)
  await file.finish()
  await file.publish(false)
  const expected = Buffer.alloc(2_500_010)
  Buffer.concat(parts).copy(expected)
  expected.fill(1, 2_500_000)
  expect(fs.readFileSync(at('a')).equals(expected)).toBe(true)
})

test('a large write is on its way when the call returns', async () => {
  const { file, handle } = await created()
  await file.write(new Uint8Array(7))
  const write = vi.spyOn(handle, 'write')
  const written = file.write(new Uint8Array(2 ** 20))
  const calls = write.mock.calls as unknown as [Uint8Array, number, number, number][]
  expect(calls.map(([bytes, , , position]) => [bytes.length, position])).toEqual([
    [7, 0],
    [2 ** 20, 7],
  ])
  await written
  await file.discard()
})

describe('the disk gets the bytes while more are being written', () => {
  const chunk = new Uint8Array(2 ** 22)
  async function pretending() {
    const { file, handle } = await created()
    vi.spyOn(handle, 'write').mockImplementation((async (bytes: Uint8Array) => ({
      bytesWritten: bytes.length,
    })) as never)
    return { file, sync: vi.spyOn(handle, 'datasync') }
  }

  test('once per 8 MiB, and never twice at a time', async () => {
    const { file, sync } = await pretending()
    let end = (): void => undefined
    sync.mockImplementation(() => new Promise<void>((resolve) => (end = resolve)))
    await file.write(chunk)
    expect(sync).toHaveBeenCalledTimes(0)
    for (let i = 0; i < 20; i++) await file.write(chunk)
    expect(sync).toHaveBeenCalledTimes(1)
    end()
    await new Promise(setImmediate)
    await file.write(chunk)
    expect(sync).toHaveBeenCalledTimes(2)
    end()
    await file.discard()
    expect(fs.readdirSync(at())).toEqual([])
  })

  test('and its failure, which the system reports once, is not lost', async () => {
    const { file, sync } = await pretending()
    sync.mockRejectedValue(Object.assign(new Error('EIO'), { code: 'EIO' }))
    for (let i = 0; i < 9; i++) await file.write(chunk)
    await expect(file.finish()).rejects.toMatchObject({
      kind: 'input',
      message: expect.stringMatching(/a: cannot be written: the device reports an input/),
    })
    await file.discard()
    expect(fs.readdirSync(at())).toEqual([])
  })
})
