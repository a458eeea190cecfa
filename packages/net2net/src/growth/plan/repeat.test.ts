import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { expectEqualFunctions, largestDifference } from '../../../testing/check.ts'
import { compare } from '../../check/compare.ts'
import { GraphBuilder } from '../../model/builder.ts'
import type { Model } from '../../model/model.ts'
import { randomStream } from '../../tensor/random.ts'
import { elementCount, float32, type LazyTensor, toNumbers } from '../../tensor/tensor.ts'
import { growSlots, planRepeat, repeat, solve } from '../index.ts'
import { residualBlocks } from './residual-blocks.ts'

let random = randomStream(8, 'blocks')
const tensor = (dims: readonly number[], size = 0.5, mean = 0): LazyTensor =>
  float32(
    dims,
    Array.from({ length: elementCount(dims) }, () => mean + size * random.normal()),
  )

/** A network of blocks on a stream [n, …, width]; every parameter is called after its block. */
class Network {
  readonly b = new GraphBuilder()
  readonly width: number
  readonly isImage: boolean
  value = 'x'

  constructor(width: number, isImage: boolean) {
    random = randomStream(8, 'blocks')
    this.width = width
    this.isImage = isImage
    this.b.input('x', 'float32', isImage ? ['n', 2, 5, 4] : ['n', 3, 2])
    this.value = this.layer('stem', 'x', 2, width)
  }

  weight(name: string, dims: readonly number[], size?: number, mean?: number): string {
    return this.b.initializer(name, tensor(dims, size, mean))
  }

  layer(name: string, x: string, from: number, to: number): string {
    const bias = `${name}.bias`
    if (this.isImage)
      return this.b.node(
        'Conv',
        [x, this.weight(`${name}.weight`, [to, from, 3, 3], 0.3), this.weight(bias, [to])],
        { pads: [1, 1, 1, 1] },
        { name },
      )
    const product = this.b.node(
      'MatMul',
      [x, this.weight(`${name}.weight`, [from, to])],
      {},
      { name },
    )
    return this.b.node('Add', [product, this.weight(bias, [to])])
  }

  norm(name: string, x: string): string {
    const { width } = this
    const vectors = [
      this.weight(`${name}.scale`, [width], 0.2, 1),
      this.weight(`${name}.shift`, [width]),
    ]
    if (!this.isImage) return this.b.node('LayerNormalization', [x, ...vectors])
    const statistics = [
      this.weight(`${name}.mean`, [width]),
      this.weight(`${name}.variance`, [width], 0.05, 1),
    ]
    return this.b.node('BatchNormalization', [x, ...vectors, ...statistics])
  }

  unary(opType: string, x: string): string {
    return this.b.node(opType, [x])
  }

  /** Two layers with an activation between them, or two of them multiplied (a gated unit). */
  branch(name: string, x: string, kind: BlockKind): string {
    const { width } = this
    const normed = kind.norm === 'first' ? this.norm(`${name}.norm`, x) : x
    let hidden = this.unary(kind.activation, this.layer(`${name}.up`, normed, width, kind.hidden))
    if (kind.isGated)
      hidden = this.b.node('Mul', [hidden, this.layer(`${name}.gate`, normed, width, kind.hidden)])
    const last = this.layer(`${name}.down`, hidden, kind.hidden, width)
    const end = kind.norm === 'last' ? this.norm(`${name}.norm`, last) : last
    return kind.scalesStream ? this.b.node('Mul', [x, end]) : end
  }

  block(name: string, kind: BlockKind): void {
    const x = this.value
    const operands = [x, this.branch(name, x, kind)]
    if (kind.isLeft) operands.reverse()
    this.value = this.b.node('Add', operands)
    if (kind.isParallel)
      this.value = this.b.node('Add', [this.value, this.branch(`${name}.beside`, x, kind)])
    if (kind.isRectified) this.value = this.unary('Relu', this.value)
  }

