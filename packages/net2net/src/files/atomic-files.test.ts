import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { leftover } from '../../testing/leftover.ts'
import { temporaryFolder } from '../../testing/temporary-folder.ts'
import { AtomicFiles } from './atomic-files.ts'
import { temporaryName } from './temporary-name.ts'
import { writeAllWhole, writeWhole } from './write-whole.ts'

const at = temporaryFolder()
afterEach(() => {
  vi.restoreAllMocks()
})
const files = () => fs.readdirSync(at()).sort()
const read = (name: string) => fs.readFileSync(at(name), 'utf8')

describe('what is there is replaced only with force', () => {
  const there: readonly [string, (file: string) => void][] = [
    ['a file', (file) => fs.writeFileSync(file, 'precious')],
    ['a link to a file', (file) => link('precious', file)],
    ['a link that leads nowhere', (file) => fs.symlinkSync('nowhere', file)],
    ['a link that leads to itself', (file) => fs.symlinkSync('out', file)],
  ]
  function link(content: string, file: string): void {
    fs.writeFileSync(at('target'), content)
    fs.symlinkSync('target', file)
  }

  test.each(there)('%s', async (_, make) => {
    make(at('out'))
    const before = [files(), fs.lstatSync(at('out')).ino]
    await expect(writeWhole(at('out'), 'new')).rejects.toMatchObject({
      kind: 'usage',
      where: at('out'),
      message: expect.stringMatching(/out exists already; .*--force/),
    })
    expect([files(), fs.lstatSync(at('out')).ino]).toEqual(before)
    await writeWhole(at('out'), 'new', { force: true })
    expect(read('out')).toBe('new')
    expect(fs.lstatSync(at('out')).isFile()).toBe(true)
    expect(files()).toEqual(before[0])
    if (fs.existsSync(at('target'))) expect(read('target')).toBe('precious')
  })

  test('and one that came to be meanwhile is not', async () => {
    const pending = new AtomicFiles()
    await (await pending.create(at('out'))).write('new')
    fs.symlinkSync('nowhere', at('out'))
    await expect(pending.publish()).rejects.toMatchObject({ kind: 'usage', where: at('out') })
    await pending.discard()
    expect(files()).toEqual(['out'])
    expect(fs.readlinkSync(at('out'))).toBe('nowhere')
  })
})

describe('what is no regular file is never replaced', () => {
  const there: readonly [string, (file: string) => void][] = [
    ['a folder', (file) => fs.mkdirSync(file)],
    ['a FIFO', (file) => spawnSync('mkfifo', [file])],
    ['a link to a folder', (file) => fs.symlinkSync('.', file)],
    ['a link to a device', (file) => fs.symlinkSync('/dev/null', file)],
  ]
  test.skipIf(process.platform === 'win32').each(there)('%s', async (_, make) => {
    make(at('out'))
    const { ino } = fs.lstatSync(at('out'))
    for (const force of [false, true])
      await expect(writeWhole(at('out'), 'new', { force })).rejects.toMatchObject({
        kind: 'usage',
        where: at('out'),
      })
    expect(fs.lstatSync(at('out')).ino).toBe(ino)
    expect(files()).toEqual(['out'])
  })

  test('not even one that takes the place of a file meanwhile', async () => {
    fs.writeFileSync(at('out'), 'old')
    const pending = new AtomicFiles({ force: true })
    await (await pending.create(at('out'))).write('new')
    fs.rmSync(at('out'))
    spawnSync('mkfifo', [at('out')])
    await expect(pending.publish()).rejects.toMatchObject({ kind: 'usage' })
    await pending.discard()
    expect(fs.lstatSync(at('out')).isFIFO()).toBe(true)
    expect(files()).toEqual(['out'])
  })
})

