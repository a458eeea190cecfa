import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { float32, Tensor } from '../tensor/tensor.ts'
import { decodeNpy, decodeNpz, encodeNpy, encodeNpz } from './npy.ts'

const python = '/usr/bin/python3'
const numpy = (() => {
  try {
    if (existsSync(python)) execFileSync(python, ['-c', 'import numpy'], { stdio: 'ignore' })
    return existsSync(python)
  } catch {
    return false
  }
})()
const run = (code: string) => execFileSync(python, ['-c', code], { encoding: 'utf8' })

const tensors = fc.array(fc.integer({ min: 0, max: 5 }), { maxLength: 3 }).chain((dims) =>
  fc
    .array(fc.float({ noNaN: true }), {
      minLength: dims.reduce((a, b) => a * b, 1),
      maxLength: dims.reduce((a, b) => a * b, 1),
    })
    .map((values) => float32(dims, values)),
)

describe('NPY', () => {
  test('what is encoded is decoded', () => {
    fc.assert(
      fc.property(tensors, (tensor) => {
        const bytes = encodeNpy(tensor)
        expect(decodeNpy(bytes)).toEqual(tensor)
        expect((bytes.length - tensor.byteLength) % 64).toBe(0)
      }),
    )
  })

  test('every proper prefix of a file is refused', () => {
    const bytes = encodeNpy(float32([2, 3], [1, 2, 3, 4, 5, 6]))
    for (let length = 0; length < bytes.length; length++)
      expect(() => decodeNpy(bytes.subarray(0, length))).toThrow(
        expect.objectContaining({ kind: 'input' }),
      )
    expect(() => decodeNpy(new Uint8Array([...bytes, 0]))).toThrow(/too long/)
  })

  test('an array of objects is refused', () => {
    const text = "{'descr': '|O', 'fortran_order': False, 'shape': (1,), }"
    const bytes = new Uint8Array(10 + text.length)
    bytes.set([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, text.length, 0])
    bytes.set(new TextEncoder().encode(text), 10)
    expect(() => decodeNpy(bytes, 'x.npy')).toThrow(/x\.npy does not hold an array of numbers/)
  })
})

describe('NPZ', () => {
  test('what is encoded is decoded', () => {
    const arrays = new Map<string, Tensor>([
      ['x', float32([2, 2], [1, 2, 3, 4])],
      ['y', new Tensor('int64', [2], BigInt64Array.from([5n, -6n]))],
    ])
    expect(decodeNpz(encodeNpz(arrays))).toEqual(arrays)
  })

  test('a file that is no archive is refused', () => {
    expect(() => decodeNpz(new Uint8Array(100), 'a.npz')).toThrow(
      expect.objectContaining({ kind: 'input', message: expect.stringMatching(/^a\.npz is not/) }),
    )
  })
})

describe.skipIf(!numpy)('against NumPy', () => {
  const folder = mkdtempSync(join(tmpdir(), 'npy-'))

  test('reads what NumPy writes: types, byte orders, Fortran order', () => {
    run(`
import numpy as np
base = np.arange(24).reshape(2, 3, 4)
for d in ['<f4', '>f4', '<f8', '>i2', '<i8', '|u1', '|b1', '>u4']:
    np.save('${folder}/' + d.strip('<>|') + ('b' if '>' in d else 'l') + '.npy', base.astype(d))
np.save('${folder}/fortran.npy', np.asfortranarray(base.astype('<f4')))
np.save('${folder}/scalar.npy', np.float32(7))
np.savez('${folder}/plain.npz', x=base.astype('f4'), y=np.arange(2))
np.savez_compressed('${folder}/packed.npz', x=base.astype('f4'), y=np.arange(2))
`)
    const values = Array.from({ length: 24 }, (_, i) => i)
    for (const name of ['f4l', 'f4b', 'f8l', 'i2b', 'i8l', 'u1l', 'u4b', 'fortran']) {
      const tensor = decodeNpy(readFileSync(join(folder, `${name}.npy`)))
      expect(tensor.dims).toEqual([2, 3, 4])
      expect(Array.from(tensor.data as Float32Array, Number)).toEqual(values)
    }
    expect(decodeNpy(readFileSync(join(folder, 'b1l.npy'))).dtype).toBe('bool')
    expect(decodeNpy(readFileSync(join(folder, 'scalar.npy')))).toEqual(float32([], [7]))
    for (const name of ['plain', 'packed']) {
      const arrays = decodeNpz(readFileSync(join(folder, `${name}.npz`)))
      expect([...arrays.keys()].sort()).toEqual(['x', 'y'])
      expect(Array.from(arrays.get('x')!.data as Float32Array)).toEqual(values)
    }
  })

  test('NumPy reads what we write', () => {
    writeFileSync(join(folder, 'ours.npy'), encodeNpy(float32([2, 3], [1, 2, 3, 4, 5, 6.5])))
    writeFileSync(
      join(folder, 'ours.npz'),
      encodeNpz(new Map([['a', float32([3], [1, 2, 3]) as Tensor]])),
    )
    const text = run(`
import numpy as np
a = np.load('${folder}/ours.npy')
print(a.dtype, a.shape, a.tolist(), np.load('${folder}/ours.npz')['a'].tolist())`)
    expect(text.trim()).toBe('float32 (2, 3) [[1.0, 2.0, 3.0], [4.0, 5.0, 6.5]] [1.0, 2.0, 3.0]')
  })
})
