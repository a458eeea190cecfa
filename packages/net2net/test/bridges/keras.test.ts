/** Files of Keras: read as ONNX models, grown, and loaded by Keras again. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { growKeras } from '../../src/bridges/keras/grow-keras.ts'
import { openKeras } from '../../src/bridges/keras/keras.node.ts'
import { kerasParts, readKerasFile } from '../../src/bridges/keras/keras-file.ts'
import type { KerasState } from '../../src/bridges/keras/keras-state.ts'
import { kerasToModel } from '../../src/bridges/keras/to-model.ts'
import { compare } from '../../src/check/compare.ts'
import { decodeNpz } from '../../src/data/npy.ts'
import { Net2NetError } from '../../src/errors.ts'
import { inspect, planDeepen, planWiden } from '../../src/growth/index.ts'
import { encodeModel } from '../../src/onnx/encode.ts'
import { nodeRuntime } from '../../src/runtime/onnxruntime.node.ts'
import { toNumbers } from '../../src/tensor/tensor.ts'
import { kerasPython } from '../../testing/python.ts'
import { PythonProcess } from '../../testing/python-process.ts'

const script = fileURLToPath(new URL('./keras_networks.py', import.meta.url))
let folder: string
const at = (name: string) => join(folder, name)
const interpreter = new PythonProcess(kerasPython)
const python = (...args: string[]) => interpreter.file(script, folder, ...args)
const open = (name: string) => {
  const bytes = readFileSync(at(name))
  return readKerasFile(
    { size: bytes.length, read: (from, length) => bytes.subarray(from, from + length) },
    name,
  )
}

const names = [
  ...['example', 'residual', 'sequence', 'decoder'],
  ...['blocks', 'transformer', 'text', 'unet', 'siamese'],
]
/** Layers that are deepened first. */
const deepened: Readonly<Record<string, readonly string[]>> = {
  example: ['conv2', 'fc1'],
  residual: ['inner/a', 'wide'],
  sequence: ['conv', 'pointwise'],
  decoder: ['d1', 'c1'],
  blocks: ['c0', 'c1a'],
  transformer: ['up1', 'down2'],
  text: ['fc'],
  unet: ['down2', 'up2b'],
  siamese: ['mix', 'out'],
}
const formats = ['keras', 'h5'] as const
/** Some layers are deepened, and every layer that may be is widened to a width that is no multiple. */
function grow(name: string): KerasState {
  const file = open(name)
  const start = { file, network: kerasToModel(file) }
  const layers = deepened[name.split('.')[0]!]!
  // A new normalization takes the statistics of its batch in training: only blocks leave the losses as they were.
  const block = /^blocks/.test(name) ? 'residual' : 'identity'
  let state = growKeras(start, planDeepen(start.network.model, layers, { seed: 3, block }))
  let count = 0
  for (const { name: layer, widen, width } of inspect(state.network.model).layers)
    for (const wider of widen === true && width !== null ? [Math.ceil(1.6 * width), 2 * width] : [])
      try {
        state = growKeras(state, planWiden(state.network.model, { [layer]: wider }, { seed: 1 }))
        count++
        break
      } catch (error) {
        // Layers of one channel group have grown already, some widths must be multiples, and a layer that is called
        // twice cannot become two.
        if (!(error instanceof Net2NetError)) throw error
      }
  if (count < 3) throw new Error(`Only ${count} layers of ${name} can be widened.`)
  return state
}

const write = (name: string, { file }: KerasState) =>
  writeFileSync(
    at(name),
    Buffer.concat(kerasParts(file).map((part) => part.read(0, part.byteLength))),
  )

interface Loaded {
  readonly difference: number
  /** Only of files that Keras trains on from. */
  readonly losses?: readonly [readonly number[], readonly number[]]
  readonly iterations?: number
}