  model(): Model {
    const head = this.layer('head', this.value, this.width, 2)
    this.b.output(head, 'float32')
    return this.b.model()
  }
}

interface BlockKind {
  readonly activation: string
  readonly hidden: number
  readonly norm: 'first' | 'last' | 'none'
  readonly isGated: boolean
  /** The branch computes factors of the stream: x + x · f(x). */
  readonly scalesStream: boolean
  readonly isLeft: boolean
  readonly isParallel: boolean
  readonly isRectified: boolean
}

const blockKind: fc.Arbitrary<BlockKind> = fc.record({
  activation: fc
    .constantFrom('Relu', 'Tanh', 'Gelu', 'Sigmoid')
    .map((op) => (op === 'Gelu' ? 'Softplus' : op)),
  hidden: fc.integer({ min: 1, max: 6 }),
  norm: fc.constantFrom('first', 'last', 'none'),
  isGated: fc.boolean(),
  scalesStream: fc.boolean(),
  isLeft: fc.boolean(),
  isParallel: fc.boolean(),
  isRectified: fc.boolean(),
})

function networkOf(isImage: boolean, width: number, kinds: readonly BlockKind[]): Model {
  const network = new Network(width, isImage)
  // Behind a Relu the stream is what the next one starts from.
  if (kinds[0]!.isRectified) network.value = network.unary('Relu', network.value)
  kinds.forEach((kind, i) => {
    network.block(`h.${i}`, { ...kind, isRectified: kinds[0]!.isRectified })
  })
  return network.model()
}

const networks = fc.tuple(
  fc.boolean(),
  fc.integer({ min: 2, max: 5 }),
  fc.array(blockKind, { minLength: 1, maxLength: 3 }),
)

const plain: BlockKind = {
  activation: 'Tanh',
  hidden: 3,
  norm: 'first',
  isGated: false,
  scalesStream: false,
  isLeft: false,
  isParallel: false,
  isRectified: false,
}

const count = (model: Model, opType: string) =>
  model.graph.nodes.filter((node) => node.opType === opType).length

/** The model with one number of a constant changed. */
function corrupted(model: Model, name: string): Model {
  const old = model.graph.initializers.get(name)!
  const values = toNumbers(old.tensor)
  values[values.length - 1]! += 0.5
  const initializers = new Map(model.graph.initializers)
  initializers.set(name, { ...old, tensor: float32(old.tensor.dims, values) })
  return { ...model, graph: { ...model.graph, initializers } }
}

