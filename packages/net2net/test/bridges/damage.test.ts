/**
 * Files of strangers: whatever is in them, they are read or refused in one sentence, in bounded time and memory. Bytes are
 * changed, cut off, repeated and swapped, and numbers in them lie.
 */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Json, JsonObject } from '../../src/bridges/keras/json.ts'
import { readKeras } from '../../src/bridges/keras/network.ts'
import { readSafetensors, safetensorsParts } from '../../src/bridges/safetensors.ts'
import { readTorchFile, stateDictOf, torchFileParts } from '../../src/bridges/torch-file.ts'
import { readZip, zipParts } from '../../src/data/zip.ts'
import { inspect, planWiden } from '../../src/growth/index.ts'
import { float32, type LazyTensor, materialize } from '../../src/tensor/tensor.ts'
import { isDone } from '../../testing/done-or-refused.ts'
import {
  joined,
  kerasBytes,
  legacyKerasBytes,
  perceptron,
  torchBytes,
} from '../../testing/framework-files.ts'

const tensors = new Map<string, LazyTensor>([
  ['a.weight', float32([3, 2], [1, 2, 3, 4, 5, 6])],
  ['a.bias', float32([3], [7, 8, 9])],
])

/** Whoever asks for more than the file has would allocate it first. */
const within = (bytes: Uint8Array) => ({
  size: bytes.length,
  read(offset: number, length: number) {
    if (!(offset >= 0 && length >= 0 && offset + length <= bytes.length))
      throw new Error(`reads ${length} bytes at ${offset} of ${bytes.length}`)
    return bytes.subarray(offset, offset + length)
  },
})

/** What is done with a file of each format: all of it is read, changed and written again. */
const formats: Readonly<Record<string, { whole: Uint8Array; use: (bytes: Uint8Array) => void }>> = {
  keras: { whole: kerasBytes(), use: (bytes) => growKerasFile(bytes, 'a.keras') },
  h5: { whole: legacyKerasBytes(), use: (bytes) => growKerasFile(bytes, 'a.h5') },
  safetensors: {
    whole: joined(safetensorsParts(tensors, { format: 'pt' })),
    use(bytes) {
      const { tensors, metadata } = readSafetensors(within(bytes), 'a.safetensors')
      joined(safetensorsParts(tensors, metadata))
    },
  },
  pt: {
    whole: torchBytes(tensors),
    use(bytes) {
      const file = readTorchFile(within(bytes), 'a.pt')
      for (const tensor of stateDictOf(file, 'a.pt').values()) materialize(tensor)
      joined(torchFileParts(file, () => undefined, 'a'))
    },
  },
}

function growKerasFile(bytes: Uint8Array, name: string): void {
  const network = readKeras(within(bytes), name)
  const layer = inspect(network.model).layers.find(({ widen }) => widen === true)
  const grown = layer
    ? network.grow([planWiden(network.model, { [layer.name]: 'x2' }, { seed: 1 })])
    : network
  joined(grown.parts())
  for (const { tensor } of grown.model.graph.initializers.values()) materialize(tensor)
}

/** Processor time and memory are bounded, generously: tests run beside others. */
function isReadOrRefused(use: () => void): boolean {
  const { user, system } = process.cpuUsage()
  const before = process.memoryUsage()
  try {
    return isDone(use, 499)
  } finally {
    const used = process.cpuUsage({ user, system })
    expect((used.user + used.system) / 1e6).toBeLessThan(20)
    const after = process.memoryUsage()
    expect(after.arrayBuffers - before.arrayBuffers).toBeLessThan(2 ** 29)
    expect(after.heapUsed - before.heapUsed).toBeLessThan(2 ** 30)
  }
}

const lies = [0n, 1n, 0x7fffffffn, 0xffffffffn, 1n << 53n, 1n << 63n, (1n << 64n) - 1n]

/** A change of bytes: one of them, eight that are a number, or a part that is repeated, moved or cut away. */
const damage = fc.oneof(
  fc.record({ kind: fc.constant('byte' as const), at: fc.nat(), value: fc.nat(255) }),
  fc.record({ kind: fc.constant('bit' as const), at: fc.nat(), value: fc.nat(7) }),
  fc.record({
    kind: fc.constantFrom('number' as const, 'half number' as const),
    at: fc.nat(),
    value: fc.constantFrom(...lies),
  }),
  fc.record({
    kind: fc.constantFrom('repeated' as const, 'cut out' as const, 'moved' as const),
    at: fc.nat(),
    value: fc.integer({ min: 1, max: 64 }),
    to: fc.nat(),
  }),
  fc.record({ kind: fc.constant('cut off' as const), at: fc.nat() }),
)
type Damage = typeof damage extends fc.Arbitrary<infer T> ? T : never

function damaged(whole: Uint8Array, changes: readonly Damage[]): Uint8Array {
  let bytes = new Uint8Array(whole)
  for (const change of changes) {
    const at = change.at % Math.max(1, bytes.length)
    const view = new DataView(bytes.buffer)
    switch (change.kind) {
      case 'byte':
        bytes[at] = change.value
        break
      case 'bit':
        bytes[at]! ^= 1 << change.value
        break
      case 'number':
        if (at + 8 <= bytes.length) view.setBigUint64(at, change.value, true)
        break
      case 'half number':
        if (at + 4 <= bytes.length) view.setUint32(at, Number(change.value & 0xffffffffn), true)
        break
      case 'cut off':
        bytes = bytes.slice(0, at)
        break
      default: {
        const part = bytes.slice(at, at + change.value)
        const to = change.to % Math.max(1, bytes.length)
        if (change.kind === 'moved') bytes.set(part.subarray(0, bytes.length - to), to)
        else if (change.kind === 'cut out')
          bytes = Uint8Array.from([...bytes.slice(0, at), ...bytes.slice(at + change.value)])
        else bytes = Uint8Array.from([...bytes.slice(0, to), ...part, ...bytes.slice(to)])
      }
    }
  }
  return bytes
}

