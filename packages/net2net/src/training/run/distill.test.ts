import { expect, test } from 'vitest'
import { ArrayDataset } from '../../data/dataset.ts'
import { dense, sequential } from '../../layers/index.ts'
import { encodeModel } from '../../onnx/encode.ts'
import { nodeRuntime } from '../../runtime/onnxruntime.node.ts'
import { float32, toNumbers } from '../../tensor/tensor.ts'
import { adam, distillation, distilled, evaluate, sgd, train } from '../index.ts'

const data = Float32Array.from({ length: 120 }, (_, i) => Math.sin(i * i + 1))
const rows = Array.from({ length: 60 }, (_, i) => [data[2 * i]!, data[2 * i + 1]!])
const truth = rows.map(([x, y]) => (x! > 0.3 ? 2 : Number(y! > 0)))
const samples = new ArrayDataset(
  { input: { dtype: 'float32', dims: [2], data } },
  { dtype: 'int32', dims: [], data: Int32Array.from(truth) },
  ['a', 'b', 'c'],
)
const teacher = sequential([dense(8, { activation: 'tanh' }), dense(3)], { input: [2], seed: 7 })
const softTeacher = sequential(
  [dense(8, { activation: 'tanh' }), dense(3, { activation: 'softmax' })],
  {
    input: [2],
    seed: 7,
  },
)
const student = sequential([dense(3, { name: 'out' })], { input: [2], seed: 1 })

const outputs = async (model: typeof teacher) => {
  const session = await nodeRuntime.createSession(encodeModel(model))
  const { output } = await session.run({ [session.inputs[0]!.name]: float32([60, 2], data) })
  await session.release()
  return rows.map((_, i) => [0, 1, 2].map((c) => Number(output!.data[3 * i + c])))
}

const logSoftmax = (row: readonly number[]) => {
  const most = Math.max(...row)
  const sum = row.reduce((all, value) => all + Math.exp(value - most), 0)
  return row.map((value) => value - most - Math.log(sum))
}

/** The paper's equations in float64. */
function reference(
  z: readonly (readonly number[])[],
  v: readonly (readonly number[])[],
  weight: number,
  t: number,
) {
  const each = z.map((row, i) => {
    const hard = -logSoftmax(row)[truth[i]!]!
    const q = logSoftmax(v[i]!.map((value) => value / t))
    const p = logSoftmax(row.map((value) => value / t))
    const soft = q.reduce((sum, value, c) => sum + Math.exp(value) * (value - p[c]!), 0)
    return (1 - weight) * hard + weight * t ** 2 * soft
  })
  return each.reduce((a, b) => a + b, 0) / each.length
}

test('the loss of the paper, for teachers with and without a softmax, in any batches', async () => {
  const [z, v] = [await outputs(student), await outputs(teacher)]
  for (const [weight, temperature] of [
    [0.5, 2],
    [1, 4],
    [0, 1],
    [0.9, 1],
  ] as const)
    for (const from of [teacher, softTeacher])
      for (const batchSize of [7, 60]) {
        const loss = distillation({ weight, temperature })
        const result = await evaluate(student, distilled(samples, from), { loss, batchSize })
        expect(result.loss).toBeCloseTo(reference(z, v, weight, temperature), 4)
        const right = z.filter((row, i) => row.indexOf(Math.max(...row)) === truth[i]).length
        expect(result.accuracy).toBeCloseTo(right / 60, 6)
      }
})

test('a step of training follows its gradient', async () => {
  const loss = distillation({ weight: 0.7, temperature: 3 })
  const options = { loss, optimizer: sgd({ learningRate: 1 }), batchSize: 60, shuffle: false }
  const training = train(student, distilled(samples, teacher), options)
  const before = new Map(
    [...training.step.state].map(([name, tensor]) => [name, toNumbers(tensor)]),
  )
  for await (const _ of training);
  const bias = [...training.step.state].find(([, { dims }]) => dims.length === 1)![0]
  const [z, v] = [await outputs(student), await outputs(teacher)]
  const h = 1e-5
  const shifted = (c: number, by: number) => z.map((row) => row.with(c, row[c]! + by))
  for (const c of [0, 1, 2]) {
    const slope =
      (reference(shifted(c, h), v, 0.7, 3) - reference(shifted(c, -h), v, 0.7, 3)) / (2 * h)
    const moved = toNumbers(training.state.tensors.get(bias)!)[c]! - before.get(bias)![c]!
    expect(-moved).toBeCloseTo(slope, 4)
  }
})

test('a student comes to say what its teacher says', async () => {
  const loss = distillation({ weight: 1, temperature: 1 })
  const twin = sequential([dense(8, { activation: 'tanh' }), dense(3)], { input: [2], seed: 9 })
  const set = distilled(samples, teacher)
  const training = train(twin, set, {
    loss,
    optimizer: adam({ learningRate: 0.05 }),
    epochs: 30,
    validation: set,
  })
  const losses: number[] = []
  for await (const { valLoss } of training) losses.push(valLoss!)
  expect(losses.at(-1)).toBeLessThan(0.02 * losses[0]!)
})

test('labels that the teacher does not know, and settings that are none, are refused', async () => {
  const two = sequential([dense(2)], { input: [2] })
  await expect(
    evaluate(student, distilled(samples, two), { loss: distillation() }),
  ).rejects.toThrow(/class 2, but the teacher has the classes 0 to 1/)
  expect(() => distillation({ weight: 2 })).toThrow(/from 0 to 1, not 2/)
  expect(() => distillation({ temperature: 0 })).toThrow(/temperature must be a positive number/)
})
