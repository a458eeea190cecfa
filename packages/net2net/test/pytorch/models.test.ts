import { beforeAll, describe, expect, test } from 'vitest'
import { decodeModel } from '../../src/onnx/decode.ts'
import { encodeModel } from '../../src/onnx/encode.ts'
import { plainly } from '../../src/passes/plainly.ts'
import { nodeRuntime } from '../../src/runtime/onnxruntime.node.ts'
import { float32, type Tensor } from '../../src/tensor/tensor.ts'
import { adam, adamw, buildStep, type Optimizer, sgd } from '../../src/training/index.ts'
import { withoutDefaults } from '../../src/training/run/create-stepper.ts'
import { torchPython } from '../../testing/python.ts'
import { hasTorch, type TorchRun, withTorch } from './torch.ts'

const models = [
  'mlp',
  'resnet',
  'inverted-residual',
  'dense-block',
  'inception',
  'unet',
  'unet-upsample',
  'encoder',
  'torch-encoder',
  'mixer',
  'norms',
  'shuffle',
]

const momentum = () => sgd({ learningRate: 0.05, momentum: 0.9 })

/** What the models are trained with, and how they are exported. */
const ways: Readonly<Record<string, Way>> = {
  sgd: { make: momentum, optimizer: 'sgd', exporter: 'older', opset: 13 },
  'sgd, newer exporter': { make: momentum, optimizer: 'sgd', exporter: 'newer', opset: 18 },
  adam: {
    make: () => adam({ learningRate: 0.01, epsilon: 1e-4 }),
    optimizer: 'adam',
    exporter: 'older',
    opset: 16,
  },
  adamw: {
    make: () => adamw({ learningRate: 0.01, weightDecay: 0.1, epsilon: 1e-4 }),
    optimizer: 'adamw',
    exporter: 'older',
    opset: 17,
  },
}

interface Way {
  readonly make: () => Optimizer
  readonly optimizer: string
  readonly exporter: 'older' | 'newer'
  readonly opset: number
}

const tolerance = 1e-4

/** What `models.py` prints of a model. */
interface Printed {
  readonly losses: readonly number[]
  /** How far PyTorch's own float32 ends from float64, where the gradient is zero by nature. */
  readonly astray: Readonly<Record<string, number>>
}

for (const [name, { make, optimizer, exporter, opset }] of Object.entries(ways)) {
  // Only current versions have the newer exporter.
  const python = exporter === 'newer' ? torchPython : undefined
  describe.skipIf(exporter === 'newer' ? !python : !hasTorch)(
    `exported from PyTorch, ${name}`,
    () => {
      let exported: ReadonlyMap<string, Exported>
      beforeAll(() => {
        const args = [optimizer, exporter, String(opset), ...models]
        const use = async (run: TorchRun) => {
          exported = new Map(models.map((model) => [model, exportedIn(run, model)]))
        }
        return withTorch('models.py', {}, args, use, python)
      }, 240_000)
      test.each(models)('%s: loss, every gradient and five steps', (model) =>
        compare(exported.get(model)!, make()),
      )
    },
  )
}

/** One model, and what PyTorch computed for it. */
interface Exported extends Printed {
  readonly file: Uint8Array
  readonly arrays: ReadonlyMap<string, Tensor>
}

function exportedIn(run: TorchRun, model: string): Exported {
  const arrays = [...run.arrays].flatMap(([key, tensor]) =>
    key.startsWith(`${model} `) ? [[key.slice(model.length + 1), tensor] as const] : [],
  )
  const printed = (run.printed as Readonly<Record<string, Printed>>)[model]!
  return { ...printed, file: run.file(`${model}.onnx`), arrays: new Map(arrays) }
}

async function compare(run: Exported, optimizer: Optimizer): Promise<void> {
  const { losses, astray } = run
  const step = buildStep(plainly(decodeModel(run.file)), {
    loss: 'softmax-cross-entropy',
    optimizer,
    gradients: true,
  })
  const rate = 'rate' in optimizer.learningRate ? optimizer.learningRate.rate : Number.NaN
  const session = await nodeRuntime.createSession(encodeModel(withoutDefaults(step.model)), {
    threads: 1,
  })
  try {
    let state = Object.fromEntries(step.state)
    for (const [i, loss] of losses.entries()) {
      const results = await session.run({
        ...state,
        learning_rate: float32([], [rate]),
        x: run.arrays.get(`x${i}`)!,
        target: run.arrays.get(`t${i}`)!,
      })
      expect(Math.abs(Number(results.loss!.data[0]) - loss) / loss, `loss ${i}`).toBeLessThan(
        tolerance,
      )
      if (i === 0) agree(gradientsOf(results), expectedOf(run, 'gradient '))
      state = Object.fromEntries(Object.keys(state).map((key) => [key, results[`${key}.next`]!]))
    }
    agree(state, expectedOf(run, 'final '), astray)
  } finally {
    await session.release()
  }
}

const gradientsOf = (results: Readonly<Record<string, Tensor>>) =>
  Object.fromEntries(
    Object.entries(results)
      .filter(([key]) => key.endsWith('.gradient'))
      .map(([key, tensor]) => [key.slice(0, -'.gradient'.length), tensor]),
  )

const expectedOf = (run: Exported, prefix: string) =>
  [...run.arrays]
    .filter(([key]) => key.startsWith(prefix))
    .map(([key, tensor]) => [key.slice(prefix.length), tensor] as const)

/**
 * Differences relative to the largest element of each tensor; almost-zero tensors to all.
 *
 * @param astray by how much a tensor may differ if that is more
 */
function agree(
  actual: Readonly<Record<string, Tensor>>,
  expected: readonly (readonly [string, Tensor])[],
  astray: Printed['astray'] = {},
): void {
  const largest = (tensor: Tensor) =>
    (tensor.data as Float64Array).reduce((max, value) => Math.max(max, Math.abs(value)), 0)
  const overall = Math.max(...expected.map(([, tensor]) => largest(tensor)))
  for (const [name, tensor] of expected) {
    const found = actual[name]
    expect(found, `${name} is trained`).toBeDefined()
    const scale = Math.max(largest(tensor), 1e-3 * overall)
    const numbers = found!.data as Float32Array
    const worst = (tensor.data as Float64Array).reduce(
      (max, value, i) => Math.max(max, Math.abs(value - numbers[i]!)),
      0,
    )
    const allowed = Math.max(tolerance, (8 * (astray[name] ?? 0)) / scale)
    expect(worst / scale, `${name}: relative difference`).toBeLessThan(allowed)
  }
}
