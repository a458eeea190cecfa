import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { GraphBuilder } from '../../model/builder.ts'
import type { Model } from '../../model/model.ts'
import { randomStream } from '../../tensor/random.ts'
import { float32, int64, type LazyTensor, toNumbers } from '../../tensor/tensor.ts'
import { applyPlan, growAverages, growSlots, planWiden } from '../index.ts'

const [IN, HIDDEN, OUT] = [3, 4, 2]

function network(seed: number): Model {
  const random = randomStream(seed, 'weights')
  const tensor = (...dims: number[]) =>
    float32(
      dims,
      Array.from({ length: dims.reduce((a, b) => a * b, 1) }, () => random.normal()),
    )
  const b = new GraphBuilder()
  b.input('x', 'float32', ['n', IN])
  const hidden = b.node(
    'Gemm',
    ['x', b.initializer('w1', tensor(IN, HIDDEN)), b.initializer('b1', tensor(HIDDEN))],
    {},
    { name: 'fc1' },
  )
  const act = b.node('Relu', [hidden])
  b.output(
    b.node('Gemm', [act, b.initializer('w2', tensor(HIDDEN, OUT))], {}, { name: 'fc2' }),
    'float32',
  )
  return b.model()
}

/** ∂L/∂(w1, b1, w2) of L = Σ t·(relu(x·w1 + b1)·w2), by the definition. */
function gradients(model: Model, x: readonly number[], t: readonly number[]) {
  const read = (name: string) => toNumbers(model.graph.initializers.get(name)!.tensor)
  const [w1, b1, w2] = [read('w1'), read('b1'), read('w2')]
  const hidden = b1.length
  const pre = b1.map((b, j) => b + x.reduce((sum, xi, i) => sum + xi * w1[i * hidden + j]!, 0))
  const back = pre.map((value, j) =>
    value > 0 ? t.reduce((sum, tk, k) => sum + tk * w2[j * OUT + k]!, 0) : 0,
  )
  const tensor = (dims: number[], values: number[]): LazyTensor => float32(dims, values)
  return new Map([
    [
      'w1',
      tensor(
        [IN, hidden],
        x.flatMap((xi) => back.map((g) => xi * g)),
      ),
    ],
    ['b1', tensor([hidden], back)],
    [
      'w2',
      tensor(
        [hidden, OUT],
        pre.flatMap((value) => t.map((tk) => Math.max(0, value) * tk)),
      ),
    ],
  ])
}

/** Σ_u q_u·k_u of two layers of x, or of the halves of one. */
function product(seed: number, fused: boolean): Model {
  const random = randomStream(seed, 'product')
  const b = new GraphBuilder()
  b.input('x', 'float32', ['n', IN])
  const layer = (name: string, units: number) => {
    const weight = float32(
      [IN, units],
      Array.from({ length: IN * units }, () => random.normal()),
    )
    return b.node('MatMul', ['x', b.initializer(`${name}.w`, weight)], {}, { name })
  }
  const halves = b.constant(int64([HIDDEN, HIDDEN]))
  const [q, k] = fused
    ? b.nodeOutputs('Split', [layer('qk', 2 * HIDDEN), halves], { axis: 1 }, { outputs: 2 })
    : [layer('q', HIDDEN), layer('k', HIDDEN)]
  const sum = b.node('ReduceSum', [b.node('Mul', [q!, k!]), b.constant(int64([1]))])
  b.output(sum, 'float32')
  return b.model()
}

interface Gradient {
  readonly dims: readonly number[]
  readonly values: readonly number[]
}

