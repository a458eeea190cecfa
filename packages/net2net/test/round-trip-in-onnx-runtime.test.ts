/** What we write computes the same as what we read, in the judgement of ONNX Runtime. */
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { fromBinary } from '@bufbuild/protobuf'
import * as ort from 'onnxruntime-node'
import { describe, expect, test } from 'vitest'
import { GraphBuilder } from '../src/model/builder.ts'
import { decodeModel } from '../src/onnx/decode.ts'
import { encodeModel } from '../src/onnx/encode.ts'
import { load } from '../src/onnx/file.node.ts'
import { TensorProtoSchema } from '../src/onnx/onnx_pb.ts'
import { save } from '../src/onnx/save.node.ts'
import { float32, materialize } from '../src/tensor/tensor.ts'
import { temporaryFolder } from '../testing/temporary-folder.ts'
import * as w from '../testing/wire-writer.ts'

ort.env.logLevel = 'fatal'
const options = { intraOpNumThreads: 1, logSeverityLevel: 4 } as const
const at = temporaryFolder()

test('external data that we write are found by ONNX Runtime', async () => {
  const values = Float32Array.from({ length: 6000 }, (_, i) => Math.sin(i))
  const b = new GraphBuilder()
  const x = b.input('x', 'float32', ['batch', 60])
  const product = b.node('MatMul', [x, b.initializer('w', float32([60, 100], values))])
  const bias = b.initializer('b', float32([100], values.slice(0, 100)))
  b.output(b.node('Add', [product, bias], {}, { outputs: ['y'] }), 'float32', ['batch', 100])
  await save(b.model(), at('inside.onnx'))
  await save(await load(at('inside.onnx')), at('outside.onnx'), { externalData: true })
  expect(fs.statSync(at('outside.onnx.data')).size).toBe(24_000)

  const run = async (file: string) => {
    const session = await ort.InferenceSession.create(file)
    const feeds = { x: new ort.Tensor('float32', values.slice(0, 120), [2, 60]) }
    return (await session.run(feeds)).y!.data
  }
  expect(await run(at('outside.onnx'))).toEqual(await run(at('inside.onnx')))
})

const models = backendTests()

/** The single-operator tests of the ONNX backend suite with their first data set. */
function backendTests(): string[] {
  try {
    const list = execFileSync('dpkg', ['-L', 'libonnx-testdata'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    return list.split('\n').filter((file) => file.endsWith('/model.onnx'))
  } catch {
    return []
  }
}

type Feeds = Record<string, ort.Tensor>

/** The stored inputs of a test, where all are tensors of types that have arrays. */
function readInputs(file: string, names: readonly string[]): Feeds | undefined {
  const feeds: Feeds = {}
  for (const [i, name] of names.entries()) {
    const pb = path.join(path.dirname(file), 'test_data_set_0', `input_${i}.pb`)
    if (!fs.existsSync(pb)) return undefined
    try {
      const bytes = fs.readFileSync(pb)
      const { dataType = 0 } = fromBinary(TensorProtoSchema, bytes)
      // As an initializer of a model, our own reader understands it.
      const named = w.concat(bytes, w.block(8, 'value'))
      const model = decodeModel(w.model(w.input('x', 1), w.output('x', 1), w.block(5, named)))
      const tensor = materialize(model.graph.initializers.get('value')!.tensor)
      const type = ({ 1: 'float32', 6: 'int32', 7: 'int64', 9: 'bool', 11: 'float64' } as const)[
        dataType
      ]
      if (type === undefined) return undefined
      feeds[name] = new ort.Tensor(type, tensor.data as Float32Array, tensor.dims)
    } catch {
      return undefined
    }
  }
  return feeds
}

async function outputs(session: ort.InferenceSession, feeds: Feeds): Promise<string> {
  const results = Object.entries(await session.run(feeds))
  return JSON.stringify(
    results.map(([name, { type, dims, data }]) => [
      name,
      type,
      dims,
      Array.from(data as Float32Array, String),
    ]),
  )
}

describe.skipIf(models.length === 0)('the ONNX backend tests (libonnx-testdata)', () => {
  test('give the same outputs after a round trip', { timeout: 300_000 }, async () => {
    let [identical, compared] = [0, 0]
    for (const file of models) {
      const bytes = fs.readFileSync(file)
      const encoded = encodeModel(decodeModel(bytes))
      if (Buffer.compare(bytes, encoded) === 0) {
        identical++
        continue
      }
      const before = await ort.InferenceSession.create(bytes, options).catch(() => undefined)
      if (!before) continue
      const feeds = readInputs(file, before.inputNames)
      const expected = feeds && (await outputs(before, feeds).catch(() => undefined))
      if (!feeds || expected === undefined) continue
      // Operators that draw random numbers never agree, not even with themselves.
      if ((await outputs(before, feeds)) !== expected) continue
      const after = await ort.InferenceSession.create(encoded, options)
      expect(await outputs(after, feeds), file).toBe(expected)
      compared++
    }
    // Most models come back byte for byte; of the others, ONNX Runtime runs most.
    expect(identical + compared).toBeGreaterThan(1000)
    expect(compared).toBeGreaterThan(100)
  })
})
