import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { unzipSync, zipSync } from 'fflate'
import sharp from 'sharp'
import { describe, expect, test } from 'vitest'
import { temporaryFolder } from '../../testing/temporary-folder.ts'
import { GraphBuilder } from '../model/builder.ts'
import type { Model } from '../model/model.ts'
import { withColumns } from '../model/output-meaning.ts'
import { float32, Tensor } from '../tensor/tensor.ts'
import { createNpz, decodeNpy, encodeNpy, encodeNpz, openInputs, parseCsv } from './index.ts'
import type { InputStream } from './inputs.ts'

const at = temporaryFolder()

/** A model with this input. */
function taking(...dims: readonly (number | string)[]): Model {
  const builder = new GraphBuilder()
  const x = builder.input('x', 'float32', ['n', ...dims])
  builder.nodeOutputs('Neg', [x], {}, { outputs: ['y'] })
  builder.output('y', 'float32', ['n', ...dims])
  return builder.model()
}

async function values(stream: InputStream, size = 3, input = 'input') {
  const numbers: number[] = []
  const sizes: number[] = []
  for await (const { inputs } of stream.batches(size)) {
    numbers.push(...Array.from(inputs[input]!.data, Number))
    sizes.push(inputs[input]!.dims[0]!)
  }
  return { numbers, sizes }
}

describe('tables', () => {
  test('are read as training reads them, whatever separates the fields and however they are cut', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.array(fc.float({ noNaN: true, noDefaultInfinity: true }), {
            minLength: 4,
            maxLength: 4,
          }),
          {
            minLength: 1,
            maxLength: 60,
          },
        ),
        fc.constantFrom(',', ';', '\t'),
        fc.boolean(),
        fc.integer({ min: 1, max: 70 }),
        fc.integer({ min: 1, max: 9 }),
        async (rows, delimiter, hasHeader, chunk, size) => {
          const header = hasHeader ? [['a', '"b, c"', 'd', 'target'].join(delimiter)] : []
          const text = [...header, ...rows.map((row) => row.join(delimiter))].join('\r\n')
          const bytes = Buffer.from(text)
          const chunks = Array.from({ length: Math.ceil(bytes.length / chunk) }, (_, i) =>
            bytes.subarray(i * chunk, (i + 1) * chunk),
          )
          const stream = await openInputs('-', taking(3), { stdin: Readable.from(chunks) })
          const { numbers, sizes } = await values(stream, size)
          const expected = parseCsv(text, { targetKind: 'value' }).inputs.input!.data
          expect(numbers).toEqual(Array.from(expected, Number))
          expect(sizes.slice(0, -1).every((count) => count === size)).toBe(true)
        },
      ),
    )
  })

  test('columns are found by the names that the model was trained on', async () => {
    const model = withColumns(taking(2), ['width', 'height'])
    writeFileSync(at('named.csv'), 'id,height,name,width\n7,1,"x, y",2\n8,3,z,4\n')
    expect((await values(await openInputs(at('named.csv'), model))).numbers).toEqual([2, 1, 4, 3])
    writeFileSync(at('bare.csv.gz'), gzipSync('2,1\n4,3\n'))
    expect((await values(await openInputs(at('bare.csv.gz'), model))).numbers).toEqual([2, 1, 4, 3])
    writeFileSync(at('other.csv'), 'height,depth\n1,2\n')
    await expect(values(await openInputs(at('other.csv'), model))).rejects.toThrow(
      /other\.csv has no column width, which the model was trained on; it has height, depth/,
    )
  })

  test('a column more than the model takes is the target, or the one that is named', async () => {
    writeFileSync(at('target.csv'), 'label,a,b\nx,1,2\ny,3,4\n')
    const named = await openInputs(at('target.csv'), taking(2), { target: 'label' })
    expect((await values(named)).numbers).toEqual([1, 2, 3, 4])
    writeFileSync(at('last.csv'), '1,2,x\n3,4,y\n')
    expect((await values(await openInputs(at('last.csv'), taking(2)))).numbers).toEqual([
      1, 2, 3, 4,
    ])
    await expect(values(await openInputs(at('last.csv'), taking(5)))).rejects.toThrow(
      /has 3 columns, but the model takes 5 features/,
    )
  })

  test('what is wrong is told with its line and column', async () => {
    const broken = async (name: string, content: string | Uint8Array) => {
      writeFileSync(at(name), content)
      return expect(values(await openInputs(at(name), taking(2)))).rejects
    }
    const text = 'a,b\n1,2\n'
    await (await broken('1.csv', `${text}3,\n`)).toThrow(/1\.csv, column b: line 3 has no value/)
    await (await broken('2.csv', `${text}3,four\n`)).toThrow(
      /column b: "four" in line 3 is not a number/,
    )
    await (await broken('3.csv', `${text}3\n`)).toThrow(
      /line 3 has 1 field, but line 1 has 2 fields/,
    )
    await (await broken('4.csv', `${text}3,"4\n`)).toThrow(/4\.csv is not a table: .*[Qq]uote/)
    const packed = gzipSync(text + '1,2\n'.repeat(50))
    await (await broken('5.csv.gz', packed.subarray(0, packed.length - 12))).toThrow(
      /5\.csv\.gz is not a whole gzip file/,
    )
    await expect(openInputs(at('missing.csv'), taking(2))).rejects.toThrow(/does not exist/)
  })

  test('of an endless table only what is needed is read', async () => {
    let made = 0
    const stdin = Readable.from(
      (function* () {
        for (;;) {
          made++
          yield Buffer.from('1,2\n'.repeat(1000))
        }
      })(),
    )
    const stream = await openInputs('-', taking(2), { stdin })
    let batches = 0
    for await (const _ of stream.batches(100)) if (++batches === 50) break
    expect(made).toBeLessThan(100)
    expect(stdin.destroyed).toBe(true)
  })
})

