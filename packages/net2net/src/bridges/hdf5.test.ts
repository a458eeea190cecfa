import { readFileSync, writeFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { kerasPython, runPython } from '../../testing/python.ts'
import { randomTensors } from '../../testing/random-tensors.ts'
import { temporaryFolder } from '../../testing/temporary-folder.ts'
import { float32, materialize, toNumbers } from '../tensor/tensor.ts'
import { type Hdf5Group, type Hdf5Object, readHdf5, textOf, textsOf } from './hdf5-read.ts'
import { hdf5Parts } from './hdf5-write.ts'

const sized = (bytes: Uint8Array) => ({
  size: bytes.length,
  read: (at: number, length: number) => bytes.subarray(at, at + length),
})
const written = (root: Hdf5Group) =>
  new Uint8Array(Buffer.concat(hdf5Parts(root).map((part) => part.read(0, part.byteLength))))
const group = (children: Record<string, Hdf5Object>): Hdf5Group => ({
  kind: 'group',
  attributes: new Map(),
  children: new Map(Object.entries(children)),
})

/** Groups with data, texts and attributes, some of them large. */
const randomGroup: fc.Arbitrary<Hdf5Group> = fc.letrec<{ group: Hdf5Group; object: Hdf5Object }>(
  (tie) => ({
    object: fc.oneof(
      { maxDepth: 3 },
      fc.record({
        kind: fc.constant('dataset' as const),
        attributes: fc.constant(new Map()),
        value: randomTensors.map((tensors) => ({
          kind: 'numbers' as const,
          tensor: [...tensors.values()][0] ?? float32([2], [1, 2]),
        })),
      }),
      tie('group'),
    ),
    group: fc.record({
      kind: fc.constant('group' as const),
      attributes: fc
        .dictionary(
          fc.stringMatching(/^[a-z_]{1,9}$/),
          fc.array(fc.string({ unit: 'grapheme' }), { maxLength: 3 }),
        )
        .map(
          (all) =>
            new Map(
              Object.entries(all).map(([name, texts]) => {
                // A text of fixed length ends at its first zero.
                const clean = texts.map((text) => text.replaceAll('\0', ''))
                return [name, { kind: 'texts' as const, dims: [clean.length], texts: clean }]
              }),
            ),
        ),
      children: fc
        .dictionary(fc.stringMatching(/^[a-zA-Z0-9_]{1,20}$/), tie('object'), { maxKeys: 12 })
        .map((all) => new Map(Object.entries(all))),
    }),
  }),
).group

/** A group as plain data, to be compared. */
const plain = (object: Hdf5Object): unknown =>
  object.kind === 'group'
    ? {
        attributes: new Map([...object.attributes].map(([k, v]) => [k, textsOf(v)])),
        children: new Map([...object.children].map(([k, v]) => [k, plain(v)])),
      }
    : object.value.kind === 'numbers'
      ? materialize(object.value.tensor)
      : object.value.texts

describe('HDF5', () => {
  it('reads what it wrote', () => {
    fc.assert(
      fc.property(randomGroup, (root) => {
        expect(plain(readHdf5(sized(written(root)), 'a.h5'))).toEqual(plain(root))
      }),
    )
  })

  it('holds groups of thousands', () => {
    const children = Object.fromEntries(
      Array.from({ length: 3000 }, (_, i) => [
        `layer_${i}`,
        {
          kind: 'dataset',
          attributes: new Map(),
          value: { kind: 'numbers', tensor: float32([1], [i]) },
        } as const,
      ]),
    )
    const read = readHdf5(sized(written(group(children))), 'a.h5')
    expect(read.children.size).toBe(3000)
  })

  const at = temporaryFolder()
  it.skipIf(!kerasPython)(
    'reads what h5py writes',
    () => {
      runPython(
        kerasPython!,
        `
import h5py, numpy as np
with h5py.File("a.h5", "w") as f:
    f.attrs["version"] = "3.15"
    f.attrs["names"] = [b"conv1", b"a longer name"]
    f.attrs["unicode"] = np.array(["ä", "日本"], dtype=h5py.string_dtype())
    f.attrs["number"] = 7
    for i in range(300):
        g = f.create_group(f"layers/dense_{i}/vars")
        g.attrs["name"] = f"layer {i}"
        g["0"] = np.full((2, 3), i, "float32")
        g["1"] = np.arange(3, dtype="float16") + i
    for t in ["float64", "int8", "uint16", "int64", "bool"]:
        f["types/" + t] = np.array([1, 0, 1]).astype(t)
    f["scalar"] = np.float32(2.5)
    f["text"] = "hello"
    f["empty"] = np.zeros((0, 4), "float32")`,
        at(),
      )
      const root = readHdf5(sized(readFileSync(at('a.h5'))), 'a.h5')
      expect(textOf(root.attributes.get('version'))).toBe('3.15')
      expect(textsOf(root.attributes.get('names'))).toEqual(['conv1', 'a longer name'])
      expect(textsOf(root.attributes.get('unicode'))).toEqual(['ä', '日本'])
      const find = (...path: string[]) =>
        path.reduce<Hdf5Object>((object, name) => (object as Hdf5Group).children.get(name)!, root)
      const numbers = (...path: string[]) => {
        const object = find(...path)
        if (object.kind !== 'dataset' || object.value.kind !== 'numbers')
          throw new Error('no numbers')
        return object.value.tensor
      }
      for (const i of [0, 7, 299]) {
        expect(textOf(find('layers', `dense_${i}`, 'vars').attributes.get('name'))).toBe(
          `layer ${i}`,
        )
        expect(toNumbers(numbers('layers', `dense_${i}`, 'vars', '0'))).toEqual(Array(6).fill(i))
        expect(numbers('layers', `dense_${i}`, 'vars', '0').dims).toEqual([2, 3])
        expect(numbers('layers', `dense_${i}`, 'vars', '1').dtype).toBe('float16')
      }
      expect((find('layers') as Hdf5Group).children.size).toBe(300)
      for (const type of ['float64', 'int8', 'uint16', 'int64'])
        expect(numbers('types', type)).toMatchObject({ dtype: type })
      expect(toNumbers(numbers('types', 'bool'))).toEqual([1, 0, 1])
      expect(toNumbers(numbers('scalar'))).toEqual([2.5])
      expect(numbers('empty').dims).toEqual([0, 4])
      const text = find('text')
      expect(text.kind === 'dataset' && textOf(text.value)).toBe('hello')
    },
    60_000,
  )

  it.skipIf(!kerasPython)(
    'writes what h5py reads',
    () => {
      // Texts longer than an attribute: the config of a large model, and the names of its layers.
      const texts = ['config', 'ä日本'.repeat(20_000), ...Array(3000).fill('layer')]
      const long = { kind: 'texts' as const, dims: [], texts: [texts[1]!] }
      const list = { kind: 'texts' as const, dims: [texts.length], texts }
      const large = {
        ...group({}),
        attributes: new Map([
          ['long', long],
          ['list', list],
        ]),
      }
      expect(plain(readHdf5(sized(written(large)), 'a.h5'))).toEqual(plain(large))
      const samples = [large, ...fc.sample(randomGroup, { numRuns: 20, seed: 5 })]
      for (const [i, root] of samples.entries()) writeFileSync(at(`${i}.h5`), written(root))
      runPython(
        kerasPython!,
        `
import h5py
def copy(a, b):
    for k, v in a.attrs.items(): b.attrs[k] = v
    for k, v in a.items():
        if isinstance(v, h5py.Group): copy(v, b.create_group(k))
        else: b[k] = v[...]
for i in range(${samples.length}):
    with h5py.File(f"{i}.h5", "r") as a, h5py.File(f"again-{i}.h5", "w") as b: copy(a, b)`,
        at(),
      )
      const isPlain = (object: Hdf5Object): boolean =>
        object.kind === 'group'
          ? [...object.children.values()].every(isPlain)
          : object.value.kind === 'numbers' && object.value.tensor.dtype !== 'bfloat16'
      for (const [i, root] of samples.entries())
        if (isPlain(root))
          expect(plain(readHdf5(sized(readFileSync(at(`again-${i}.h5`))), 'a.h5'))).toEqual(
            plain(root),
          )
    },
    60_000,
  )

  it('refuses what it does not know, and damaged files, in one sentence', () => {
    const whole = written(
      group({
        layers: group({
          dense: {
            kind: 'dataset',
            attributes: new Map(),
            value: { kind: 'numbers', tensor: float32([2, 2], [1, 2, 3, 4]) },
          },
          text: {
            kind: 'dataset',
            attributes: new Map(),
            value: { kind: 'texts', dims: [1], texts: ['a'] },
          },
        }),
      }),
    )
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { minLength: 1, maxLength: 6 }),
        fc.option(fc.nat(whole.length)),
        (changes, length) => {
          const bytes = new Uint8Array(whole.subarray(0, length ?? whole.length))
          for (const [place, value] of changes) if (place < bytes.length) bytes[place] = value
          try {
            plain(readHdf5(sized(bytes), 'a.h5'))
          } catch (error) {
            expect(error).toMatchObject({ name: 'Net2NetError', kind: 'input' })
          }
        },
      ),
      { numRuns: 5000 },
    )
    expect(() => readHdf5(sized(new Uint8Array(200)), 'a.h5')).toThrow(
      /a\.h5 cannot be read as HDF5: it is not/,
    )
  })
})