describe.skipIf(!kerasPython)('files of Keras', () => {
  const cases = names.flatMap((name) => formats.map((format) => `${name}.${format}`))
  // Keras 3.15 does not open an .h5 file of a network with operations, which compute masks and sums, not even its own.
  const opened = cases.filter((each) => !/^(text|transformer)\.h5$/.test(each))
  let loaded: readonly Loaded[] = []
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'net2net-keras-'))
    await python('make')
    for (const each of opened) write(`grown-${each}`, grow(each))
    const tasks = opened.map((each) => [each.split('.')[0], `grown-${each}`])
    const printed = await python('load', JSON.stringify(tasks))
    loaded = JSON.parse(printed.trim().split('\n').at(-1)!) as readonly Loaded[]
  }, 300_000)
  afterAll(() => {
    interpreter.close()
    rmSync(folder, { recursive: true, force: true })
  })

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

  test.each(opened.map((each, i) => [each, i] as const))(
    '%s, deepened and widened, is loaded by Keras, predicts the same, and trains on from its state',
    (_, i) => {
      const { difference, losses, iterations } = loaded[i]!
      expect(difference).toBeLessThan(1e-5)
      if (!losses) return
      expect(iterations).toBe(6)
      const [before, after] = losses
      before.forEach((loss, k) => {
        expect(Math.abs(after[k]! - loss)).toBeLessThan((k === 0 ? 1e-4 : 1e-2) * Math.max(loss, 1))
      })
    },
  )

  test('the state of every optimizer grows with wider layers and makes room for new ones', async () => {
    const optimizers = [
      ...['sgd', 'momentum', 'adam', 'schedule', 'average', 'accumulated', 'nadam', 'adamax'],
      ...['adagrad', 'adadelta', 'rmsprop', 'lion', 'lamb', 'muon', 'free', 'scaled'],
    ]
    for (const name of optimizers) {
      const file = open(`${name}.keras`)
      const start = { file, network: kerasToModel(file) }
      const deeper = growKeras(start, planDeepen(start.network.model, ['conv', 'fc'], { seed: 3 }))
      const widths = { conv: 14, fc: 13, embed: 9 }
      write(
        `grown-${name}.keras`,
        growKeras(deeper, planWiden(deeper.network.model, widths, { seed: 1, noise: 'none' })),
      )
    }
    const tasks = optimizers.map((name) => [name, `grown-${name}.keras`])
    const printed = await python('state', JSON.stringify(tasks))
    const wrong = JSON.parse(printed.trim().split('\n').at(-1)!)
    expect(Object.fromEntries(optimizers.map((name, i) => [name, wrong[i]]))).toEqual(
      Object.fromEntries(optimizers.map((name) => [name, []])),
    )
  }, 120_000)

  test.each([
    ['adafactor', /"Adafactor" .* cannot be grown: it keeps sums over the rows/],
    ['ftrl', /"Ftrl" .* cannot be grown: it computes weights anew/],
  ])('the state of %s is refused by name', (name, message) => {
    const file = open(`${name}.keras`)
    const network = kerasToModel(file)
    const plan = planWiden(network.model, { fc: 16 }, { seed: 1 })
    expect(() => growKeras({ file, network }, plan)).toThrow(message)
  })

  test('a layer that is called twice is refused where its calls would grow apart', () => {
    const file = open('residual.keras')
    const network = kerasToModel(file)
    const plan = planWiden(network.model, { 'inner/a': 8 }, { seed: 1 })
    expect(() => growKeras({ file, network }, plan)).toThrow(
      /"layers\/dense\/vars\/0" of residual\.keras is one tensor for 2 uses/,
    )
  })

  test('a layer that is called twice grows as one by its name, and where all layers grow', () => {
    const file = open('siamese.keras')
    const network = kerasToModel(file)
    for (const widths of [{ 'encode/hidden': 14 }, { hidden: 14 }, { '*': 'x1.5' }]) {
      const plan = planWiden(network.model, widths, { seed: 1 })
      const { layers } = inspect(growKeras({ file, network }, plan).network.model)
      const calls = layers.filter(({ name }) => name.startsWith('encode/hidden'))
      expect(calls.map(({ width }) => width)).toEqual([14, 14])
    }
    const single = planWiden(network.model, { 'encode/hidden@2': 14 }, { seed: 1 })
    expect(() => growKeras({ file, network }, single)).toThrow(/is one tensor for 2 uses/)
  })

  test('a layer behind the last one keeps the name of the output in what is checked', async () => {
    using network = openKeras(at('siamese.keras'))
    const plan = planDeepen(network.model, ['out'])
    await using staged = await network.grow([plan]).stage(at('deeper.keras'))
    expect(staged.model.graph.outputs).toEqual(network.model.graph.outputs)
    expect(await compare(network.model, staged.model)).toMatchObject({ equal: true })
    await staged.publish()
    using deeper = openKeras(at('deeper.keras'))
    expect(deeper.model.graph.outputs[0]!.name).toMatch(/^out-deeper/)
    const { equal, outputs } = await compare(network.model, deeper.model)
    expect(equal).toBe(true)
    expect(outputs[0]!.name).toBe(network.model.graph.outputs[0]!.name)
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