describe('arrays', () => {
  test('of .npz and .npy files, packed or not, in any order of bytes and axes', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 40 }),
        fc.integer({ min: 1, max: 17 }),
        fc.constantFrom('float32', 'float64', 'uint8', 'int64'),
        fc.constantFrom<0 | 6>(0, 6),
        async (length, size, dtype, level) => {
          const wanted = Array.from({ length: 2 * length }, (_, i) => (i * 37) % 251)
          const data =
            dtype === 'int64'
              ? BigInt64Array.from(wanted, BigInt)
              : { float32: Float32Array, float64: Float64Array, uint8: Uint8Array }[dtype]!.from(
                  wanted,
                )
          const tensor = new Tensor(dtype as 'float32', [length, 2], data as Float32Array)
          const file = at(`arrays-${level}.npz`)
          const ids = new Tensor(
            'int32',
            [length],
            Int32Array.from({ length }, (_, i) => i),
          )
          writeFileSync(
            file,
            zipSync({ 'x.npy': encodeNpy(tensor), 'y.npy': encodeNpy(ids) }, { level }),
          )
          const stream = await openInputs(file, taking(2))
          const { numbers } = await values(stream, size, 'x')
          expect(stream.length).toBe(length)
          const divisor = dtype === 'uint8' ? 255 : 1
          expect(numbers).toEqual(
            wanted.map((value) => (divisor === 1 ? value : Math.fround(value / divisor))),
          )
          writeFileSync(at('array.npy'), encodeNpy(tensor))
          const single = await values(await openInputs(at('array.npy'), taking(2)), size, 'x')
          expect(single.numbers).toEqual(numbers)
        },
      ),
      { numRuns: 60 },
    )
  })

  test('in Fortran order and big-endian', async () => {
    const header = (text: string) => `${text}${' '.repeat(117 - text.length)}\n`
    const bytes = Buffer.alloc(128 + 24)
    bytes.write('\x93NUMPY\x01\x00', 0, 'latin1')
    bytes.writeUInt16LE(118, 8)
    bytes.write(header("{'descr': '>f4', 'fortran_order': True, 'shape': (3, 2), }"), 10)
    ;[1, 3, 5, 2, 4, 6].forEach((value, i) => {
      bytes.writeFloatBE(value, 128 + 4 * i)
    })
    writeFileSync(at('fortran.npy'), bytes)
    const { numbers } = await values(await openInputs(at('fortran.npy'), taking(2)), 2, 'x')
    expect(numbers).toEqual([1, 2, 3, 4, 5, 6])
  })

  test('that are broken or not the model’s are refused', async () => {
    const x = float32([2, 2], [1, 2, 3, 4])
    const file = at('broken.npz')
    writeFileSync(
      file,
      encodeNpz(
        new Map([
          ['a', x],
          ['b', x],
        ]),
      ),
    )
    await expect(openInputs(file, taking(2))).rejects.toThrow(/must have an array x.*it has a, b/)
    const whole = zipSync({ 'x.npy': encodeNpy(x) }, { level: 6 })
    writeFileSync(file, whole.subarray(0, 60))
    await expect(openInputs(file, taking(2))).rejects.toThrow(/not a zip archive/)
    const cut = zipSync({ 'x.npy': encodeNpy(x).subarray(0, 130) }, { level: 0 })
    writeFileSync(file, cut)
    await expect(openInputs(file, taking(2))).rejects.toThrow(/array x .* truncated/)
    const two = new GraphBuilder()
    for (const name of ['a', 'b']) two.input(name, 'float32', ['n', 2])
    writeFileSync(
      file,
      encodeNpz(
        new Map([
          ['a', x],
          ['b', float32([1, 2], [1, 2])],
        ]),
      ),
    )
    await expect(openInputs(file, two.model())).rejects.toThrow(/a, b have 2, 1 samples/)
  })

  test('are written row by row, strings included', async () => {
    const npz = await createNpz(at('written.npz'))
    for (const row of [0, 1, 2]) {
      await npz.append('numbers', float32([2, 1], [2 * row, 2 * row + 1]))
      await npz.append('names', [`é${row}`, '𝛼𝛽'])
      await npz.append('fixed', ['ab', 'abc'], 3)
    }
    await expect(npz.append('numbers', float32([1, 2], [1, 2]))).rejects.toThrow(
      /one shape for all/,
    )
    expect(readdirSync(at())).not.toContain('written.npz')
    await npz.publish()
    await npz.discard()
    await expect(createNpz(at('written.npz'))).rejects.toThrow(/exists already/)
    expect([...decodeNpy(member('written.npz', 'numbers')).data]).toEqual([0, 1, 2, 3, 4, 5])
    const names = Buffer.from(member('written.npz', 'names'))
    expect(names.subarray(0, 128).toString('latin1')).toContain(
      "'descr': '<U2', 'fortran_order': False, 'shape': (6,)",
    )
    const points = new Uint32Array(
      names.buffer.slice(names.byteOffset + 128, names.byteOffset + 144),
    )
    expect(String.fromCodePoint(...points)).toBe('é0𝛼𝛽')
    expect(readdirSync(at()).filter((name) => name.includes('written'))).toEqual(['written.npz'])
  })
})

