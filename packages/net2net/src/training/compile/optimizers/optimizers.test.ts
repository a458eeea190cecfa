import { describe, expect, test } from 'vitest'
import { hasOnnxVectors, onnxVector } from '../../../../testing/onnx-vectors.ts'
import { runGraph } from '../../../../testing/run-graph.ts'
import { floatAttribute, stringAttribute } from '../../../model/attributes.ts'
import { float32, scalar, type Tensor } from '../../../tensor/tensor.ts'
import { clippingOf } from './clip.ts'
import { adagrad, adam, adamw, averaged, lion, type Optimizer, rmsprop, sgd } from './index.ts'

/** Applies one update: `slots` are all of the optimizer's. */
async function updated(
  optimizer: Optimizer,
  values: { parameter: Tensor; gradient: Tensor; rate: number; slots: Record<string, Tensor> },
) {
  const { parameter, gradient, rate, slots } = values
  return runGraph<string>(
    { parameter, gradient, learningRate: scalar('float32', rate), ...slots },
    (emitter) => {
      const update = optimizer.update({
        emitter,
        parameter: 'parameter',
        gradient: 'gradient',
        learningRate: 'learningRate',
        slot: (name) => name,
      })
      return { parameter: update.parameter, ...(update.slots as Record<string, string>) }
    },
  )
}

const numbers = (tensor: Tensor | undefined) => [...tensor!.data].map(Number)
const close = (actual: readonly number[], expected: readonly number[], tolerance = 1e-5) => {
  expect(actual).toHaveLength(expected.length)
  actual.forEach((value, i) => {
    expect(Math.abs(value - expected[i]!)).toBeLessThanOrEqual(
      tolerance * Math.max(1, Math.abs(expected[i]!)),
    )
  })
}

describe.skipIf(!hasOnnxVectors)('the vectors of the ONNX training operators', () => {
  const suffixes = (names: readonly string[]) =>
    names.some((name) => name === 'X1') ? ['1', '2'] : ['']

  const momentum = ['test_momentum', 'test_momentum_multiple', 'test_nesterov_momentum']
  test.each(momentum)('%s', async (name) => {
    const { model, inputs, outputs } = onnxVector(`node/${name}`)
    const node = model.graph.nodes[0]!
    const rate = Number(inputs.R!.data[0])
    const optimizer = sgd({
      learningRate: rate,
      momentum: floatAttribute(node, 'alpha', 0),
      nesterov: stringAttribute(node, 'mode', '') === 'nesterov',
      weightDecay: floatAttribute(node, 'norm_coefficient', 0),
    })
    for (const suffix of suffixes(node.inputs)) {
      // Keras's velocity is PyTorch's and ONNX's times −(learning rate).
      const old = inputs[`V${suffix}`] ?? inputs[`H${suffix}`]
      const velocity = numbers(old).map((v) => -rate * v)
      const result = await updated(optimizer, {
        parameter: inputs[`X${suffix}`]!,
        gradient: inputs[`G${suffix}`]!,
        rate,
        slots: { momentum: float32([velocity.length], velocity) },
      })
      close(numbers(result.parameter), numbers(outputs[`X${suffix}_new`]))
      close(
        numbers(result.momentum).map((v) => -v / rate),
        numbers(outputs[`V${suffix}_new`]),
      )
    }
  })

  test.each(['test_adam', 'test_adam_multiple'])('%s', async (name) => {
    const { model, inputs, outputs } = onnxVector(`node/${name}`)
    const node = model.graph.nodes[0]!
    expect(Number(inputs.T!.data[0])).toBe(0) // the operator does not correct the bias at T = 0
    const optimizer = adam({
      beta1: floatAttribute(node, 'alpha', 0.9),
      beta2: floatAttribute(node, 'beta', 0.999),
      // The case that leaves ε out was computed with 0.01, not with the operator's default.
      epsilon: floatAttribute(node, 'epsilon', 0.01),
      weightDecay: floatAttribute(node, 'norm_coefficient', 0),
      biasCorrection: false,
    })
    for (const suffix of suffixes(node.inputs)) {
      const result = await updated(optimizer, {
        parameter: inputs[`X${suffix}`]!,
        gradient: inputs[`G${suffix}`]!,
        rate: Number(inputs.R!.data[0]),
        slots: {
          m: inputs[`V${suffix}`]!,
          v: inputs[`H${suffix}`]!,
          step: float32([], [0]),
        },
      })
      close(numbers(result.parameter), numbers(outputs[`X${suffix}_new`]))
      close(numbers(result.m), numbers(outputs[`V${suffix}_new`]))
      close(numbers(result.v), numbers(outputs[`H${suffix}_new`]))
    }
  })

  test.each(['test_adagrad', 'test_adagrad_multiple'])('%s', async (name) => {
    const { model, inputs, outputs } = onnxVector(`node/${name}`)
    const node = model.graph.nodes[0]!
    const optimizer = adagrad({
      epsilon: floatAttribute(node, 'epsilon', 0),
      weightDecay: floatAttribute(node, 'norm_coefficient', 0),
    })
    for (const suffix of suffixes(node.inputs)) {
      const result = await updated(optimizer, {
        parameter: inputs[`X${suffix}`]!,
        gradient: inputs[`G${suffix}`]!,
        rate: Number(inputs.R!.data[0]),
        slots: { accumulator: inputs[`H${suffix}`]! },
      })
      close(numbers(result.parameter), numbers(outputs[`X${suffix}_new`]))
      close(numbers(result.accumulator), numbers(outputs[`H${suffix}_new`]))
    }
  })
})

