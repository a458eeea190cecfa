import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { linear } from '../../testing/linear.ts'
import { plain } from '../../testing/plain.ts'
import { runScript } from '../../testing/run-script.ts'
import { temporaryFolder } from '../../testing/temporary-folder.ts'
import { FileSource } from '../files/file-source.ts'
import { GraphBuilder } from '../model/builder.ts'
import { float32, materialize } from '../tensor/tensor.ts'
import { encodeModel } from './encode.ts'
import { load } from './file.node.ts'
import { save, stage } from './save.node.ts'

const at = temporaryFolder()
afterEach(() => {
  vi.restoreAllMocks()
})

const files = () => fs.readdirSync(at()).sort()

describe('load and save', () => {
  test('what is saved is loaded, from one file', async () => {
    await save(linear(600), at('a.onnx'))
    expect(plain(await load(at('a.onnx')))).toEqual(plain(linear(600)))
    expect(fs.readFileSync(at('a.onnx')).equals(encodeModel(linear(600)))).toBe(true)
    expect(files()).toEqual(['a.onnx'])
  })

  test('with external data, large tensors lie aligned in one file beside the model', async () => {
    await save(linear(600), at('a.onnx'), { externalData: true })
    expect(files()).toEqual(['a.onnx', 'a.onnx.data'])
    expect(fs.statSync(at('a.onnx')).size).toBeLessThan(1500)
    expect(fs.statSync(at('a.onnx.data')).size).toBe(240_000)
    const model = await load(at('a.onnx'))
    expect(plain(model)).toEqual(plain(linear(600)))
    await save(model, at('b.onnx'))
    expect(plain(await load(at('b.onnx')))).toEqual(plain(linear(600)))
  })

  test('a model may be saved over the files that it was loaded from', async () => {
    for (const externalData of [false, true]) {
      await save(linear(600), at('a.onnx'), { externalData, force: true })
      const model = await load(at('a.onnx'))
      const nodes = model.graph.nodes.map((node) => ({ ...node, name: `new ${node.name}` }))
      const changed = { ...model, graph: { ...model.graph, nodes } }
      await save(changed, at('a.onnx'), { externalData, force: true })
      expect(plain(await load(at('a.onnx')))).toEqual(plain(changed))
      // And the first model still reads what it was loaded from.
      await save(linear(600, 5), at('a.onnx'), { externalData, force: true })
      expect(plain(model)).toEqual(plain(linear(600)))
    }
    expect(files()).toEqual(['a.onnx', 'a.onnx.data'])
  })

  test('weights are read when they are needed, and only then', async () => {
    await save(linear(600), at('a.onnx'))
    const read = vi.spyOn(fs, 'readSync')
    const bytesRead = () => read.mock.results.reduce((sum, { value }) => sum + Number(value), 0)
    const model = await load(at('a.onnx'))
    // Two windows of 64 KiB: before the weight, and after it.
    expect(bytesRead()).toBeLessThanOrEqual(2 * 65_536)
    read.mockClear()
    expect(model.graph.initializers.get('w')!.tensor.read(4000, 8)).toEqual(
      new Uint8Array(Float32Array.of(1000, 1001).buffer),
    )
    expect(bytesRead()).toBe(8)
  })

  test('the file may be replaced or removed, but not changed in place', async () => {
    await save(linear(600), at('a.onnx'))
    const model = await load(at('a.onnx'))
    const weight = model.graph.initializers.get('w')!.tensor
    await save(linear(600, 9), at('a.onnx'), { force: true })
    expect(materialize(weight).data[3]).toBe(3)
    fs.rmSync(at('a.onnx'))
    expect(materialize(weight).data[3]).toBe(3)

    await save(linear(600), at('a.onnx'))
    const other = (await load(at('a.onnx'))).graph.initializers.get('w')!.tensor
    fs.appendFileSync(at('a.onnx'), 'x')
    expect(() => other.read(0, 4)).toThrow(/a\.onnx has changed since it was opened/)
    await expect(other.readAsync!(0, new Uint8Array(4))).rejects.toThrow(
      /a\.onnx has changed since it was opened/,
    )
  })

  test('weights can be read while something else is done', async () => {
    for (const externalData of [false, true]) {
      await save(linear(600), at('a.onnx'), { externalData, force: true })
      const weight = (await load(at('a.onnx'))).graph.initializers.get('w')!.tensor
      const read = vi.spyOn(fs, 'readSync')
      const bytes = new Uint8Array(8)
      await weight.readAsync!(4000, bytes)
      expect(bytes).toEqual(new Uint8Array(Float32Array.of(1000, 1001).buffer))
      expect(read).not.toHaveBeenCalled()
      read.mockRestore()
    }
  })

  test('what a file has not is refused, read either way', () => {
    fs.writeFileSync(at('short'), 'abc')
    const source = new FileSource(at('short'))
    const into = new Uint8Array(4)
    const message = /short ends at byte 3, before its data do/
    expect(() => source.readInto(0, into)).toThrow(message)
    return expect(source.readAsync(0, into)).rejects.toThrow(message)
  })

  test('files are closed once their models are garbage', () => {
    const script = `
      import fs from 'node:fs'
      import { setTimeout } from 'node:timers/promises'
      import { load } from '${new URL('./file.node.ts', import.meta.url)}'
      const open = () => fs.readdirSync('/proc/self/fd').length
      const before = open()
      for (let i = 0; i < 50; i++) await load(process.argv[1])
      const held = open() - before
      await setTimeout(10)
      gc()
      await setTimeout(10)
      console.log(held, open() - before)`
    fs.writeFileSync(at('a.onnx'), encodeModel(linear(600)))
    const { stdout, stderr } = runScript(['--expose-gc'], script, at('a.onnx'))
    expect(stdout, stderr).toMatch(/^[1-9]\d* (-\d+|[01])\n$/)
  })

  test.skipIf(process.platform !== 'linux')(
    'many models in a row do not use up the descriptors, and all can be read',
    () => {
      const script = `
      import fs from 'node:fs'
      import { load } from '${new URL('./file.node.ts', import.meta.url)}'
      const models = []
      for (let i = 0; i < 1500; i++) models.push(await load(process.argv[1]))
      const open = fs.readdirSync('/proc/self/fd').length
      let sum = 0
      for (const { graph } of models) sum += graph.initializers.get('w').tensor.read(4000, 8)[2]
      console.log(open < 200, sum)`
      fs.writeFileSync(at('a.onnx'), encodeModel(linear(600)))
      const byte = new Uint8Array(Float32Array.of(1000).buffer)[2]!
      const { stdout, stderr } = runScript([], script, at('a.onnx'))
      expect(byte).toBeGreaterThan(0)
      expect(stdout, stderr).toBe(`true ${1500 * byte}\n`)
    },
    60_000,
  )

  test.each([false, true])(
    'a model is closed when it is disposed of; data apart: %s',
    async (externalData) => {
      await save(linear(600), at('a.onnx'), { externalData })
      const closed = vi.spyOn(fs, 'closeSync')
      const model = await load(at('a.onnx'))
      closed.mockClear()
      const { tensor } = model.graph.initializers.get('w')!
      const reading = tensor.readAsync!(4000, new Uint8Array(8))
      expect(Symbol.dispose in { ...model }).toBe(false)
      model[Symbol.dispose]()
      model[Symbol.dispose]()
      await reading
      expect(closed).toHaveBeenCalledTimes(externalData ? 2 : 1)
      expect(() => tensor.read(0, 4)).toThrow(/a\.onnx.* was closed/)
      await expect(save(model, at('b.onnx'))).rejects.toMatchObject({ kind: 'usage' })
      expect(files()).not.toContain('b.onnx')
    },
  )

  test.each([false, true])(
    'is readable while it is written; data apart: %s',
    async (externalData) => {
      const model = linear(60_000)
      const states: string[] = []
      const staged = await stage(model, at('a.onnx'), {
        externalData,
        onProgress: (done, total) => {
          if (done === total) states.push('all')
        },
      })
      expect(fs.readdirSync(at())).not.toContain('a.onnx')
      const { initializers } = staged.model.graph
      const weight = initializers.get('w')!.tensor
      const bias = initializers.get('b')!.tensor
      expect(Object.keys(plain(staged.model))).toEqual(Object.keys(plain(model)))
      const read = async (start: number, length: number) => {
        await weight.ready!(start, length)
        states.push(`${start}`)
        expect(weight.read(start, length)).toEqual(
          Uint8Array.from(model.graph.initializers.get('w')!.tensor.read(start, length)),
        )
      }
      await Promise.all([
        read(weight.byteLength - 8, 8),
        read(0, 8),
        (async () => {
          await bias.ready?.(0, bias.byteLength)
          states.push('bias')
        })(),
      ])
      expect(files()).not.toContain('a.onnx')
      await staged.publish()
      await staged.discard()
      expect(plain(await load(at('a.onnx')))).toEqual(plain(linear(60_000)))
      expect(plain(staged.model)).toEqual(plain(linear(60_000)))
      expect(states.indexOf('bias')).toBeLessThan(states.indexOf('all'))
      const last = `${60_000 * 400 - 8}`
      expect(states.filter((state) => state !== 'bias')).toEqual(['0', 'all', last])
    },
  )

  // In chunks of 4 MiB, of which the last has 45,696 bytes, 262,144 or one more element than these.
  test.each([
    [10_600, 100],
    [1_114_112, 1],
    [1_114_113, 1],
  ])(
    'can be read to its end as soon as that is written: a weight of %i × %i',
    async (rows, columns) => {
      const numbers = Float32Array.from({ length: rows * columns }, (_, i) => i + 1)
      const graph = new GraphBuilder()
      graph.input('x', 'float32', ['batch', rows])
      graph.initializer('w', float32([rows, columns], numbers))
      graph.nodeOutputs('MatMul', ['x', 'w'], {}, { outputs: ['y'] })
      graph.output('y', 'float32', ['batch', columns])
      const staged = await stage(graph.model(), at('a.onnx'))
      const weight = staged.model.graph.initializers.get('w')!.tensor
      await weight.ready!(0, weight.byteLength)
      const end = weight.read(weight.byteLength - 8, 8)
      await staged.discard()
      expect(end).toEqual(new Uint8Array(numbers.slice(-2).buffer))
    },
  )

  test('progress runs up to the whole', async () => {
    const seen: number[] = []
    await save(linear(60_000), at('a.onnx'), {
      onProgress: (written, total) => seen.push(written / total),
    })
    expect(seen.length).toBeGreaterThan(3)
    expect(seen).toEqual([...seen].sort((a, b) => a - b))
    expect(seen.at(-1)).toBe(1)
  })
})

