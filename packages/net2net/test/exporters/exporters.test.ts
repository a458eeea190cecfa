/**
 * Networks that PyTorch exports in ways that people use: every layer that could grow exactly does, and computes the same. The tool
 * `exported-models` does the same with all networks and all ways.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { load } from '../../src/index.ts'
import { runPythonFile, torchPython } from '../../testing/python.ts'
import { type GrowthResult, grow, growthsOf, Teacher } from '../real-models/grow-layers.ts'

/** By network and way: its layers, how many are widened and deepened, and why not the others. */
const expected: Readonly<Record<string, readonly [number, number, number, RegExp]>> = {
  // Average pooling as a Gather of everything, with a dynamic batch, height and width.
  'convnext.d20-dynamic': [5, 4, 5, /reach graph output/],
  // Functions, sequences and sizes as they come, with a tied head.
  'nano.d22-raw-dynamic': [11, 10, 9, /reach graph output|an embedding is a lookup/],
  // Weights of experts, gathered for each token.
  'experts.d18.': [3, 1, 3, /reach graph output|normalizes over it/],
  // Attention and rotary positions as operators, and as nodes.
  'rotary.d23-dynamic': [9, 8, 8, /reach graph output|an embedding is a lookup/],
  'yolo.d23-dynamic': [8, 7, 8, /fixes it to size one/],
  'unet-interpolated.d20-dynamic': [6, 5, 6, /reach graph output/],
  'audio.d18-external': [7, 6, 7, /reach graph output/],
  'mobilenet.half': [7, 6, 7, /reach graph output/],
}

describe.skipIf(!torchPython)('networks as PyTorch exports them', () => {
  let folder: string
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'net2net-exporters-'))
    const script = fileURLToPath(new URL('./exported_models.py', import.meta.url))
    const said = runPythonFile(torchPython!, script, folder, '.', ...Object.keys(expected))
    expect(said).not.toMatch(/"error"/)
  }, 300_000)
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  test.each(Object.entries(expected))(
    '%s',
    async (name, [layers, widened, deepened, reasons]) => {
      using model = await load(join(folder, `${name.replace(/\.$/, '')}.onnx`))
      const teacher = new Teacher(model)
      const results: GrowthResult[] = []
      for (const growth of growthsOf(model)) {
        const result = await grow(teacher, growth, { samples: 1 })
        const again = result.notThisWidth && growth.kind === 'widen'
        results.push(again ? await grow(teacher, { ...growth, width: 'x2' }) : result)
      }
      await teacher.release()
      const of = (kind: string) => results.filter((result) => result.kind === kind)
      const grown = (kind: string) => of(kind).filter(({ equal }) => equal === true).length
      expect([of('widen').length, grown('widen'), grown('deepen')]).toEqual([
        layers,
        widened,
        deepened,
      ])
      for (const { refusal } of results) if (refusal !== undefined) expect(refusal).toMatch(reasons)
    },
    120_000,
  )
})