describe('written out by hand', () => {
  const parameter = float32([2], [1, -2])
  const gradient = float32([2], [0.5, 3])

  test('Adam’s first step moves every weight by the learning rate', async () => {
    const result = await updated(adam(), {
      parameter,
      gradient,
      rate: 0.01,
      slots: { m: float32([2], [0, 0]), v: float32([2], [0, 0]), step: float32([], [0]) },
    })
    close(numbers(result.parameter), [0.99, -2.01], 1e-6)
    expect(numbers(result.step)).toEqual([1])
  })

  test('Adam follows its equations over several steps', async () => {
    let slots: Record<string, Tensor> = {
      m: float32([2], [0, 0]),
      v: float32([2], [0, 0]),
      step: float32([], [0]),
    }
    let current: Tensor = parameter
    const [w, m, v] = [
      [1, -2],
      [0, 0],
      [0, 0],
    ] as [number[], number[], number[]]
    for (let t = 1; t <= 5; t++) {
      const g = [Math.sin(t), 2 * Math.cos(t)]
      const result = await updated(adamw({ weightDecay: 0.1 }), {
        parameter: current,
        gradient: float32([2], g),
        rate: 0.05,
        slots,
      })
      current = result.parameter!
      slots = { m: result.m!, v: result.v!, step: result.step! }
      for (const i of [0, 1]) {
        m[i] = 0.9 * m[i]! + 0.1 * g[i]!
        v[i] = 0.999 * v[i]! + 0.001 * g[i]! ** 2
        const corrected = m[i]! / (1 - 0.9 ** t)
        const root = Math.sqrt(v[i]! / (1 - 0.999 ** t))
        w[i] = w[i]! * (1 - 0.05 * 0.1) - (0.05 * corrected) / (root + 1e-8)
      }
      close(numbers(current), w, 1e-5)
    }
  })

  test('the moving average starts at the weights and follows them', async () => {
    const result = await updated(averaged(sgd({ learningRate: 0.1 }), 0.9), {
      parameter,
      gradient,
      rate: 0.1,
      slots: { ema: parameter },
    })
    close(numbers(result.parameter), [0.95, -2.3], 1e-6)
    close(numbers(result.ema), [0.9 * 1 + 0.1 * 0.95, 0.9 * -2 + 0.1 * -2.3], 1e-6)
  })

  test('clipping scales all gradients by one factor, and leaves small ones alone', async () => {
    const gradients = { a: float32([2], [3, 0]), b: float32([1], [4]) }
    const clip = (limit: number) =>
      runGraph(gradients, (emitter) => {
        const { factor, norm } = clippingOf(emitter, ['a', 'b'], limit)
        const clipped = (name: string) => emitter.op('Mul', [name, factor])
        return { a: clipped('a'), b: clipped('b'), norm }
      })
    const small = await clip(2.5)
    close(numbers(small.a), [1.5, 0], 1e-5)
    close(numbers(small.b), [2], 1e-5)
    close(numbers(small.norm), [5])
    const untouched = await clip(10)
    expect(numbers(untouched.a)).toEqual([3, 0])
    expect(numbers(untouched.b)).toEqual([4])
  })

  test('settings out of range are refused', () => {
    expect(() => sgd({ learningRate: 0.1, momentum: 1 })).toThrow(/momentum/)
    expect(() => sgd({ learningRate: Number.NaN })).toThrow(/learning rate/)
    expect(() => adam({ beta2: 2 })).toThrow(/beta2/)
    expect(() => averaged(adam(), 1)).toThrow(/decay/)
  })
})