describe('several files', () => {
  const contents = () =>
    new Map([
      [at('data'), 'new data'],
      [at('model'), 'new model'],
    ])

  test('appear together', async () => {
    await writeAllWhole(contents())
    expect(files()).toEqual(['data', 'model'])
  })

  test.each(['data', 'model'])('are not written where %s exists', async (name) => {
    fs.writeFileSync(at(name), 'old')
    await expect(writeAllWhole(contents())).rejects.toMatchObject({ where: at(name) })
    expect(files()).toEqual([name])
    expect(read(name)).toBe('old')
  })

  test.each(['data', 'model'])('are not published where %s came to be', async (name) => {
    const pending = new AtomicFiles()
    for (const [file, content] of contents()) await (await pending.create(file)).write(content)
    fs.writeFileSync(at(name), 'old')
    await expect(pending.publish()).rejects.toMatchObject({ where: at(name) })
    await pending.discard()
    expect(files()).toEqual([name])
    expect(read(name)).toBe('old')
  })

  test('replace others, of which all are there again where one cannot be replaced', async () => {
    fs.writeFileSync(at('data'), 'old data')
    fs.writeFileSync(at('model'), 'old model')
    const rename = fs.promises.rename
    vi.spyOn(fs.promises, 'rename').mockImplementation(async (from, to) => {
      if (path.basename(`${to}`) === 'model') throw Object.assign(new Error(), { code: 'EIO' })
      await rename(from, to)
    })
    await expect(writeAllWhole(contents(), { force: true })).rejects.toMatchObject({
      kind: 'input',
    })
    expect(files()).toEqual(['data', 'model'])
    expect([read('data'), read('model')]).toEqual(['old data', 'old model'])
    vi.restoreAllMocks()
    await writeAllWhole(contents(), { force: true })
    expect(files()).toEqual(['data', 'model'])
    expect([read('data'), read('model')]).toEqual(['new data', 'new model'])
  })

  test('an old one and a new one are never there together', async () => {
    fs.writeFileSync(at('data'), 'old data')
    fs.writeFileSync(at('model'), 'old model')
    const seen = new Set<string>()
    for (const name of ['rename', 'link', 'rm'] as const) {
      const call = fs.promises[name] as (...args: unknown[]) => Promise<void>
      vi.spyOn(fs.promises, name).mockImplementation(async (...args: unknown[]) => {
        await call(...args)
        const both = files().filter((file) => !file.startsWith('.'))
        seen.add(both.map((file) => read(file).split(' ')[0]).join(' '))
      })
    }
    await writeAllWhole(contents(), { force: true })
    expect(seen).toContain('new new')
    expect(seen).not.toContain('old new')
    expect(seen).not.toContain('new old')
  })
})

test('of many that write one name at once, one wins, and the others are told', async () => {
  const pending = await Promise.all(
    Array.from({ length: 20 }, async (_, i) => {
      const each = new AtomicFiles()
      for (const name of ['data', 'model']) await (await each.create(at(name))).write(`${i}`)
      return each
    }),
  )
  const results = await Promise.allSettled(pending.map((each) => each.publish()))
  for (const each of pending) await each.discard()
  expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
  for (const result of results)
    if (result.status === 'rejected') expect(result.reason).toMatchObject({ kind: 'usage' })
  expect(files()).toEqual(['data', 'model'])
  const winner = results.findIndex(({ status }) => status === 'fulfilled')
  expect([read('data'), read('model')]).toEqual([`${winner}`, `${winner}`])
})

describe('where there are no hard links', () => {
  const withoutLinks = () =>
    vi.spyOn(fs.promises, 'link').mockImplementation(async (from, to) => {
      const exists = fs.existsSync(`${to}`)
      throw Object.assign(new Error(`${from}`), { code: exists ? 'EEXIST' : 'EPERM' })
    })

  test('one of many wins, too', async () => {
    withoutLinks()
    const written = Array.from({ length: 10 }, (_, i) => writeWhole(at('out'), `content ${i}`))
    const results = await Promise.allSettled(written)
    const winner = results.findIndex(({ status }) => status === 'fulfilled')
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    expect(read('out')).toBe(`content ${winner}`)
    expect(files()).toEqual(['out'])
  })

  test('and nothing stays where the last step fails', async () => {
    withoutLinks()
    vi.spyOn(fs.promises, 'rename').mockRejectedValue(Object.assign(new Error(), { code: 'EIO' }))
    await expect(writeWhole(at('out'), 'new')).rejects.toMatchObject({ kind: 'input' })
    expect(files()).toEqual([])
  })
})

describe('temporary files', () => {
  const DAY = 86_400_000
  const old = (file: string) => fs.utimesSync(file, new Date(), new Date(Date.now() - 2 * DAY))

  test('of processes that are gone are removed by the next, and no others', async () => {
    const gone = leftover(at('model.onnx'))
    const living = temporaryName(at('model.onnx'))
    const elsewhere = temporaryName(at('model.onnx')).replace(/\.[0-9a-f]{8}-/, '.00000000-')
    const longAgo = temporaryName(at('other.onnx')).replace(/\.[0-9a-f]{8}-/, '.00000000-')
    const mine = at('.mine.tmp')
    for (const file of [gone, living, elsewhere, longAgo, mine]) fs.writeFileSync(file, '')
    for (const file of [longAgo, mine]) old(file)
    await writeWhole(at('out'), 'new')
    const kept = [living, elsewhere, mine, at('out')].map((file) => path.basename(file))
    expect(files()).toEqual(kept.sort())
  })

  test('have names that fit, however long those of the targets are', () => {
    for (const name of ['x'.repeat(255), '界'.repeat(85)])
      expect(Buffer.byteLength(path.basename(temporaryName(at(name))))).toBeLessThan(256)
  })
})