describe.each(Object.entries(formats))('files of %s', (_, { whole, use }) => {
  test('that are sound are read', () => {
    expect(isReadOrRefused(() => use(whole))).toBe(true)
  })

  test('that are damaged are read, or refused in one sentence', () => {
    fc.assert(
      fc.property(fc.array(damage, { minLength: 1, maxLength: 4 }), (changes) => {
        isReadOrRefused(() => use(damaged(whole, changes)))
      }),
      { numRuns: 1500 },
    )
  }, 120_000)

  test('that are cut off anywhere are refused', () => {
    for (let length = 0; length < whole.length - 8; length += 1 + Math.floor(whole.length / 200))
      expect(isReadOrRefused(() => use(whole.slice(0, length)))).toBe(false)
  })
})

describe('what Keras says of a network', () => {
  const odd = fc.oneof(
    fc.constantFrom<Json>(null, true, -1, 0, 0.5, 1e300, 2 ** 53, '', 'relu', '__proto__', [], {}),
    fc.jsonValue({ maxDepth: 2 }) as fc.Arbitrary<Json>,
  )
  /** Puts something else in the place of one value inside. */
  function replaced(value: Json, place: number, by: Json): { value: Json; left: number } {
    if (place === 0) return { value: by, left: -1 }
    let left = place - 1
    if (typeof value !== 'object' || value === null) return { value, left }
    const entries = Object.entries(value).map(([key, item]): [string, Json] => {
      if (left < 0) return [key, item]
      const inner = replaced(item as Json, left, by)
      left = inner.left
      return [key, inner.value]
    })
    return {
      value: Array.isArray(value) ? entries.map(([, item]) => item) : Object.fromEntries(entries),
      left,
    }
  }

  test('may be anything', () => {
    fc.assert(
      fc.property(fc.nat(60), odd, (place, by) => {
        const { value } = replaced(perceptron, place, by)
        const model = value as JsonObject
        isReadOrRefused(() => growKerasFile(kerasBytes(model), 'a.keras'))
        isReadOrRefused(() => growKerasFile(legacyKerasBytes(model), 'a.h5'))
      }),
      { numRuns: 1000 },
    )
  }, 120_000)

  test('may be nested without end', () => {
    const nest = (text: string, depth: number) => text.repeat(depth)
    const deep = 100_000
    const model = `${nest('{"class_name":"Sequential","config":{"name":"a","layers":[', deep)}${nest(']}}', deep)}`
    const list = `{"class_name":"Sequential","config":{"layers":${nest('[', deep)}${nest(']', deep)}}}`
    const weights = 'model.weights.h5'
    const stored = readZip(within(kerasBytes()), 'a.keras').get(weights)!
    for (const config of [model, list]) {
      const data = new TextEncoder().encode(config)
      const bytes = joined(
        zipParts([
          {
            name: 'config.json',
            data: { byteLength: data.length, read: (at, n) => data.subarray(at, at + n) },
          },
          { name: weights, data: { byteLength: stored.size, ...stored } },
        ]),
      )
      expect(isReadOrRefused(() => growKerasFile(bytes, 'a.keras'))).toBe(false)
    }
  })
})

describe('pickles', () => {
  const archive = (pickle: Uint8Array) => {
    const member = (name: string, data: Uint8Array) => ({
      name,
      data: { byteLength: data.length, read: (at: number, n: number) => data.subarray(at, at + n) },
    })
    return joined(zipParts([member('a/data.pkl', pickle), member('a/data/0', new Uint8Array(16))]))
  }
  const code = (...parts: readonly (string | number | Uint8Array)[]) =>
    Buffer.concat(
      parts.map((part) =>
        typeof part === 'string'
          ? Buffer.from(part, 'latin1')
          : typeof part === 'number'
            ? Buffer.of(part)
            : part,
      ),
    )
  const use = (pickle: Uint8Array) => formats.pt!.use(archive(pickle))

  test('of calls within calls, lists within lists and endless stacks are refused', () => {
    const deep = 300_000
    const parameter = 'ctorch._utils\n_rebuild_parameter\n'
    for (const pickle of [
      // A parameter of a parameter of a parameter …, and tuples of tuples.
      code('\x80\x02}U\x01a', parameter.repeat(deep), 'N', '\x85R'.repeat(deep), 's.'),
      code('\x80\x02}U\x01aN', '\x85'.repeat(deep), 's.'),
      code('\x80\x02', '('.repeat(20_000_000)),
      code('\x80\x02', 'K\x01'.repeat(15_000_000), '.'),
      code('\x80\x02\x8b', '\xff\xff\xff\x7f', '.'),
      code('\x80\x04\x8d', '\xff'.repeat(8), '.'),
    ])
      expect(isReadOrRefused(() => use(pickle))).toBe(false)
  }, 60_000)

  test('of tensors that one number fills are refused where they claim gigabytes', () => {
    const big = (n: number) =>
      code('\x8a\x05', n & 255, (n >> 8) & 255, (n >> 16) & 255, (n >> 24) & 255, 0)
    const storage = '(U\x07storagectorch\nFloatStorage\nU\x010U\x03cpuK\x04tQ'
    const pickle = code(
      '\x80\x02}U\x01actorch._utils\n_rebuild_tensor_v2\n(',
      storage,
      'K\x00',
      ...[big(0x40000000), '\x85', 'K\x00', '\x85'],
      '\x89}tRs.',
    )
    expect(isReadOrRefused(() => use(pickle))).toBe(false)
  })
})
