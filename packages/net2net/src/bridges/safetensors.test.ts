import { readFileSync, writeFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { runPython, torchPython } from '../../testing/python.ts'
import { randomTensors } from '../../testing/random-tensors.ts'
import { temporaryFolder } from '../../testing/temporary-folder.ts'
import { float32, type LazyTensor, materialize } from '../tensor/tensor.ts'
import { readSafetensors, safetensorsParts } from './safetensors.ts'

const sized = (bytes: Uint8Array) => ({
  size: bytes.length,
  read: (at: number, length: number) => bytes.subarray(at, at + length),
})
const written = (...args: Parameters<typeof safetensorsParts>) =>
  new Uint8Array(Buffer.concat(safetensorsParts(...args).map((p) => p.read(0, p.byteLength))))

describe('safetensors', () => {
  it('reads what it wrote, for any names, shapes, types and bits', () => {
    fc.assert(
      fc.property(
        randomTensors,
        fc.dictionary(fc.string({ unit: 'grapheme' }), fc.string()),
        (tensors, metadata) => {
          fc.pre(!tensors.has('__metadata__'))
          const read = readSafetensors(sized(written(tensors, metadata)), 'a.safetensors')
          expect(read.metadata).toEqual(metadata)
          expect([...read.tensors.keys()].sort()).toEqual([...tensors.keys()].sort())
          for (const [key, tensor] of tensors)
            expect(materialize(read.tensors.get(key)!)).toEqual(materialize(tensor))
        },
      ),
      { examples: [[new Map([['__proto__', float32([1], [2])]]), {}]] },
    )
  })

  it('aligns the data of the first tensor to eight bytes', () => {
    fc.assert(
      fc.property(randomTensors, (tensors) => {
        fc.pre(!tensors.has('__metadata__'))
        const bytes = written(tensors)
        expect(new DataView(bytes.buffer).getUint32(0, true) % 8).toBe(0)
      }),
    )
  })

  const header = (text: string, data = 0) => {
    const json = new TextEncoder().encode(text)
    const bytes = new Uint8Array(8 + json.length + data)
    new DataView(bytes.buffer).setBigUint64(0, BigInt(json.length), true)
    bytes.set(json, 8)
    return bytes
  }
  const entry = (shape: string, offsets: string, dtype = 'F32') =>
    `{"a":{"dtype":"${dtype}","shape":${shape},"data_offsets":${offsets}}}`
  const hostile: [string, Uint8Array, RegExp][] = [
    ['an empty file', new Uint8Array(0), /shorter than eight bytes/],
    ['a header of 2^63 bytes', new Uint8Array(8).fill(0x7f), /header should be .* bytes long/],
    ['a header that is no JSON', header('{"a"'), /header is not JSON/],
    ['a header that is a list', header('[]'), /header is not JSON/],
    ['an entry that is a number', header('{"a":1}'), /"a" of its header is not a table/],
    ['an unknown type', header(entry('[1]', '[0,4]', 'F12'), 4), /"a" has an unknown type/],
    ['a type named after a method', header(entry('[1]', '[0,4]', 'toString'), 4), /unknown type/],
    ['a negative size', header(entry('[-1]', '[0,4]'), 4), /a shape that is none/],
    ['a size of 2^60', header(entry('[1152921504606846976]', '[0,4]'), 4), /shape/],
    ['a shape that takes more', header(entry('[2]', '[0,4]'), 4), /cannot take 4 bytes/],
    ['data behind the end', header(entry('[1]', '[0,4]'), 3), /take 4 bytes, and it holds 3/],
    ['data that nobody has', header(entry('[1]', '[0,4]'), 5), /take 4 bytes, and it holds 5/],
    ['a gap', header(entry('[1]', '[4,8]'), 8), /leaves a gap/],
    ['metadata of numbers', header('{"__metadata__":{"a":1}}'), /metadata is not a table of texts/],
  ]
  it.each(hostile)('refuses %s', (_, bytes, message) => {
    expect(() => readSafetensors(sized(bytes), 'a.safetensors')).toThrow(message)
    expect(() => readSafetensors(sized(bytes), 'a.safetensors')).toThrow(/^a\.safetensors is not/)
  })

  it('reads only the header until a tensor is read', () => {
    const bytes = written(new Map<string, LazyTensor>([['a', tensorOf(1000)]]))
    let most = 0
    const source = {
      size: bytes.length,
      read: (at: number, length: number) => {
        most = Math.max(most, at + length)
        return bytes.subarray(at, at + length)
      },
    }
    readSafetensors(source, 'a.safetensors')
    expect(most).toBeLessThan(200)
  })

  const at = temporaryFolder()
  it.skipIf(!torchPython)(
    'is read and written by the original',
    () => {
      const tensors = fc.sample(randomTensors, { numRuns: 20, seed: 1 })
      for (const [i, all] of tensors.entries()) {
        const known = new Map([...all].filter(([key]) => key !== '__metadata__'))
        writeFileSync(at(`${i}.safetensors`), written(known, { format: 'pt' }))
      }
      const script = `
from safetensors import safe_open
from safetensors.torch import load_file, save_file
for i in range(${tensors.length}):
    with safe_open(f"{i}.safetensors", "pt") as f:
        assert f.metadata() == {"format": "pt"}, f.metadata()
    save_file(load_file(f"{i}.safetensors"), f"again-{i}.safetensors")
print("ok")`
      expect(runPython(torchPython!, script, at()).trim()).toBe('ok')
      for (const [i, all] of tensors.entries()) {
        const again = readSafetensors(sized(readFileSync(at(`again-${i}.safetensors`))), 'again')
        for (const [key, tensor] of all)
          if (key !== '__metadata__')
            expect(materialize(again.tensors.get(key)!)).toEqual(materialize(tensor))
      }
    },
    60_000,
  )
})

const tensorOf = (count: number): LazyTensor => ({
  dtype: 'float32',
  dims: [count],
  byteLength: 4 * count,
  read: (_, length) => new Uint8Array(length),
})