describe('repeating residual blocks', () => {
  it('keeps the function of random networks, whatever is repeated', async () => {
    await fc.assert(
      fc.asyncProperty(
        networks,
        fc.constantFrom('h.*', 'h.0', '*', 'h.0.up'),
        fc.constantFrom('stack', 'interleave'),
        fc.constantFrom('zero', 'identity'),
        async ([isImage, width, kinds], name, copy, start) => {
          const model = networkOf(isImage, width, kinds)
          const plan = planRepeat(model, [name], { copy, start })
          const deeper = repeat(model, [name], { copy, start })
          expect(await largestDifference(model, deeper)).toBeLessThanOrEqual(1e-5)
          const repeats =
            count(deeper, isImage ? 'Conv' : 'MatMul') / count(model, isImage ? 'Conv' : 'MatMul')
          expect(repeats).toBeGreaterThan(1)
          // What is zero is not zero for nothing, and every parameter of the copy is its own.
          const zero = plan.repeated!.flatMap(({ parameters, gates }) => [
            ...parameters.filter((parameter) => parameter.start === 'zero').map(({ to }) => to),
            ...gates.map((gate) => gate.name),
          ])
          expect(zero.length).toBeGreaterThan(0)
          for (const each of zero)
            expect(
              toNumbers(deeper.graph.initializers.get(each)!.tensor).every((x) => x === 0),
            ).toBe(true)
          // Again, on what came of it.
          const twice = repeat(deeper, [name === 'h.0' ? 'h.0_copy1' : name], { copy, start })
          expect(await largestDifference(model, twice)).toBeLessThanOrEqual(1e-5)
        },
      ),
      { numRuns: 60 },
    )
  })

  it('is proven by the check, which a wrong number does not pass', async () => {
    const runs = fc.sample(networks, { numRuns: 6, seed: 3 })
    for (const [isImage, width, kinds] of runs) {
      const model = networkOf(isImage, width, kinds)
      for (const start of ['zero', 'identity'] as const) {
        const [repetition] = planRepeat(model, ['h.*'], { start }).repeated!
        const deeper = repeat(model, ['h.*'], { start })
        await expectEqualFunctions(model, deeper)
        const zero =
          repetition!.gates[0]?.name ??
          repetition!.parameters.find((parameter) => parameter.start === 'zero')!.to
        expect((await compare(model, corrupted(deeper, zero))).equal).not.toBe(true)
      }
    }
  })

  it('doubles the depth block by block, or all blocks behind the last', () => {
    const model = networkOf(false, 4, [plain, plain])
    const order = (copy: 'stack' | 'interleave') =>
      repeat(model, ['h.*'], { copy })
        .graph.nodes.map(({ name }) => name)
        .filter((name) => name.includes('up'))
    expect(order('interleave')).toEqual(['h.0.up', 'h.0_copy1.up', 'h.1.up', 'h.1_copy1.up'])
    expect(order('stack')).toEqual(['h.0.up', 'h.1.up', 'h.0_copy1.up', 'h.1_copy1.up'])
  })

  it('takes a layer as its smallest block, and a module as all blocks of its layers', () => {
    const network = new Network(4, false)
    network.block('h.0.attention', plain)
    network.block('h.0.mlp', plain)
    network.block('h.1.attention', plain)
    const model = network.model()
    const copied = (name: string) =>
      planRepeat(model, [name]).repeated!.map(({ parameters }) =>
        parameters.map(({ to }) => to).filter((to) => to.endsWith('weight')),
      )
    expect(copied('h.0.mlp.up')).toEqual([['h.0.mlp.up_copy1.weight', 'h.0.mlp.down_copy1.weight']])
    expect(copied('h.0.attention')).toEqual([
      ['h.0.attention_copy1.up.weight', 'h.0.attention_copy1.down.weight'],
    ])
    expect(copied('h.0')[0]).toHaveLength(4)
    expect(copied('h')[0]).toHaveLength(6)
    expect(copied('h.*')).toHaveLength(2)
    expect(() => planRepeat(model, ['h.0', 'h.0.mlp'])).toThrow('overlap')
    expect(() => planRepeat(model, ['h.7'])).toThrow('There is no layer "h.7"')
  })

  it('zeros what is last in a branch: a layer, a norm, a scale', () => {
    const zeroOf = (kind: Partial<BlockKind>, isImage: boolean) =>
      planRepeat(networkOf(isImage, 3, [{ ...plain, ...kind }]), ['h.0'])
        .repeated![0]!.parameters.filter(({ start }) => start === 'zero')
        .map(({ name }) => name)
    expect(zeroOf({ norm: 'none' }, true)).toEqual(['h.0.down.weight', 'h.0.down.bias'])
    expect(zeroOf({ norm: 'last' }, true)).toEqual(['h.0.norm.scale', 'h.0.norm.shift'])
    expect(zeroOf({ norm: 'last' }, false)).toEqual(['h.0.norm.scale', 'h.0.norm.shift'])
    expect(zeroOf({ isParallel: true }, false)).toHaveLength(4)
    // What computes the stream is not the copy's.
    expect(zeroOf({ scalesStream: true }, false)).toEqual(['h.0.down.weight', 'h.0.down.bias'])
  })

  it('zeros nothing that the copy shares with others', async () => {
    const network = new Network(3, false)
    // Two blocks read one turned weight; a third scales its stream by a sigmoid, which is never zero.
    const turned = network.b.node('Transpose', [network.weight('tied', [3, 3])])
    for (const name of ['a', 'b']) {
      const x = network.value
      const up = network.unary('Tanh', network.layer(`${name}.up`, x, 3, 3))
      network.value = network.b.node('Add', [x, network.b.node('MatMul', [up, turned])])
    }
    const x = network.value
    const factors = network.unary('Sigmoid', network.layer('c', x, 3, 3))
    network.value = network.b.node('Add', [x, network.b.node('Mul', [x, factors])])
    const model = network.model()
    for (const name of ['a.up', 'b.up', 'c']) {
      expect(() => planRepeat(model, [name])).toThrow(/is not linear in parameters that could be/)
      await expectEqualFunctions(model, repeat(model, [name], { start: 'identity' }))
    }
  })

  it('leaves slots of the old parameters alone; new ones have none', () => {
    const model = networkOf(false, 3, [plain])
    const slots = new Map([['h.0.up.weight', tensor([3, 3])]])
    expect(growSlots(planRepeat(model, ['h.0']), slots, 1)).toEqual(slots)
  })

  it('reads what comes from outside where the original does', async () => {
    const network = new Network(3, false)
    network.b.input('mask', 'float32', ['n', 3, 1])
    const x = network.value
    const masked = network.b.node('Mul', [network.layer('a', x, 3, 3), 'mask'])
    network.value = network.b.node('Add', [x, network.layer('b', masked, 3, 3)])
    network.block('h.0', plain)
    const model = network.model()
    const deeper = repeat(model, ['a'])
    expect(deeper.graph.nodes.filter(({ inputs }) => inputs.includes('mask'))).toHaveLength(2)
    await expectEqualFunctions(model, deeper)
  })

  it('refuses what would not be exact, with the reason', () => {
    const network = new Network(3, false)
    // The first block has a projection in its shortcut, the second a norm behind the sum.
    const x = network.value
    network.value = network.b.node(
      'Add',
      [network.layer('short', x, 3, 3), network.branch('a', x, plain)],
      {},
      { name: 'join' },
    )
    const none = { ...plain, norm: 'none' as const }
    const y = network.value
    const sum = network.b.node('Add', [y, network.branch('b', y, none)])
    network.value = network.norm('post', sum)
    const z = network.value
    const gated = network.b.node('Mul', [network.layer('c', z, 3, 3), network.unary('Sigmoid', z)])
    network.value = network.b.node('Add', [z, network.unary('Relu', gated)])
    network.value = network.b.node('Add', [
      network.value,
      network.branch('d', network.value, plain),
    ])
    const model = network.model()
    expect(() => planRepeat(model, ['a.up'])).toThrow(
      /a.up cannot be repeated: no residual block holds it: Add join, the next sum, adds what Add/,
    )
    expect(() => planRepeat(model, ['b.up'])).toThrow(/normalizes its sum \(a post-norm block\)/)
    expect(() => planRepeat(model, ['c'])).toThrow(/is not linear in parameters that could be zero/)
    expect(() => planRepeat(model, ['head'])).toThrow(/no sum behind it/)
    expect(planRepeat(model, ['c'], { start: 'identity' }).repeated).toHaveLength(1)
    // A pattern takes what can be repeated.
    expect(planRepeat(model, ['*']).repeated!.map(({ blocks }) => blocks)).toEqual([['d.up']])
  })

  it('finds blocks in long and hostile graphs in time', () => {
    const b = new GraphBuilder()
    b.input('x', 'float32', ['n', 2])
    const weight = b.constant(tensor([2, 2]))
    let value = 'x'
    for (let i = 0; i < 500; i++) {
      const side = b.node('Tanh', ['x'])
      value = b.node('Add', [value, i % 5 === 0 ? b.node('MatMul', [value, weight]) : side])
    }
    b.output(value, 'float32')
    expect(residualBlocks(solve(b.model())).length).toBeGreaterThan(50)
  })
})
