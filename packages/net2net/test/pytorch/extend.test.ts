/** Extension, and widths that are no multiples, of networks that PyTorch exported. */
import { expect, test } from 'vitest'
import { compare } from '../../src/check/compare.ts'
import { extend, widen } from '../../src/growth/index.ts'
import type { Model } from '../../src/model/model.ts'
import { decodeModel } from '../../src/onnx/decode.ts'
import { torchPython } from '../../testing/python.ts'
import { withTorch } from './torch.ts'

/** What is done to each network, and the verdict on it. */
const growths: Readonly<
  Record<string, readonly [verdict: true | 'kept', (model: Model) => Model][]>
> = {
  tied: [
    ['kept', (model) => extend(model, { vocabulary: '+6' })],
    [true, (model) => extend(model, { positions: 4 }, { start: 'random' })],
    [true, (model) => widen(model, { 'wpe.weight': 30 })],
  ],
  untied: [['kept', (model) => extend(model, { vocabulary: 6 }, { start: 'like:3' })]],
  segmentation: [
    [
      'kept',
      (model) =>
        extend(model, { outputs: { [model.graph.outputs[0]!.name]: 2 }, inputs: { x: 1 } }),
    ],
  ],
  several: [['kept', (model) => extend(model, { outputs: { [model.graph.outputs[0]!.name]: 3 } })]],
  scaled: [['kept', (model) => extend(model, { inputs: { x: 2 } })]],
  ...Object.fromEntries(
    ['layer-norm', 'layer-norm-in-parts', 'rms-norm', 'rms-norm-after', 'rms-norm-in-parts'].map(
      (name) => [name, [[true, (model: Model) => widen(model, { 'stem.weight': 27 })]]] as const,
    ),
  ),
}

test.skipIf(!torchPython)(
  'networks of PyTorch keep what they computed',
  async () => {
    await withTorch(
      'extend.py',
      {},
      [],
      async ({ printed, file }) => {
        const files = printed as readonly string[]
        expect(files.length).toBeGreaterThanOrEqual(12)
        for (const name of files) {
          const model = decodeModel(file(name))
          const [kind] = name.split('.') as [string]
          if (kind === 'layer-norm-after') {
            expect(() => widen(model, { 'stem.weight': 27 }), name).toThrow(
              /none can be added: LayerNormalization/,
            )
            continue
          }
          for (const [verdict, grow] of growths[kind]!) {
            const { equal, notExercised } = await compare(model, grow(model))
            expect(equal, `${name}: ${notExercised}`).toBe(verdict)
          }
        }
      },
      torchPython,
    )
  },
  240_000,
)
