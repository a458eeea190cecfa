import { beforeAll, describe, expect, test } from 'vitest'
import { expectEqualFunctions } from '../../../testing/expect-equal-functions.ts'
import { trainGrowing } from '../../growing/index.ts'
import { compare, lora, mergeAdapters } from '../../index.ts'
import { adaptersOf } from '../../model/adapters.ts'
import { GraphBuilder } from '../../model/builder.ts'
import type { Model } from '../../model/model.ts'
import { decodeModel } from '../../onnx/decode.ts'
import { encodeModel } from '../../onnx/encode.ts'
import { formatRecipe, growByRecipe, parseRecipe } from '../../recipe/growth-recipe.ts'
import { nodeRuntime } from '../../runtime/onnxruntime.node.ts'
import { randomStream } from '../../tensor/random.ts'
import { float32, materialize, toNumbers } from '../../tensor/tensor.ts'
import { adam, sgd, train } from '../../training/index.ts'
import { grow } from '../index.ts'

const random = randomStream(1, 'lora')
const numbers = (count: number) => Float32Array.from({ length: count }, () => random.normal())
const tensor = (...dims: readonly number[]) =>
  float32(
    dims,
    numbers(dims.reduce((a, b) => a * b, 1)).map((x) => x / 3),
  )

/** A grouped convolution and a transposed one, matrices on either side, and one that two layers share. */
function network(): Model {
  const builder = new GraphBuilder()
  builder.input('x', 'float32', ['batch', 4, 3, 3])
  const stored = (name: string, ...dims: readonly number[]) =>
    builder.initializer(name, tensor(...dims))
  const node = (name: string, opType: string, inputs: readonly string[], attributes = {}) =>
    builder.node(opType, inputs, attributes, { name })
  const pads = { kernel_shape: [3, 3], pads: [1, 1, 1, 1] }
  const conv = node('conv', 'Conv', ['x', stored('conv.weight', 6, 2, 3, 3)], { ...pads, group: 2 })
  const active = node('tanh', 'Tanh', [conv])
  const up = node('up', 'ConvTranspose', [active, stored('up.weight', 6, 5, 3, 3)], pads)
  const flat = node('flat', 'Flatten', [node('tanh2', 'Tanh', [up])])
  const bias = stored('gemm.bias', 7)
  const gemm = node('gemm', 'Gemm', [flat, stored('gemm.weight', 7, 45), bias], { transB: 1 })
  const square = stored('square', 7, 7)
  const first = node('first', 'MatMul', [node('tanh3', 'Tanh', [gemm]), square])
  const second = node('second', 'MatMul', [node('tanh4', 'Tanh', [first]), square])
  const last = stored('last.weight', 7, 2)
  builder.nodeOutputs('MatMul', [second, last], {}, { name: 'last', outputs: ['y'] })
  builder.output('y', 'float32', ['batch', 2])
  return builder.model('adapted')
}

const model = network()
const x = float32([5, 4, 3, 3], numbers(5 * 36))
const data = [{ inputs: { x }, target: float32([5, 2], numbers(10)) }]

async function outputOf(of: Model) {
  const session = await nodeRuntime.createSession(encodeModel(of), { threads: 1 })
  const { y } = await session.run({ x }, ['y'])
  await session.release()
  return toNumbers(y!)
}

async function trained(of: Model, options = {}) {
  const run = train(of, data, { loss: 'mse', optimizer: sgd({ learningRate: 0.1 }), ...options })
  for await (const _ of run);
  return run
}
const change = ({ step, state }: Awaited<ReturnType<typeof trained>>, name: string) =>
  toNumbers(state.tensors.get(name)!).map((v, i) => v - toNumbers(step.state.get(name)!)[i]!)

