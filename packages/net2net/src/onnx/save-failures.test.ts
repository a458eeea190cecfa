import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { linear } from '../../testing/linear.ts'
import { plain } from '../../testing/plain.ts'
import { temporaryFolder } from '../../testing/temporary-folder.ts'
import { load } from './file.node.ts'
import { save } from './save.node.ts'

const at = temporaryFolder()
afterEach(() => {
  vi.restoreAllMocks()
})
const files = () => fs.readdirSync(at()).sort()

describe('nothing is left behind', () => {
  const failures = {
    ENOSPC: [/no space is left on the device/, 'input'],
    EDQUOT: [/disk quota/, 'input'],
    EIO: [/input\/output error/, 'input'],
  } as const

  test.each(Object.entries(failures))('after %s', async (code, [message, kind]) => {
    fs.writeFileSync(at('a.onnx'), 'precious')
    failWrites(code, 100_000)
    for (const externalData of [false, true]) {
      const saved = save(linear(60_000), at('a.onnx'), { force: true, externalData })
      await expect(saved).rejects.toMatchObject({ kind, message: expect.stringMatching(message) })
      expect(files()).toEqual(['a.onnx'])
      expect(fs.readFileSync(at('a.onnx'), 'utf8')).toBe('precious')
    }
  })

  test.each(Object.entries(failures))(
    'after %s while a weight is copied',
    async (code, [message, kind]) => {
      await save(linear(60_000), at('a.onnx'))
      const model = await load(at('a.onnx'))
      const write = fs.writeSync as (...args: readonly unknown[]) => number
      vi.spyOn(fs, 'writeSync').mockImplementation((...args: readonly unknown[]) => {
        if (Number(args[4]) > 100_000) throw Object.assign(new Error(code), { code })
        return write(...args)
      })
      const saved = save(model, at('b.onnx'))
      await expect(saved).rejects.toMatchObject({ kind, message: expect.stringMatching(message) })
      expect(files()).toEqual(['a.onnx'])
    },
  )

  test.each([1000, 20_000_000])(
    'after a weight that was cut off at %s, or changed, before it was copied',
    async (size) => {
      await save(linear(60_000), at('a.onnx'))
      const model = await load(at('a.onnx'))
      fs.truncateSync(at('a.onnx'), size)
      fs.truncateSync(at('a.onnx'), 30_000_000)
      await expect(save(model, at('b.onnx'))).rejects.toMatchObject({
        kind: 'input',
        message: expect.stringMatching(/a\.onnx has changed since it was opened/),
      })
      expect(files()).toEqual(['a.onnx'])
    },
  )

  test('after an interruption', async () => {
    const stop = new AbortController()
    const saved = save(linear(60_000), at('a.onnx'), {
      signal: stop.signal,
      onProgress: () => stop.abort(),
    })
    await expect(saved).rejects.toMatchObject({ kind: 'interrupted' })
    expect(files()).toEqual([])
  })

  test('after a weight that cannot be read', async () => {
    await save(linear(600), at('a.onnx'))
    const model = await load(at('a.onnx'))
    fs.truncateSync(at('a.onnx'), 1000)
    await expect(save(model, at('b.onnx'))).rejects.toMatchObject({ kind: 'input' })
    expect(files()).toEqual(['a.onnx'])
  })

  test('after a failed exchange of two files, the old ones are there', async () => {
    await save(linear(600), at('a.onnx'), { externalData: true })
    const rename = fs.promises.rename
    vi.spyOn(fs.promises, 'rename').mockImplementation(async (from, to) => {
      if (path.basename(String(to)) === 'a.onnx') throw Object.assign(new Error(), { code: 'EIO' })
      await rename(from, to)
    })
    const saved = save(linear(600, 7), at('a.onnx'), { externalData: true, force: true })
    await expect(saved).rejects.toMatchObject({ kind: 'input' })
    expect(plain(await load(at('a.onnx')))).toEqual(plain(linear(600)))
    expect(files()).toEqual(['a.onnx', 'a.onnx.data'])
  })

  test('a size limit of the system, in a process of its own', () => {
    const script = `
      import { save } from '${new URL('./save.node.ts', import.meta.url)}'
      import { modelOf } from '${new URL('../model/builder.ts', import.meta.url)}'
      import { float32 } from '${new URL('../tensor/tensor.ts', import.meta.url)}'
      const tensor = float32([1000000], new Float32Array(1000000))
      const graph = { name: '', nodes: [], inputs: [], outputs: [], values: [], initializers: new Map([['w', { tensor }]]) }
      try { await save(modelOf(graph), process.argv[1]) } catch (error) { console.log(error.kind, error.message) }`
    const { stdout } = spawnSync(
      'bash',
      [
        '-c',
        'ulimit -f 1000; exec node --import tsx --input-type=module -e "$0" "$1"',
        script,
        at('a.onnx'),
      ],
      { encoding: 'utf8' },
    )
    expect(stdout).toMatch(
      /^input .*a\.onnx: cannot be written: the file would be larger than the system allows/,
    )
    expect(files()).toEqual([])
  })

  /** Lets every write fail once the file has so many bytes. */
  function failWrites(code: string, after: number): void {
    const open = fs.promises.open
    vi.spyOn(fs.promises, 'open').mockImplementation(async (...args) => {
      const handle = await open(...args)
      const write = handle.write.bind(handle)
      handle.write = (async (
        buffer: Uint8Array,
        offset: number,
        length: number,
        position: number,
      ) => {
        if (position + length > after) throw Object.assign(new Error(code), { code })
        return await write(buffer, offset, length, position)
      }) as typeof handle.write
      return handle
    })
  }
})
