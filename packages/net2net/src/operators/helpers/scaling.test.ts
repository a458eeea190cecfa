/** What operators say of scaling is true in ONNX Runtime: of factors, and of sums where it is linear. */
import { describe, expect, it } from 'vitest'
import { type AttributeLike, float } from '../../model/attributes.ts'
import { GraphBuilder, modelOf } from '../../model/builder.ts'
import { encodeModel } from '../../onnx/encode.ts'
import { nodeRuntime } from '../../runtime/onnxruntime.node.ts'
import { randomStream } from '../../tensor/random.ts'
import { float32, int64, Tensor, toNumbers } from '../../tensor/tensor.ts'
import { operatorOf, operators } from '../table.ts'
import { scalingOf } from './scaling.ts'

const UNITS = 4
const factors = [0.5, 0.25, 2, 3]

interface Case {
  /** Dimensions of the inputs; null for one that is given as a constant. */
  readonly inputs: readonly (readonly number[] | null)[]
  /** The axis of the units in each input and in the output; undefined where there is none. */
  readonly axes: readonly (number | undefined)[]
  readonly output: number
  readonly attributes?: Record<string, AttributeLike>
  readonly constants?: Readonly<Record<number, Tensor>>
}

const image = [2, UNITS, 3, 3]
const rows = [2, 3, UNITS]
const unary: Case = { inputs: [image], axes: [1], output: 1 }
const pair: Case = { inputs: [image, image], axes: [1, 1], output: 1 }
const pool: Case = { ...unary, attributes: { kernel_shape: [2, 2] } }
const norm: Case = { inputs: [image, [UNITS], [UNITS]], axes: [1, 0, 0], output: 1 }
const reduced: Case = { ...unary, inputs: [image, null], constants: { 1: int64([2]) } }
const layer: Case = { inputs: [rows, [UNITS], [UNITS]], axes: [2, 0, 0], output: 2 }

/** One node for each operator that says something of scaling. */
const cases: Readonly<Record<string, Case>> = {
  Conv: { inputs: [[1, 2, 3, 3], [UNITS, 2, 2, 2], [UNITS]], axes: [undefined, 0, 0], output: 1 },
  ConvTranspose: {
    inputs: [[1, 2, 3, 3], [2, UNITS, 2, 2], [UNITS]],
    axes: [undefined, 1, 0],
    output: 1,
  },
  Gemm: { inputs: [[3, 2], [2, UNITS], [UNITS]], axes: [undefined, 1, 0], output: 1 },
  MatMul: {
    inputs: [
      [2, UNITS, 3],
      [3, 2],
    ],
    axes: [1, undefined],
    output: 1,
  },
  Einsum: {
    inputs: [
      [2, UNITS],
      [3, UNITS],
    ],
    axes: [1, 1],
    output: 2,
    attributes: { equation: 'iu,ju->iju' },
  },
  BatchNormalization: {
    ...norm,
    inputs: [...norm.inputs, null, null],
    constants: { 3: float32([4], [1, 2, 0, 1]), 4: float32([4], [1, 2, 3, 1]) },
  },
  InstanceNormalization: norm,
  GroupNormalization: { ...norm, attributes: { num_groups: 2 } },
  LayerNormalization: layer,
  RMSNormalization: { ...layer, inputs: layer.inputs.slice(0, 2) },
  SimplifiedLayerNormalization: { ...layer, inputs: layer.inputs.slice(0, 2) },
  Dropout: unary,
  AveragePool: pool,
  MaxPool: pool,
  LpPool: pool,
  GlobalAveragePool: unary,
  GlobalMaxPool: unary,
  GlobalLpPool: unary,
  Relu: unary,
  LeakyRelu: { ...unary, attributes: { alpha: float(0.1) } },
  PRelu: { ...pair, inputs: [image, [UNITS, 1, 1]], axes: [1, 0] },
  Add: pair,
  Sub: pair,
  Mul: pair,
  Div: pair,
  Max: pair,
  Min: pair,
  Sum: pair,
  Mean: pair,
  Neg: unary,
  Abs: unary,
  Where: {
    inputs: [null, image, image],
    axes: [undefined, 1, 1],
    output: 1,
    constants: { 0: new Tensor('bool', [3], new Uint8Array([1, 0, 1])) },
  },
  Cast: { ...unary, attributes: { to: 1 } },
  CastLike: { ...unary, inputs: [image, null], constants: { 1: float32([1], [0]) } },
  ReverseSequence: {
    inputs: [rows, null],
    axes: [2],
    output: 2,
    constants: { 1: int64([2, 1, 2]) },
  },
  GatherElements: {
    inputs: [rows, null],
    axes: [2],
    output: 2,
    constants: { 1: int64([0, 2, 1, 0, 1, 1, 2, 0], [2, 1, UNITS]) },
    attributes: { axis: 1 },
  },
  GatherND: {
    inputs: [rows, null],
    axes: [2],
    output: 1,
    constants: { 1: int64([1, 2, 0, 1], [2, 2]) },
  },
  GridSample: {
    inputs: [image, null],
    axes: [1],
    output: 1,
    constants: { 1: float32([2, 1, 2, 2], [0, 0.5, -0.5, 0.2, 0.1, 0, 0.9, -0.7]) },
  },
  DFT: {
    inputs: [[2, UNITS, 4, 1], null, null],
    axes: [1],
    output: 1,
    constants: { 1: int64([4], []), 2: int64([2], []) },
  },
  CenterCropPad: {
    ...unary,
    inputs: [image, null],
    attributes: { axes: [2] },
    constants: { 1: int64([5]) },
  },
  RoiAlign: {
    inputs: [image, null, null],
    axes: [1],
    output: 1,
    attributes: { output_height: 2, output_width: 2, sampling_ratio: 2 },
    constants: { 1: float32([1, 4], [0, 0, 2, 2]), 2: int64([0]) },
  },
  MaxRoiPool: {
    inputs: [image, null],
    axes: [1],
    output: 1,
    attributes: { pooled_shape: [2, 2] },
    constants: { 1: float32([1, 5], [0, 0, 0, 2, 2]) },
  },
  Col2Im: {
    inputs: [[1, UNITS, 4], null, null],
    axes: [1],
    output: 1,
    constants: { 1: int64([2, 2]), 2: int64([1, 1]) },
  },
  RotaryEmbedding: {
    inputs: [[1, UNITS, 3, 2], null, null],
    axes: [1],
    output: 1,
    constants: { 1: float32([1, 3, 1], [1, 0.5, 0]), 2: float32([1, 3, 1], [0, 0.5, 1]) },
  },
  Attention: {
    inputs: [
      [1, 1, 2, 3],
      [1, 1, 3, 3],
      [1, 1, 3, UNITS],
    ],
    axes: [undefined, undefined, 3],
    output: 3,
  },
  Concat: { ...pair, attributes: { axis: 2 } },
  Expand: { ...unary, inputs: [image, null], constants: { 1: int64([2, 1, 1, 1, 1]) }, output: 2 },
  Tile: { ...unary, inputs: [image, null], constants: { 1: int64([1, 1, 2, 1]) } },
  Gather: {
    ...unary,
    inputs: [image, null],
    constants: { 1: int64([1, 0]) },
    attributes: { axis: 2 },
  },
  ReduceSum: reduced,
  ReduceMean: reduced,
  ReduceMax: reduced,
  ReduceMin: reduced,
  ReduceL1: reduced,
  ReduceL2: reduced,
}

