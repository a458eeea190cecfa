/** Sums of products of what random graphs compute: whatever grows is exact, with noise as large as weights. */
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { expectEqualFunctions } from '../../../testing/check.ts'
import { GraphBuilder } from '../../model/builder.ts'
import { type RandomStream, randomStream } from '../../tensor/random.ts'
import { float32, int64 } from '../../tensor/tensor.ts'
import { inspect, widen } from '../index.ts'

const SUMS = Number(process.env.RANDOM_SUMS ?? 100)
/** Tokens [batch, 5, 6]. */
const [TOKENS, STREAM] = [5, 6]

/** Values of 4 or 8 units, and what may be done to them. */
interface Value {
  readonly name: string
  readonly width: number
}

class Sums extends GraphBuilder {
  readonly #random: RandomStream
  readonly #values: Value[] = []
  readonly layers: string[] = []

  constructor(seed: number) {
    super()
    this.input('x', 'float32', ['batch', TOKENS, STREAM])
    this.#random = randomStream(seed, 'sums')
  }

  #weight(...dims: number[]): string {
    const count = dims.reduce((a, b) => a * b, 1)
    const values = Array.from({ length: count }, () => 0.4 * this.#random.normal())
    return this.constant(float32(dims, values), 'weight')
  }
  #ints(...values: number[]): string {
    return this.constant(int64(values))
  }
  #linear(x: string, name: string, from: number, to: number): string {
    const product = this.node('MatMul', [x, this.#weight(from, to)], {}, { name })
    return this.node('Add', [product, this.#weight(to)])
  }

  #pick<T>(list: readonly T[]): T {
    return list[this.#random.below(list.length)]!
  }
  #any(width?: number): Value {
    const fitting = this.#values.filter((value) => width === undefined || value.width === width)
    return fitting.length > 0 && this.#random.uniform() < 0.9
      ? this.#pick(fitting)
      : this.#layer(width)
  }
  #layer(width = this.#pick([4, 8])): Value {
    const name = `layer${this.layers.length}`
    this.layers.push(name)
    return this.#keep(this.#linear('x', name, STREAM, width), width)
  }
  #keep(name: string, width: number): Value {
    const value = { name, width }
    this.#values.push(value)
    return value
  }
  #halves({ name }: Value): readonly string[] {
    return this.nodeOutputs('Split', [name, this.#ints(4, 4)], { axis: 2 }, { outputs: 2 })
  }

  step(): Value {
    const x = this.#any()
    const { name, width } = x
    return this.#pick([
      () => this.#layer(),
      () => this.#keep(this.#linear(name, this.#named(), width, 4), 4),
      () => this.#keep(this.node(this.#pick(['Neg', 'Relu', 'Tanh', 'Identity']), [name]), width),
      () => this.#keep(this.node('Add', [name, this.#any(width).name]), width),
      () => this.#keep(this.node('Mul', [name, this.#any(width).name]), width),
      () => this.#keep(this.node('Mul', [name, this.#weight(width)]), width),
      () => {
        const pair = [this.#any(4).name, this.#any(4).name]
        return this.#keep(this.node('Concat', pair, { axis: 2 }), 8)
      },
      () => {
        const [a, b] = this.#halves(this.#any(8))
        this.#keep(a!, 4)
        return this.#keep(b!, 4)
      },
      () => {
        const [a, b] = this.#halves(this.#any(8))
        return this.#keep(this.node('Concat', [b!, a!], { axis: 2 }), 8)
      },
      () => {
        const apart = this.node('Reshape', [this.#any(8).name, this.#ints(0, TOKENS, 2, 4)])
        const one = (i: number) =>
          this.#keep(this.node('Gather', [apart, this.constant(int64([i], []))], { axis: 2 }), 4)
        one(1)
        return one(0)
      },
    ])()
  }
  #named(): string {
    const name = `named${this.layers.length}`
    this.layers.push(name)
    return name
  }

  /** [batch, tokens, tokens] or [batch, tokens, 1]. */
  sum(): string {
    const a = this.#any()
    const b = this.#any(a.width)
    return this.#pick([
      () => {
        const turned = this.node('Transpose', [b.name], { perm: [0, 2, 1] })
        return this.node('MatMul', [a.name, turned])
      },
      () => this.node('ReduceSum', [this.node('Mul', [a.name, b.name]), this.#ints(2)]),
      () => this.node('ReduceSum', [a.name, this.#ints(2)]),
    ])()
  }
}

it('random sums of products keep their function in ONNX Runtime, or are refused', async () => {
  let grown = 0
  await fc.assert(
    fc.asyncProperty(
      fc.nat(2 ** 31 - 1),
      fc.integer({ min: 0, max: 9 }),
      fc.integer({ min: 1, max: 3 }),
      async (seed, steps, sums) => {
        const b = new Sums(seed)
        for (let i = 0; i < steps; i++) b.step()
        for (let i = 0; i < sums; i++) b.output(b.sum(), 'float32')
        const model = b.model()
        for (const { name, widen: answer, width } of inspect(model).layers) {
          if (answer !== true) continue
          await expectEqualFunctions(
            model,
            widen(model, { [name]: width! * 2 }, { seed, noiseSize: 1 }),
            // What a Relu or a maximum lets through may depend on nothing of a layer.
            { isBlind: true },
          )
          grown++
        }
      },
    ),
    { numRuns: SUMS, endOnFailure: true },
  )
  expect(grown).toBeGreaterThan(SUMS / 4)
}, 300_000)