/** Several steps of an optimizer, and of its equations in float64. */
async function follows(
  optimizer: Optimizer,
  equations: (w: number, g: number, state: Record<string, number>) => number,
) {
  const slots: Record<string, Tensor> = Object.fromEntries(
    optimizer.slots.map(({ name }) => [name, float32([2], [0, 0])]),
  )
  let parameter: Tensor = float32([2], [1, -2])
  const w = [1, -2]
  const states: Record<string, number>[] = [{}, {}]
  for (let t = 1; t <= 6; t++) {
    const g = [Math.sin(t), t === 3 ? 0 : 2 * Math.cos(t)].map(Math.fround)
    const result = await updated(optimizer, {
      parameter,
      gradient: float32([2], g),
      rate: 0.05,
      slots,
    })
    parameter = result.parameter!
    for (const { name } of optimizer.slots) slots[name] = result[name]!
    for (const i of [0, 1]) w[i] = equations(w[i]!, g[i]!, states[i]!)
    close(numbers(parameter), w, 1e-5)
  }
}

describe('the equations of PyTorch and of the paper', () => {
  test('RMSprop, with momentum, weight decay and without', async () => {
    // torch.optim.RMSprop: square_avg, momentum_buffer.
    for (const [momentum, weightDecay] of [
      [0, 0],
      [0.9, 0],
      [0.5, 0.1],
    ] as const)
      await follows(rmsprop({ momentum, weightDecay, rho: 0.9 }), (w, gradient, state) => {
        const g = gradient + weightDecay * w
        state.v = 0.9 * (state.v ?? 0) + 0.1 * g * g
        const scaled = g / (Math.sqrt(state.v) + 1e-8)
        state.b = momentum * (state.b ?? 0) + scaled
        return w - 0.05 * (momentum > 0 ? state.b : scaled)
      })
  })

  test('Lion, with weight decay and without', async () => {
    // Algorithm 2 of Chen et al. 2023.
    for (const weightDecay of [0, 0.2])
      await follows(lion({ weightDecay }), (w, g, state) => {
        const m = state.m ?? 0
        const update = Math.sign(0.9 * m + 0.1 * g)
        state.m = 0.99 * m + 0.01 * g
        return w - 0.05 * (update + weightDecay * w)
      })
  })

  test('settings out of range are refused', () => {
    expect(() => lion({ beta1: 1 })).toThrow(/beta1/)
    expect(() => rmsprop({ rho: -1 })).toThrow(/rho/)
  })
})
