/** Time and memory for files that are large, or claim to be. */
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import { fileURLToPath } from 'node:url'
import { beforeAll, expect, test } from 'vitest'
import { bundle } from '../testing/bundle.ts'
import { temporaryFolder } from '../testing/temporary-folder.ts'
import * as w from '../testing/wire-writer.ts'

const MiB = 2 ** 20
const at = temporaryFolder()
const fine = [w.input('x', 1), w.node('Relu', ['x'], ['y']), w.output('y', 1)]

interface Measured {
  readonly error?: string
  /** Of CPU time: what else the machine does is not counted. */
  readonly seconds: number
  readonly before: number
  readonly after: number
}

let program: string
beforeAll(async () => {
  program = await bundle(fileURLToPath(new URL('../testing/measure.ts', import.meta.url)))
})

/** Loads (and saves) in a process of its own. */
function measure(from: string, to?: string): Measured {
  const { stdout, stderr, status } = spawnSync(
    process.execPath,
    [program, from, ...(to === undefined ? [] : [to])],
    { encoding: 'utf8' },
  )
  expect(status, stderr).toBe(0)
  return JSON.parse(stdout)
}

/** Writes a file in which `hole` zero bytes that take no disk space follow `head`. */
function writeSparse(
  file: string,
  head: w.Bytes,
  hole: number,
  tail: w.Bytes = new Uint8Array(0),
): void {
  const descriptor = fs.openSync(file, 'wx')
  fs.writeSync(descriptor, head)
  fs.ftruncateSync(descriptor, head.length + hole)
  fs.writeSync(descriptor, tail, 0, tail.length, head.length + hole)
  fs.closeSync(descriptor)
}

/** The head of a model whose graph goes on with so many bytes. */
const openModel = (head: w.Bytes, rest: number) =>
  w.concat(w.modelWith(), w.claim(7, head.length + rest), head)

/** An initializer that goes on with `length` bytes of one data field. */
function openTensor(name: string, dims: number[], type: number, field: number, length: number) {
  const head = w.concat(w.tensor(name, dims, [], type), w.claim(field, length))
  return w.concat(w.claim(5, head.length + length), head)
}

const many = (field: w.Bytes, count: number) => w.join(Array.from({ length: count }, () => field))

/** An If in an If, so many levels deep; each level captures all of many values. */
function nestedIfs(levels: number, values: number): w.Bytes {
  const names = Array.from({ length: values }, (_, i) => `v${i}`)
  let graph = w.concat(w.node('Concat', names, ['leaf']), w.output('leaf'))
  for (let i = 0; i < levels; i++)
    graph = w.concat(
      w.node('If', ['x'], [`o${i}`], w.attribute('then_branch', 5, w.block(6, graph))),
      w.output(`o${i}`),
    )
  const producers = w.join(names.map((name) => w.node('Relu', ['x'], [name])))
  return w.model(w.input('x', 1), producers, graph)
}

const hostile: readonly (readonly [
  name: string,
  write: (file: string) => void,
  error: RegExp | undefined,
])[] = [
  [
    'a million empty nodes',
    (file) => fs.writeFileSync(file, w.model(...fine, many(w.block(1), 1_000_000))),
    /more than 750000 parts/,
  ],
  [
    'seven hundred thousand empty types',
    (file) =>
      fs.writeFileSync(
        file,
        w.model(
          ...fine,
          w.block(
            13,
            w.block(1, 'v'),
            w.block(2, w.block(1, w.block(2, many(w.block(1), 700_000)))),
          ),
        ),
      ),
    undefined,
  ],
  [
    'a million unknown fields',
    (file) => fs.writeFileSync(file, w.model(...fine, many(w.int(99, 1), 1_000_000))),
    /more than 750000 parts/,
  ],
  [
    'two million integers',
    (file) =>
      fs.writeFileSync(
        file,
        w.model(
          ...fine,
          w.node('Relu', ['x'], ['z'], w.attribute('a', 7, w.block(8, new Uint8Array(1_900_000)))),
        ),
      ),
    undefined,
  ],
  [
    '20,000 values captured 20 times',
    (file) => fs.writeFileSync(file, nestedIfs(20, 20_000)),
    undefined,
  ],
  [
    'a doc_string of 4 GiB',
    (file) => writeSparse(file, w.concat(w.modelWith(), w.claim(6, 2 ** 32)), 2 ** 32),
    /doc_string has 4294967296 bytes/,
  ],
  [
    'an unknown field of 1 TiB',
    (file) => writeSparse(file, w.concat(w.modelWith(), w.claim(99, 2 ** 40)), 2 ** 40),
    /more than 67108864 bytes that are not/,
  ],
  ['1 TiB of zeros', (file) => writeSparse(file, new Uint8Array(0), 2 ** 40), /not an ONNX file/],
  [
    '1 TiB of zeros in a graph',
    (file) => writeSparse(file, openModel(new Uint8Array(0), 2 ** 40), 2 ** 40),
    /graph: byte \d+ is not the start/,
  ],
  [
    '1 GiB of raw_data for one element',
    (file) =>
      writeSparse(
        file,
        openModel(w.concat(...fine, openTensor('w', [1], 1, 9, 2 ** 30)), 2 ** 30),
        2 ** 30,
      ),
    /initializer\[0\] "w": raw_data has 1073741824 bytes/,
  ],
  [
    '1 GiB of int64_data for one element',
    (file) =>
      writeSparse(
        file,
        openModel(w.concat(...fine, openTensor('w', [1], 7, 7, 2 ** 30)), 2 ** 30),
        2 ** 30,
      ),
    /"w": int64_data has 1073741824 bytes/,
  ],
  [
    '128 MiB of int32_data for as many elements',
    (file) =>
      writeSparse(
        file,
        openModel(w.concat(...fine, openTensor('w', [2 ** 27], 2, 5, 2 ** 27)), 2 ** 27),
        2 ** 27,
      ),
    undefined,
  ],
]

test.each(hostile)('%s: within two seconds and 256 MB', (_, write, error) => {
  write(at('a.onnx'))
  const measured = measure(at('a.onnx'))
  if (error) expect(measured.error).toMatch(error)
  else expect(measured.error).toBeUndefined()
  expect(measured.seconds).toBeLessThan(2)
  expect(measured.after).toBeLessThan(256e6)
})

const size = 400 * MiB
const stat = fs.statfsSync(os.tmpdir())
test.skipIf(stat.bavail * stat.bsize < 3 * size)(
  '400 MiB are loaded and saved in little memory',
  () => {
    const half = size / 2
    const [a, b] = ['a', 'b'].map((name) => openTensor(name, [half / 4], 1, 9, half))
    const head = openModel(w.concat(...fine, a!), half + b!.length + half)
    writeSparse(at('a.onnx'), head, half, b!)
    fs.truncateSync(at('a.onnx'), head.length + half + b!.length + half)
    const mark = fs.openSync(at('a.onnx'), 'r+')
    fs.writeSync(mark, 'mark', head.length + 12_345_678)
    fs.closeSync(mark)

    const measured = measure(at('a.onnx'), at('b.onnx'))
    expect(measured.error).toBeUndefined()
    expect(measured.after - measured.before).toBeLessThan(120e6)
    const copy = fs.openSync(at('b.onnx'), 'r')
    expect(Math.abs(fs.fstatSync(copy).size - fs.statSync(at('a.onnx')).size)).toBeLessThan(100)
    const found = Buffer.alloc(100)
    fs.readSync(copy, found, 0, 100, head.length + 12_345_678 - 50)
    expect(found.toString('latin1')).toContain('mark')
    fs.closeSync(copy)
  },
)
