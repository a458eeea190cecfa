/** Attention of transformers, as PyTorch exports it, grows by heads, by heads of keys and values, and by their size. */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { compare } from '../../src/check/compare.ts'
import { inspect, widen } from '../../src/growth/index.ts'
import { decodeModel } from '../../src/onnx/decode.ts'
import { runPythonFile, torchPython } from '../../testing/python.ts'
import { temporaryFolder } from '../../testing/temporary-folder.ts'

const inFolder = temporaryFolder()
const script = fileURLToPath(new URL('heads.py', import.meta.url))

/** Heads, those of keys and values, and their size. */
const sizes: Readonly<Record<string, readonly [number, number, number]>> = {
  gpt2: [4, 4, 6],
  bert: [4, 4, 6],
  llama: [4, 2, 6],
  qwen3: [4, 2, 8],
  neox: [4, 4, 6],
  bloom: [4, 4, 6],
  t5: [4, 4, 6],
  swin: [2, 2, 6],
}

test.skipIf(!torchPython)(
  'attention of transformers grows by heads and by their size',
  async () => {
    const names = JSON.parse(runPythonFile(torchPython!, script, inFolder('.'))) as string[]
    expect(names).toHaveLength(Object.keys(sizes).length + 2)
    for (const name of names) {
      const model = decodeModel(readFileSync(inFolder(`${name}.onnx`)))
      const [heads, shared, size] = sizes[name.split('.')[0]!]!
      const [attention] = inspect(model).attentions
      expect(attention, name).toMatchObject({ heads, keyValueHeads: shared, headSize: size })
      const grown = (measure: string, wanted: number) =>
        widen(model, { [`${attention!.name}.${measure}`]: wanted }, { seed: 1 })
      const sizesOf = (wider: typeof model) => {
        const found = inspect(wider).attentions[0]!
        return [found.heads, found.keyValueHeads, found.headSize]
      }
      const more = grown('heads', heads + shared)
      expect(sizesOf(more), name).toEqual([
        heads + shared,
        shared < heads ? shared : 2 * heads,
        size,
      ])
      const groups = grown('key-value-heads', shared + 1)
      expect(sizesOf(groups), name).toEqual([(heads / shared) * (shared + 1), shared + 1, size])
      // The norms of Qwen's queries and keys want equally many copies.
      const larger = grown('head-size', name.startsWith('qwen3') ? 2 * size : size + 2)
      for (const wider of [more, groups, larger])
        expect(await compare(model, wider), name).toMatchObject({ equal: true })
    }
  },
  300_000,
)