/** ∂/∂q.w and ∂/∂k.w of the sum, by the definition; of both side by side where they are one. */
function productGradients(model: Model, x: readonly number[]): Map<string, Gradient> {
  const weights = [...model.graph.initializers].filter(([name]) => name.endsWith('.w'))
  const units = weights.reduce((sum, [, { tensor }]) => sum + tensor.dims[1]!, 0) / 2
  const values = weights.flatMap(([, { tensor }]) => {
    const list = toNumbers(tensor)
    const width = tensor.dims[1]!
    return Array.from({ length: width }, (_, j) =>
      x.reduce((sum, xi, i) => sum + xi * list[i * width + j]!, 0),
    )
  })
  // The gradient of a unit is the value of its partner.
  const back = [...values.slice(units), ...values.slice(0, units)]
  let start = 0
  return new Map(
    weights.map(([name, { tensor }]) => {
      const own = back.slice(start, start + tensor.dims[1]!)
      start += own.length
      return [name, { dims: tensor.dims, values: x.flatMap((xi) => own.map((g) => xi * g)) }]
    }),
  )
}

const vector = (length: number) =>
  fc.array(fc.double({ min: -2, max: 2, noNaN: true }), { minLength: length, maxLength: length })

describe('optimizer state of replicated units', () => {
  it('grown from the teacher equals what the student would have gathered itself', () => {
    fc.assert(
      fc.property(
        fc.integer(),
        fc.integer({ min: HIDDEN + 1, max: 13 }),
        vector(IN),
        vector(OUT),
        (seed, width, x, t) => {
          const teacher = network(seed)
          const plan = planWiden(teacher, { fc1: width }, { seed, noise: 'none' })
          const student = applyPlan(teacher, plan)
          const before = gradients(teacher, x, t)
          const after = gradients(student, x, t)
          for (const power of [1, 2] as const) {
            const raised = (gradient: LazyTensor) =>
              float32(
                gradient.dims,
                toNumbers(gradient).map((value) => value ** power),
              )
            const slots = new Map([...before].map(([name, gradient]) => [name, raised(gradient)]))
            for (const [name, slot] of growSlots(plan, slots, power)) {
              const expected = toNumbers(raised(after.get(name)!))
              const scale = Math.max(1, ...expected.map(Math.abs))
              expect(slot.dims).toEqual(after.get(name)!.dims)
              toNumbers(slot).forEach((value, i) => {
                expect(Math.abs(value - expected[i]!) / scale).toBeLessThan(1e-5)
              })
            }
          }
        },
      ),
    )
  })

  it('of two factors too: the one that is split gets the whole gradient', () => {
    fc.assert(
      fc.property(
        fc.integer(),
        fc.integer({ min: HIDDEN + 1, max: 13 }),
        vector(IN),
        fc.boolean(),
        (seed, width, x, fused) => {
          const teacher = product(seed, fused)
          const target = fused ? { qk: 2 * width } : { q: width }
          const plan = planWiden(teacher, target, { seed, noise: 'none' })
          const student = applyPlan(teacher, plan)
          const before = productGradients(teacher, x)
          const after = productGradients(student, x)
          for (const power of [1, 2] as const) {
            const raised = ({ dims, values }: Gradient) =>
              float32(
                dims,
                values.map((value) => value ** power),
              )
            const slots = new Map([...before].map(([name, each]) => [name, raised(each)]))
            for (const [name, slot] of growSlots(plan, slots, power)) {
              const expected = toNumbers(raised(after.get(name)!))
              const scale = Math.max(1, ...expected.map(Math.abs))
              expect(slot.dims).toEqual(after.get(name)!.dims)
              toNumbers(slot).forEach((value, i) => {
                expect(Math.abs(value - expected[i]!) / scale).toBeLessThan(1e-5)
              })
            }
          }
        },
      ),
    )
  })

  it('grows averages of parameters like the parameters, without noise', () => {
    const teacher = network(1)
    const plan = planWiden(teacher, { fc1: 7 }, { noise: 'none' })
    const student = applyPlan(teacher, plan)
    const averages = new Map(
      [...teacher.graph.initializers].map(([name, { tensor }]) => [name, tensor]),
    )
    for (const [name, average] of growAverages(plan, averages))
      expect(toNumbers(average)).toEqual(toNumbers(student.graph.initializers.get(name)!.tensor))
  })

  it('passes on what the plan leaves alone', () => {
    const plan = planWiden(network(1), { fc1: 7 })
    const other = float32([2], [1, 2])
    expect(growSlots(plan, new Map([['other', other]]), 1).get('other')).toBe(other)
  })
})
