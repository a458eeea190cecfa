import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { temporaryFolder } from '../../testing/temporary-folder.ts'
import { external, initializer, input, model, node, output } from '../../testing/wire-writer.ts'
import { Net2NetError } from '../errors.ts'
import { materialize } from '../tensor/tensor.ts'
import { load } from './file.node.ts'

const at = temporaryFolder()

/** A model with one float32 weight of two elements, somewhere else. */
function writeModel(entries: Readonly<Record<string, string>>): string {
  const file = at('folder', 'model.onnx')
  fs.mkdirSync(path.dirname(file), { recursive: true })
  fs.writeFileSync(
    file,
    model(
      input('x', 2),
      node('Add', ['x', 'w'], ['y']),
      output('y', 2),
      initializer('w', [2], [external(entries)]),
    ),
  )
  return file
}

const floats = (...values: number[]) => Buffer.from(Float32Array.from(values).buffer)

async function readWeight(file: string): Promise<number[]> {
  const { tensor } = (await load(file)).graph.initializers.get('w')!
  return [...(materialize(tensor).data as Float32Array)]
}

async function refusal(entries: Readonly<Record<string, string>>): Promise<Net2NetError> {
  const error: unknown = await load(writeModel(entries)).catch((cause) => cause)
  if (!(error instanceof Net2NetError)) throw new Error(`accepted: ${String(error)}`)
  expect(error.kind).toBe('input')
  expect(error.where).toBe(at('folder', 'model.onnx'))
  expect(error.message).toContain('graph.initializer[0] "w": external_data.')
  return error
}

describe('external data in the folder of the model', () => {
  test.each([
    ['from the beginning', { location: 'w.bin', length: '8' }, [1, 2]],
    ['to the end', { location: 'w.bin', offset: '4' }, [2, 3]],
    [
      'with all entries',
      {
        location: './sub/../w.bin'.replace('sub/../', ''),
        offset: '4',
        length: '8',
        checksum: '00',
      },
      [2, 3],
    ],
    ['in a folder below', { location: 'sub/w.bin' }, [7, 8]],
  ])('is read %s', async (_, entries, expected) => {
    const file = writeModel(entries)
    fs.writeFileSync(at('folder', 'w.bin'), floats(1, 2, 3))
    fs.mkdirSync(at('folder', 'sub'))
    fs.writeFileSync(at('folder', 'sub', 'w.bin'), floats(7, 8))
    expect(await readWeight(file)).toEqual(expected)
  })

  test('is read only when it is needed', async () => {
    const file = writeModel({ location: 'w.bin' })
    fs.writeFileSync(at('folder', 'w.bin'), floats(1, 2))
    const { tensor } = (await load(file)).graph.initializers.get('w')!
    // Replaced by another file: what was opened is still what is read.
    fs.writeFileSync(at('folder', 'other.bin'), floats(3, 4))
    fs.renameSync(at('folder', 'other.bin'), at('folder', 'w.bin'))
    expect(tensor.read(0, 8)).toEqual(new Uint8Array(floats(1, 2)))
  })

  test('is refused once it was changed in place', async () => {
    const file = writeModel({ location: 'w.bin' })
    fs.writeFileSync(at('folder', 'w.bin'), floats(1, 2))
    const { tensor } = (await load(file)).graph.initializers.get('w')!
    fs.truncateSync(at('folder', 'w.bin'), 4)
    expect(() => tensor.read(0, 8)).toThrow(/w\.bin has changed since it was opened/)
  })
})