describe('low-rank adapters', () => {
  let adapted: Model
  beforeAll(() => {
    adapted = decodeModel(encodeModel(lora(model, undefined, { rank: 2, alpha: 6, seed: 3 })))
  })

  test('leave the function as it is, to the bit', async () => {
    expect([...adaptersOf(adapted)].sort()).toEqual(
      ['conv', 'up', 'gemm', 'square', 'last']
        .flatMap((name) => [`${name}.lora_A`, `${name}.lora_B`])
        .sort(),
    )
    expect(await outputOf(adapted)).toEqual(await outputOf(model))
    // Whichever of the factors is the larger one.
    expect(await compare(model, adapted)).toMatchObject({ equal: true })
    const trainedOnce = (await trained(adapted)).model
    expect(await compare(model, trainedOnce)).toMatchObject({ equal: false })
  })

  test('are trained alone: first B, as the gradient of the weight says', async () => {
    const run = await trained(adapted)
    expect([...run.step.parameters].sort()).toEqual([...adaptersOf(adapted)].sort())
    expect(run.notes.join()).toMatch(/low-rank adapters: these are trained, and nothing else/)
    // dW·Aᵀ · α / rank for a weight [out, in], Aᵀ·dW · α / rank for one [in, out].
    const whole = await trained(model)
    for (const [name, [rows, columns], isLeft] of [
      ['gemm', [7, 45], true],
      ['conv', [6, 18], true],
      ['up', [6, 45], false],
      ['last', [7, 2], false],
    ] as const) {
      expect(change(run, `${name}.lora_A`).every((value) => value === 0)).toBe(true)
      const weight = change(whole, `${name}.weight`)
      const a = toNumbers(run.step.state.get(`${name}.lora_A`)!)
      const expected = Array.from({ length: 2 * (isLeft ? rows : columns) }, (_, flat) => {
        let sum = 0
        if (isLeft)
          for (let j = 0; j < columns; j++)
            sum += weight[Math.floor(flat / 2) * columns + j]! * a[(flat % 2) * columns + j]!
        else
          for (let i = 0; i < rows; i++)
            sum += a[i * 2 + Math.floor(flat / columns)]! * weight[i * columns + (flat % columns)]!
        return 3 * sum
      })
      for (const [i, value] of change(run, `${name}.lora_B`).entries())
        expect(value, name).toBeCloseTo(expected[i]!, 4)
    }
  })

  test('merge into the weights, to the bit, and what is left has the form of the first', async () => {
    const run = await trained(adapted, { epochs: 5 })
    const merged = await mergeAdapters(run.model)
    const [before, after] = [await outputOf(run.model), await outputOf(merged)]
    expect(after).toEqual(before)
    expect(after).not.toEqual(await outputOf(model))
    const shape = ({ graph }: Model) => [
      graph.nodes.map(({ opType, inputs }) => [opType, inputs]),
      [...graph.initializers].map(
        ([
          name,
          {
            tensor: { dims },
          },
        ]) => [name, dims],
      ),
    ]
    expect(shape(merged)).toEqual(shape(model))
    await expect(mergeAdapters(merged)).rejects.toThrow(/no low-rank adapters/)
  })

  test('take what is asked for: the base, too, or a part of the adapters', async () => {
    const part = await trained(adapted, { freeze: ['gemm.lora_*'] })
    expect(part.step.parameters).not.toContain('gemm.lora_A')
    expect(part.step.parameters).toContain('last.lora_A')
    const both = await trained(adapted, { trainOnly: ['*lora_B', 'gemm.bias'] })
    expect(both.step.parameters).toContain('gemm.bias')
    expect(both.step.parameters).not.toContain('gemm.lora_A')
  })

  test('grow with their layers after they were trained', async () => {
    const run = await trained(adapted, { epochs: 3 })
    const wider = grow(run.model, [{ widen: { gemm: 10, conv: 10 } }], { seed: 2 }).model
    await expectEqualFunctions(run.model, wider)
    expect([...adaptersOf(wider)].sort()).toEqual([...adaptersOf(adapted)].sort())
    await expectEqualFunctions(run.model, await mergeAdapters(wider))
  })

  test('are a step of a recipe, which replays to the same bits', () => {
    const recipe = parseRecipe('steps:\n  - lora: ["*"]\n    rank: 2\n    alpha: 6\n')
    const { model: grown, resolved } = growByRecipe(model, recipe)
    const again = growByRecipe(model, parseRecipe(formatRecipe(resolved)))
    expect(encodeModel(again.model)).toEqual(encodeModel(grown))
  })

  test('come in the middle of a training, which then leaves all else as it is', async () => {
    const training = trainGrowing(model, data, {
      loss: 'mse',
      optimizer: adam({ learningRate: 0.01 }),
      epochs: 6,
      stages: [{ when: { epoch: 2 }, steps: [{ lora: '*', rank: 1 }], learningRateFactor: 1 }],
    })
    const losses: number[] = []
    let before: Model | undefined
    for await (const event of training) {
      if (event.kind === 'growth') before = training.model
      if (event.kind === 'epoch') losses.push(event.result.loss)
    }
    for (const [name, { tensor }] of before!.graph.initializers) {
      const after = toNumbers(materialize(training.model.graph.initializers.get(name)!.tensor))
      const same = toNumbers(materialize(tensor)).every((value, i) => value === after[i])
      expect(same, name).toBe(!/lora_[AB]/.test(name))
    }
    expect(losses[5]).toBeLessThan(losses[2]!)
  })

  test('are refused with the reason where there can be none', () => {
    expect(() => lora(model, ['gemm'], { rank: 0 })).toThrow(/from 1 on, not 0/)
    expect(() => lora(model, ['gemm'], { alpha: 0 })).toThrow(/positive/)
    expect(() => lora(model, ['gemm'], { rank: 46 })).toThrow(/larger than the weight of .*7 × 45/)
    expect(() => lora(adapted, ['gemm'])).toThrow(/computed from constants \(an adapter is merged/)
    expect(() => lora(model, ['nothing'])).toThrow(/no layer "nothing"/)
  })
})
