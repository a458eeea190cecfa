/** The operator Attention, as PyTorch exports it at operator set 23, grows and has PyTorch's gradients. */
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { decodeNpz } from '../../src/data/npy.ts'
import { inspect, widen } from '../../src/growth/index.ts'
import { decodeModel } from '../../src/onnx/decode.ts'
import { encodeModel } from '../../src/onnx/encode.ts'
import { nodeRuntime } from '../../src/runtime/onnxruntime.node.ts'
import { buildStep, sgd } from '../../src/training/index.ts'
import { expectEqualFunctions } from '../../testing/expect-equal-functions.ts'
import { runPython, torchPython } from '../../testing/python.ts'
import { temporaryFolder } from '../../testing/temporary-folder.ts'

const inFolder = temporaryFolder()
const script = readFileSync(new URL('attention-operator.py', import.meta.url), 'utf8')

test.skipIf(!torchPython)(
  'attention that PyTorch exports as one operator grows by heads and trains',
  async () => {
    runPython(torchPython!, script, inFolder('.'))
    const model = decodeModel(readFileSync(inFolder('model.onnx')))
    expect(model.graph.nodes.map(({ opType }) => opType)).toContain('Attention')
    const arrays = decodeNpz(readFileSync(inFolder('output.npz')))

    // Queries have four heads of 4, keys and values two: all but the output layer grow.
    const { layers } = inspect(model)
    const able = layers.filter(({ widen: able }) => able === true)
    expect(able.map(({ width }) => width)).toEqual([12, 16, 8, 8])
    // Softmax does not see what a bias of the keys adds to all scores of a query.
    for (const { name } of able)
      await expectEqualFunctions(model, widen(model, { [name]: 'x2' }, { seed: 1 }), {
        unread: ['k.bias'],
      })

    const step = buildStep(model, {
      loss: 'mse',
      optimizer: sgd({ learningRate: 0.1 }),
      gradients: true,
    })
    const biases = [...arrays.keys()].filter((name) => name.endsWith('.bias'))
    expect(biases).toHaveLength(5)
    const session = await nodeRuntime.createSession(encodeModel(step.model))
    try {
      const feeds = { x: arrays.get('x')!, target: arrays.get('target')! }
      const found = await session.run(
        feeds,
        biases.map((name) => `${name}.gradient`),
      )
      for (const name of biases) {
        const wanted = Array.from(arrays.get(name)!.data, Number)
        const largest = Math.max(...wanted.map(Math.abs))
        Array.from(found[`${name}.gradient`]!.data, Number).forEach((value, i) => {
          // The gradient of the keys' bias is nothing but rounding.
          const scale = Math.max(largest, 1e-3)
          expect(Math.abs(value - wanted[i]!) / scale, `${name}[${i}]`).toBeLessThan(1e-4)
        })
      }
    } finally {
      await session.release()
    }
  },
  120_000,
)