describe('external data that is not where it should be', () => {
  test.each([
    ['by ..', '../secret.bin', /contains "\.\."/],
    ['by .. in the middle', 'sub/../../secret.bin', /contains "\.\."/],
    ['by .. with backslashes', '..\\secret.bin', /contains "\.\."/],
    ['by an absolute path', '/etc/passwd', /is an absolute path/],
    ['by a Windows path', 'C:\\secret.bin', /is an absolute path/],
    ['by a drive', 'c:secret.bin', /is an absolute path/],
    ['by a network path', '\\\\server\\secret.bin', /is an absolute path/],
    ['by a NUL', 'w.bin\0.txt', /has a NUL/],
    ['by a symbolic link', 'link.bin', /leads through a symbolic link/],
    ['by a symbolic link to a folder', 'linked/secret.bin', /leads through a symbolic link/],
    ['by a dangling symbolic link', 'dangling.bin', /leads through a symbolic link/],
    ['by a hard link', 'hard.bin', /is a hard link/],
    ['into a FIFO', 'fifo', /is not a regular file/],
    ['into a folder', 'sub', /is not a regular file/],
    ['into its own folder', '.', /is not a regular file/],
    ['nowhere', 'missing.bin', /missing\.bin: there is no such file/],
    ['into a file as a folder', 'w.bin/w.bin', /there is no such file/],
  ])('%s is refused', async (_, location, message) => {
    fs.mkdirSync(at('folder', 'sub'), { recursive: true })
    fs.writeFileSync(at('secret.bin'), floats(1, 2))
    fs.writeFileSync(at('folder', 'w.bin'), floats(1, 2))
    fs.symlinkSync('../secret.bin', at('folder', 'link.bin'))
    fs.symlinkSync('..', at('folder', 'linked'))
    fs.symlinkSync('nowhere', at('folder', 'dangling.bin'))
    fs.linkSync(at('secret.bin'), at('folder', 'hard.bin'))
    execFileSync('mkfifo', [at('folder', 'fifo')])
    expect((await refusal({ location })).message).toMatch(message)
  })

  test.each([
    ['past the end', { offset: '8' }, /bytes 8 to 16 lie past the end .* has 12/],
    ['far past the end', { offset: '9007199254740000' }, /past the end/],
    ['partly past the end', { offset: '5', length: '8' }, /bytes 5 to 13 lie past the end/],
    [
      'at a negative offset',
      { offset: '-8' },
      /external_data\.offset is "-8", not a number of bytes/,
    ],
    ['of negative length', { length: '-8' }, /external_data\.length is "-8"/],
    [
      'at an offset beyond 2^63',
      { offset: '9223372036854775808' },
      /external_data\.offset is "9223/,
    ],
    ['at an offset that wraps around', { offset: '18446744073709551612' }, /external_data\.offset/],
    [
      'at the largest offset',
      { offset: '9007199254740991' },
      /external_data\.offset .* beyond any file/,
    ],
    ['at a fractional offset', { offset: '0.5' }, /external_data\.offset is "0\.5"/],
    ['at a hexadecimal offset', { offset: '0x4' }, /external_data\.offset/],
    ['at an empty offset', { offset: '' }, /external_data\.offset is ""/],
    [
      'of the wrong length',
      { length: '12' },
      /external_data\.length is 12, dims \[2\] of float32 need 8/,
    ],
  ])('%s is refused', async (_, entries, message) => {
    fs.mkdirSync(at('folder'))
    fs.writeFileSync(at('folder', 'w.bin'), floats(1, 2, 3))
    expect((await refusal({ location: 'w.bin', ...entries })).message).toMatch(message)
  })
})

test('one file per tensor does not use up the descriptors of the process', async () => {
  const count = 300
  const names = Array.from({ length: count }, (_, i) => `w${i}`)
  names.forEach((name, i) => {
    fs.writeFileSync(at(name), floats(i))
  })
  fs.writeFileSync(
    at('model.onnx'),
    model(
      input('x', 1),
      output('x', 1),
      ...names.map((name) => initializer(name, [1], [external({ location: name })])),
    ),
  )
  const before = fs.readdirSync('/proc/self/fd').length
  const { initializers } = (await load(at('model.onnx'))).graph
  expect(fs.readdirSync('/proc/self/fd').length - before).toBeLessThan(100)
  const last = initializers.get(`w${count - 1}`)!.tensor
  expect([...(materialize(last).data as Float32Array)]).toEqual([count - 1])
  // Not kept open, so a file of the same name is another file.
  fs.rmSync(at(`w${count - 1}`))
  fs.writeFileSync(at(`w${count - 1}`), floats(0))
  expect(() => last.read(0, 4)).toThrow(/has changed since it was opened/)
})