/** The bytes of an array in an archive. */
const member = (file: string, name: string): Uint8Array =>
  unzipSync(readFileSync(at(file)))[`${name}.npy`]!

describe('pictures', () => {
  test('of a folder, however deep, by their paths; and a single one', async () => {
    mkdirSync(at('pictures/deep/er'), { recursive: true })
    const colour = (red: number) => ({
      create: { width: 4, height: 2, channels: 3 as const, background: { r: red, g: 0, b: 255 } },
    })
    for (const [name, red] of [
      ['b.png', 0],
      ['a.png', 51],
      ['deep/er/c.png', 255],
    ] as const)
      await sharp(colour(red))
        .png()
        .toFile(at(`pictures/${name}`))
    writeFileSync(at('pictures/.hidden.png'), 'no picture')
    writeFileSync(at('pictures/notes.txt'), 'no picture')
    const stream = await openInputs(at('pictures'), taking(3, 1, 1))
    const names: string[] = []
    for await (const batch of stream.batches(2)) names.push(...(batch.names ?? []))
    expect(names).toEqual(['a.png', 'b.png', join('deep', 'er', 'c.png')])
    const { numbers } = await values(stream)
    expect(numbers.map((value) => Math.round(255 * value))).toEqual([
      51, 0, 255, 0, 0, 255, 255, 0, 255,
    ])
    const one = await openInputs(at('pictures/a.png'), taking(3, 1, 1))
    expect((await values(one)).sizes).toEqual([1])
    await expect(openInputs(at('pictures'), taking(7))).rejects.toThrow(/not an image/)
  })
})