const random = randomStream(3, 'scaling')
const normal = (dims: readonly number[]): Tensor =>
  float32(
    dims,
    Array.from({ length: dims.reduce((a, b) => a * b, 1) }, () => random.normal()),
  )

const mapped = (tensor: Tensor, value: (x: number, i: number) => number): Tensor =>
  float32(tensor.dims, toNumbers(tensor).map(value))

/** Times the factors along an axis. */
function scaled(tensor: Tensor, axis: number): Tensor {
  const stride = tensor.dims.slice(axis + 1).reduce((a, b) => a * b, 1)
  return mapped(tensor, (x, i) => x * factors[Math.floor(i / stride) % UNITS]!)
}

function nodeOf(opType: string, { inputs, attributes = {}, constants = {} }: Case) {
  const b = new GraphBuilder()
  const names = inputs.map((dims, i) =>
    dims ? b.input(`x${i}`, 'float32', dims) : b.constant(constants[i]!),
  )
  b.output(b.node(opType, names, attributes), 'float32')
  return modelOf(
    b.graph(),
    ['RMSNormalization', 'Attention', 'RotaryEmbedding'].includes(opType) ? 23 : 21,
  )
}

/** Operators on integers, which the cases cannot scale; `quantize.cases.ts` grows through them. */
const ofIntegers = new Set(['DequantizeLinear'])

/** Those of a runtime are grown through in `runtime-attention.cases.ts`. */
const declared = operators
  .filter(({ domain = '' }) => domain === '')
  .filter(({ name, scaling }) => typeof scaling === 'object' && !ofIntegers.has(name))
  .map(({ name }) => name)

describe('scaling', () => {
  it('is tested for every operator that has it', () => {
    expect(Object.keys(cases).sort()).toEqual([...new Set(declared)].sort())
  })

  it('is not that of rounding', () => {
    const b = new GraphBuilder()
    b.input('x', 'float32', [1])
    b.node('Cast', ['x'], { to: 6 })
    const [node] = b.graph().nodes
    expect(scalingOf(operatorOf(node!))!.inputs(node!)).toEqual([])
  })

  it.each(Object.entries(cases))('of %s is what it says', async (opType, each) => {
    const model = nodeOf(opType, each)
    const node = model.graph.nodes.find((other) => other.opType === opType)!
    const { inputs: sets, linear } = scalingOf(operatorOf(node))!
    const session = await nodeRuntime.createSession(encodeModel(model), { threads: 1 })
    const run = async (values: readonly (Tensor | undefined)[]) => {
      const feeds = values.flatMap((value, i) => (value ? [[`x${i}`, value] as const] : []))
      return Object.values(await session.run(Object.fromEntries(feeds)))[0]!
    }
    const expectClose = (found: Tensor, wanted: Tensor) => {
      found.data.forEach((value, i) => {
        expect(Number(value)).toBeCloseTo(Number(wanted.data[i]), 3)
      })
    }
    try {
      const values = each.inputs
        .map((dims) => dims ?? undefined)
        .map((dims) => dims && normal(dims))
      const others = each.inputs
        .map((dims) => dims ?? undefined)
        .map((dims) => dims && normal(dims))
      for (const set of sets(node)) {
        const members = set.filter((i) => values[i])
        if (members.some((i) => each.axes[i] === undefined)) continue
        const isIn = (i: number) => members.includes(i)
        const before = await run(values)
        const after = values.map((x, i) => (x && isIn(i) ? scaled(x, each.axes[i]!) : x))
        expectClose(await run(after), scaled(before, each.output))
        if (!linear) continue
        const second = values.map((x, i) => (isIn(i) ? others[i] : x))
        const sums = values.map((x, i) =>
          x && isIn(i) ? mapped(x, (value, j) => value + Number(others[i]!.data[j])) : x,
        )
        const other = await run(second)
        expectClose(
          await run(sums),
          mapped(before, (value, j) => value + Number(other.data[j])),
        )
      }
    } finally {
      await session.release()
    }
  })
})
