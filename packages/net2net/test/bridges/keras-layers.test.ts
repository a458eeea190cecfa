/** Every layer of Keras that is understood: read, grown in all ways that its network allows, and opened by Keras again. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { growKeras } from '../../src/bridges/keras/grow-keras.ts'
import { kerasParts, readKerasFile } from '../../src/bridges/keras/keras-file.ts'
import type { KerasState } from '../../src/bridges/keras/keras-state.ts'
import { kerasLayers } from '../../src/bridges/keras/layers/table.ts'
import { kerasToModel } from '../../src/bridges/keras/to-model.ts'
import { decodeNpz } from '../../src/data/npy.ts'
import { Net2NetError } from '../../src/errors.ts'
import { type GrowthPlan, inspect, planDeepen, planWiden } from '../../src/growth/index.ts'
import type { Model } from '../../src/model/model.ts'
import { encodeModel } from '../../src/onnx/encode.ts'
import { trainableConstants } from '../../src/operators/trainable.ts'
import { nodeRuntime } from '../../src/runtime/onnxruntime.node.ts'
import { elementCount, toNumbers } from '../../src/tensor/tensor.ts'
import { kerasPython } from '../../testing/python.ts'
import { PythonProcess } from '../../testing/python-process.ts'

const script = fileURLToPath(new URL('./keras_layers.py', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'net2net-keras-layers-'))
const interpreter = new PythonProcess(kerasPython)
const python = async (...args: string[]): Promise<unknown> =>
  JSON.parse((await interpreter.file(script, folder, ...args)).trim().split('\n').at(-1)!)

function open(name: string): KerasState {
  const bytes = readFileSync(join(folder, name))
  const file = readKerasFile(
    { size: bytes.length, read: (from, length) => bytes.subarray(from, from + length) },
    name,
  )
  return { file, network: kerasToModel(file) }
}

/** Every layer is deepened, and every one is widened then, the new ones too. */
function grownInAllWays(start: KerasState, blocks: readonly ('identity' | 'residual')[]) {
  let state = start
  const kinds = new Set<string>()
  const refusals: string[] = []
  /** False where no plan can be made, which other tests are about, or where the config of Keras cannot say it. */
  const attempt = (kind: string, plan: (model: Model) => GrowthPlan): boolean => {
    let made: GrowthPlan
    try {
      made = plan(state.network.model)
    } catch (error) {
      if (error instanceof Net2NetError) return false
      throw error
    }
    try {
      state = growKeras(state, made)
      kinds.add(kind)
      return true
    } catch (error) {
      if (!(error instanceof Net2NetError && error.kind === 'refused')) throw error
      refusals.push(error.message)
      return false
    }
  }
  for (const { name, deepen } of inspect(start.network.model).layers)
    if (deepen === true)
      for (const block of blocks)
        attempt('deepened', (model) => planDeepen(model, [name], { block, seed: 2 }))
  for (const { name, widen, width } of inspect(state.network.model).layers)
    if (widen === true && width !== null)
      for (const wider of [Math.ceil(1.6 * width), 2 * width])
        if (attempt('widened', (model) => planWiden(model, { [name]: wider }, { seed: 1 }))) break
  return { state, kinds, refusals }
}

describe.skipIf(!kerasPython)('layers of Keras', () => {
  let names: readonly string[] = []
  const grown = new Map<string, ReturnType<typeof grownInAllWays>>()
  const differences = new Map<string, unknown>()
  beforeAll(async () => {
    names = (await python('make')) as string[]
    for (const [i, name] of names.entries()) {
      const blocks = i % 4 === 0 ? (['identity', 'residual'] as const) : (['identity'] as const)
      const result = grownInAllWays(open(`${name}.keras`), blocks)
      const parts = kerasParts(result.state.file).map((part) => part.read(0, part.byteLength))
      writeFileSync(join(folder, `grown-${name}.keras`), Buffer.concat(parts))
      grown.set(name, result)
    }
    const loaded = (await python('load', JSON.stringify(names))) as unknown[]
    for (const [i, name] of names.entries()) differences.set(name, loaded[i])
  }, 300_000)
  afterAll(() => {
    interpreter.close()
    rmSync(folder, { recursive: true, force: true })
  })

  test('predict in ONNX Runtime what they predict in Keras', async () => {
    for (const name of names) {
      const { model } = open(`${name}.keras`).network
      const arrays = Object.fromEntries(decodeNpz(readFileSync(join(folder, `${name}.npz`))))
      const session = await nodeRuntime.createSession(encodeModel(model))
      const inputs = model.graph.inputs.map((input, i) => [input.name, arrays[`x${i}`]!] as const)
      const result = await session.run(Object.fromEntries(inputs))
      await session.release()
      for (const [i, output] of model.graph.outputs.entries()) {
        const [ours, theirs] = [toNumbers(result[output.name]!), toNumbers(arrays[`y${i}`]!)]
        expect(ours.length, name).toBe(theirs.length)
        const worst = Math.max(
          ...ours.map((value, k) => Math.abs(value - theirs[k]!) / Math.max(1, Math.abs(value))),
        )
        // Keras computes `mixed` in half precision.
        expect(worst, name).toBeLessThan(name === 'mixed' ? 1e-2 : 1e-5)
      }
    }
  }, 120_000)

  test('are trained where Keras trains them: no settings, statistics or frozen layers', () => {
    for (const name of names) {
      const { parameters, possible } = trainableConstants(open(`${name}.keras`).network.model)
      const sizes = parameters.map((each) => elementCount(possible.get(each)!.dims))
      const { trained } = Object.fromEntries(decodeNpz(readFileSync(join(folder, `${name}.npz`))))
      expect(
        sizes.reduce((sum, size) => sum + size, 0),
        name,
      ).toBe(Number(trained!.data[0]))
    }
  })

  test('grow, and the grown files are opened by Keras and predict the same', () => {
    for (const name of names) {
      expect([...grown.get(name)!.kinds], name).toContain('deepened')
      expect(differences.get(name), name).toBeTypeOf('number')
      expect(differences.get(name), name).toBeLessThan(name === 'mixed' ? 1e-2 : 2e-5)
    }
  })

  test('grow in all ways but those that a config cannot say', () => {
    const refusals = [...grown].flatMap(([name, { refusals: own }]) =>
      own.map((text) => `${name}: ${text}`),
    )
    const reasons =
      /stand inside|which holds one layer only|several calls of|no layer of Keras computes|one tensor for \d uses|its output is as wide|have one depth|its one unit has one bias/
    expect(refusals.filter((text) => !reasons.test(text))).toEqual([])
    expect(refusals.some((text) => /inside the layer "mha"/.test(text))).toBe(true)
  })

  test('are all here', () => {
    const used = new Set(names.flatMap((name) => kindsIn(open(`${name}.keras`))))
    const aliases = /^(MaxPool|AvgPool|GlobalMaxPool|GlobalAvgPool)\dD$|^GroupedQueryAttention$/
    const known = Object.keys(kerasLayers).filter((kind) => !aliases.test(kind))
    expect(known.filter((kind) => !used.has(kind))).toEqual([])
  })
})

const kindsIn = ({ network }: KerasState) => [...network.layers.values()].map(({ kind }) => kind)