describe('load refuses', () => {
  test.each([
    ['a missing file', () => undefined, /a\.onnx: there is no such file/],
    ['a folder', () => fs.mkdirSync(at('a.onnx')), /a\.onnx is not a regular file/],
    ['a FIFO', () => spawnSync('mkfifo', [at('a.onnx')]), /a\.onnx is not a regular file/],
    ['an empty file', () => fs.writeFileSync(at('a.onnx'), ''), /a\.onnx is not an ONNX/],
    ['a text', () => fs.writeFileSync(at('a.onnx'), 'Hello'), /a\.onnx is not an ONNX/],
    [
      'a truncated file',
      () => fs.writeFileSync(at('a.onnx'), encodeModel(linear(600)).subarray(0, 200_000)),
      /a\.onnx: .*truncated/,
    ],
  ])('%s', async (_, prepare, message) => {
    prepare()
    await expect(load(at('a.onnx'))).rejects.toMatchObject({
      kind: 'input',
      where: at('a.onnx'),
      message: expect.stringMatching(message),
    })
  })
})

describe('save refuses', () => {
  test('to replace a file, unless it is forced to', async () => {
    fs.writeFileSync(at('a.onnx'), 'precious')
    await expect(save(linear(6), at('a.onnx'))).rejects.toMatchObject({
      kind: 'usage',
      message: expect.stringMatching(/a\.onnx exists already/),
    })
    expect(fs.readFileSync(at('a.onnx'), 'utf8')).toBe('precious')
    await save(linear(6), at('a.onnx'), { force: true })
    expect(plain(await load(at('a.onnx')))).toEqual(plain(linear(6)))
    expect(files()).toEqual(['a.onnx'])
  })

  test('to make a private file public when it is replaced', async () => {
    fs.writeFileSync(at('a.onnx'), 'secret', { mode: 0o600 })
    await save(linear(6), at('a.onnx'), { force: true })
    expect(fs.statSync(at('a.onnx')).mode & 0o777).toBe(0o600)
  })

  test('to replace a file of external data, unless it is forced to', async () => {
    fs.writeFileSync(at('a.onnx.data'), 'precious')
    const saved = save(linear(600), at('a.onnx'), { externalData: true })
    await expect(saved).rejects.toMatchObject({ kind: 'usage', where: at('a.onnx.data') })
    expect(files()).toEqual(['a.onnx.data'])
    expect(fs.readFileSync(at('a.onnx.data'), 'utf8')).toBe('precious')
  })

  test('to replace a file that came to be while it was writing', async () => {
    const saved = save(linear(600), at('a.onnx'), {
      onProgress: () => fs.writeFileSync(at('a.onnx'), 'precious'),
    })
    await expect(saved).rejects.toMatchObject({ kind: 'usage' })
    expect(fs.readFileSync(at('a.onnx'), 'utf8')).toBe('precious')
    expect(files()).toEqual(['a.onnx'])
  })

  test.each([
    ['a folder', () => at('.'), /is a folder/],
    ['a place in no folder', () => at('no', 'a.onnx'), /its folder does not exist/],
    ['a name with a NUL', () => `${at('a')}\0.onnx`, /NUL/],
    ['a name without end', () => at('a'.repeat(300)), /name is too long/],
  ])('%s', async (_, target, message) => {
    await expect(save(linear(6), target(), { force: true })).rejects.toMatchObject({
      kind: 'usage',
      message: expect.stringMatching(message),
    })
    expect(files()).toEqual([])
  })

  test('a symbolic link is replaced, not followed', async () => {
    fs.writeFileSync(at('target'), 'precious')
    fs.symlinkSync('target', at('a.onnx'))
    fs.symlinkSync('target', at('a.onnx.data'))
    await save(linear(600), at('a.onnx'), { force: true, externalData: true })
    expect(fs.readFileSync(at('target'), 'utf8')).toBe('precious')
    expect(fs.lstatSync(at('a.onnx.data')).isFile()).toBe(true)
    expect(plain(await load(at('a.onnx')))).toEqual(plain(linear(600)))
  })

  test('a hard link is replaced; its other name keeps what it had', async () => {
    fs.writeFileSync(at('target'), 'precious')
    fs.linkSync(at('target'), at('a.onnx.data'))
    await save(linear(600), at('a.onnx'), { force: true, externalData: true })
    expect(fs.readFileSync(at('target'), 'utf8')).toBe('precious')
    expect(plain(await load(at('a.onnx')))).toEqual(plain(linear(600)))
  })

  test.each(['a.onnx', 'a.onnx.data'])('a FIFO called %s is never written to', async (name) => {
    spawnSync('mkfifo', [at(name)])
    const saved = save(linear(600), at('a.onnx'), { force: true, externalData: true })
    await expect(saved).rejects.toMatchObject({ kind: 'usage', where: at(name) })
    expect(files()).toEqual([name])
  })

  test('where a loaded model says its data lie is not where they are written', async () => {
    fs.mkdirSync(at('sub'))
    await save(linear(600), at('sub', 'a.onnx'), { externalData: true })
    await save(await load(at('sub', 'a.onnx')), at('b.onnx'), { externalData: true })
    expect(files()).toEqual(['b.onnx', 'b.onnx.data', 'sub'])
  })
})
