/** Files of Keras: read as ONNX models, grown, and loaded by Keras again. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { growKeras } from '../../src/bridges/keras/grow-keras.ts'
import { kerasParts, readKerasFile } from '../../src/bridges/keras/keras-file.ts'
import { kerasToModel } from '../../src/bridges/keras/to-model.ts'
import { decodeNpz } from '../../src/data/npy.ts'
import { type GrowthPlan, inspect, planWiden } from '../../src/growth/index.ts'
import { encodeModel } from '../../src/onnx/encode.ts'
import { nodeRuntime } from '../../src/runtime/onnxruntime.node.ts'
import { toNumbers } from '../../src/tensor/tensor.ts'
import { kerasPython } from '../../testing/python.ts'

const script = fileURLToPath(new URL('./keras_networks.py', import.meta.url))
let folder: string
const at = (name: string) => join(folder, name)
const python = (...args: string[]) =>
  execFileSync(kerasPython!, [script, ...args], {
    cwd: folder,
    encoding: 'utf8',
    maxBuffer: 1 << 26,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, TF_CPP_MIN_LOG_LEVEL: '3' },
  })
const open = (name: string) => {
  const bytes = readFileSync(at(name))
  return readKerasFile(
    { size: bytes.length, read: (from, length) => bytes.subarray(from, from + length) },
    name,
  )
}

const names = ['example', 'residual', 'sequence', 'decoder'] as const
const formats = ['keras', 'h5'] as const
/** Every layer that may be widened is, to a width that is no multiple. */
const widen = (name: string) => {
  const file = open(name)
  const network = kerasToModel(file)
  const grown: Record<string, number> = {}
  let plan: GrowthPlan | undefined
  for (const { name: layer, widen, width } of inspect(network.model).layers)
    for (const wider of widen === true && width !== null ? [Math.ceil(1.6 * width), 2 * width] : [])
      try {
        const next = planWiden(network.model, { ...grown, [layer]: wider }, { seed: 1 })
        growKeras({ file, network }, next)
        plan = next
        grown[layer] = wider
        break
      } catch {
        // Layers of one channel group cannot have different widths, some widths must be multiples, and a layer that
        // is called twice cannot become two.
      }
  if (!plan) throw new Error(`Nothing of ${name} can be widened.`)
  return { file, network, plan, grown }
}

interface Loaded {
  readonly difference: number
  /** Only of files that Keras trains on from. */
  readonly losses?: readonly [readonly number[], readonly number[]]
  readonly iterations?: number
}

describe.skipIf(!kerasPython)('files of Keras', () => {
  const cases = names.flatMap((name) => formats.map((format) => `${name}.${format}`))
  let loaded: readonly Loaded[] = []
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'net2net-keras-'))
    python('make')
    for (const each of cases) {
      const { file, network, plan } = widen(each)
      const parts = kerasParts(growKeras({ file, network }, plan).file)
      writeFileSync(
        at(`grown-${each}`),
        Buffer.concat(parts.map((part) => part.read(0, part.byteLength))),
      )
    }
    const tasks = cases.map((each) => [each.split('.')[0], `grown-${each}`])
    const printed = python('load', JSON.stringify(tasks))
    loaded = JSON.parse(printed.trim().split('\n').at(-1)!) as readonly Loaded[]
  }, 300_000)
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  test.each(cases)('%s predicts in ONNX Runtime what it predicts in Keras', async (each) => {
    const { model } = kerasToModel(open(each))
    const { x, y } = Object.fromEntries(decodeNpz(readFileSync(at(`${each.split('.')[0]}.npz`))))
    const session = await nodeRuntime.createSession(encodeModel(model))
    const [input, output] = [model.graph.inputs[0]!.name, model.graph.outputs[0]!.name]
    const result = await session.run({ [input]: x! })
    const [ours, theirs] = [toNumbers(result[output]!), toNumbers(y!)]
    await session.release()
    expect(ours.length).toBe(theirs.length)
    ours.forEach((value, i) => {
      expect(Math.abs(value - theirs[i]!)).toBeLessThan(1e-5)
    })
  })

  test.each(cases.map((each, i) => [each, i] as const))(
    '%s, widened, is loaded by Keras, predicts the same, and trains on from its state',
    (_, i) => {
      const { difference, losses, iterations } = loaded[i]!
      expect(difference).toBeLessThan(1e-5)
      if (!losses) return
      expect(iterations).toBe(6)
      const [before, after] = losses
      before.forEach((loss, k) => {
        expect(Math.abs(after[k]! - loss)).toBeLessThan((k === 0 ? 1e-5 : 1e-3) * Math.max(loss, 1))
      })
    },
  )

  test('a layer that is called twice is refused where its calls would grow apart', () => {
    const file = open('residual.keras')
    const network = kerasToModel(file)
    const plan = planWiden(network.model, { 'inner/a': 8 }, { seed: 1 })
    expect(() => growKeras({ file, network }, plan)).toThrow(
      /"layers\/dense\/vars\/0" of residual\.keras is one tensor for 2 uses/,
    )
  })

  test('damaged at random are refused in one sentence, or read', () => {
    for (const name of ['residual.keras', 'residual.h5']) {
      const whole = readFileSync(at(name))
      const changes = fc.tuple(fc.nat(whole.length - 1), fc.nat(255))
      fc.assert(
        fc.property(
          fc.array(changes, { minLength: 1, maxLength: 8 }),
          fc.option(fc.nat(whole.length)),
          (all, length) => {
            const bytes = new Uint8Array(whole.subarray(0, length ?? whole.length))
            for (const [place, value] of all) if (place < bytes.length) bytes[place] = value
            const read = (from: number, size: number) => bytes.subarray(from, from + size)
            try {
              kerasToModel(readKerasFile({ size: bytes.length, read }, name))
            } catch (error) {
              expect(error).toMatchObject({ name: 'Net2NetError' })
              expect((error as { kind: string }).kind).toMatch(/^(input|refused)$/)
            }
          },
        ),
        { numRuns: 1000 },
      )
    }
  }, 120_000)

  test('layers are known by their names, those of models in the model by both', () => {
    expect(
      inspect(kerasToModel(open('residual.keras')).model).layers.map(({ name }) => name),
    ).toEqual([
      'stem',
      'dw',
      'inner/a',
      'sep/depthwise',
      'sep',
      'shared',
      'shared@2',
      'wide',
      'out',
    ])
  })
})
