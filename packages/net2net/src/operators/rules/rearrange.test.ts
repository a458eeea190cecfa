import { describe, expect, it } from 'vitest'
import {
  anyOf,
  between,
  broadcastable,
  randomAxis,
  randomShape,
  vagueShapes,
} from '../../../testing/draws.ts'
import {
  checkGradients,
  normalTensor,
  type OneNode,
  oneNode,
} from '../../../testing/gradient-check.ts'
import { float } from '../../model/attributes.ts'
import { permutation, type RandomStream } from '../../tensor/random.ts'
import { float32, int64, type Tensor } from '../../tensor/tensor.ts'
import { concatenation } from './concat.ts'
import { expansions } from './expand.ts'
import { identities } from './identity.ts'
import { pads } from './pad.ts'
import { reshapes } from './reshape.ts'
import { slices } from './slice.ts'
import { splits } from './split.ts'
import { squeezes } from './squeeze.ts'
import { transposition } from './transpose.ts'

type Drawn = Omit<OneNode, 'op'>
type Draw = (random: RandomStream) => Drawn

const shape = (random: RandomStream, low = 1) => randomShape(random, between(random, low, 4))
const some = <T>(random: RandomStream, entries: readonly T[]) =>
  entries.filter(() => random.below(2) === 0)

/** Another shape of as many elements; perhaps with −1 in the place of one size. */
function otherShape(random: RandomStream, dims: readonly number[]): number[] {
  const order = permutation(dims.length, random)
  const mixed = Array.from(order, (k) => dims[k]!)
  const joined = mixed.length > 1 ? [mixed[0]! * mixed[1]!, ...mixed.slice(2)] : mixed
  const target = random.below(2) === 0 ? [...joined, 1] : joined
  if (random.below(2) === 0) target[random.below(target.length)] = -1
  return target
}

const reshape: Draw = (random) => {
  const dims = shape(random)
  const x = normalTensor(random, dims)
  if (random.below(4) === 0) return { inputs: [x, int64([0, -1])], constants: [1] }
  // Now and then only the run knows the target.
  const constants = random.below(4) === 0 ? [] : [1]
  return { inputs: [x, int64(otherShape(random, dims))], constants }
}

const withOnes = (random: RandomStream) => shape(random, 0).flatMap((size) => [size, 1])

const squeeze: Draw = (random) => {
  const dims = withOnes(random)
  const ones = some(
    random,
    dims.flatMap((size, k) => (size === 1 ? [random.below(2) === 0 ? k : k - dims.length] : [])),
  )
  const x = normalTensor(random, dims)
  if (ones.length === 0) return { inputs: [x] }
  return random.below(2) === 0
    ? { opset: 11, attributes: { axes: ones }, inputs: [x] }
    : { inputs: [x, int64(ones)], constants: [1] }
}

const unsqueeze: Draw = (random) => {
  const dims = shape(random, 0)
  const count = between(random, 1, 2)
  const rank = dims.length + count
  const axes = Array.from(permutation(rank, random).subarray(0, count), (k) =>
    random.below(2) === 0 ? k : k - rank,
  )
  const x = normalTensor(random, dims)
  return random.below(2) === 0
    ? { opset: 11, attributes: { axes }, inputs: [x] }
    : { inputs: [x, int64(axes)], constants: [1] }
}

const concat: Draw = (random) => {
  const dims = shape(random)
  const axis = randomAxis(random, dims.length)
  const at = axis < 0 ? axis + dims.length : axis
  const inputs = Array.from({ length: between(random, 1, 4) }, () =>
    normalTensor(
      random,
      dims.map((size, k) => (k === at ? between(random, 1, 3) : size)),
    ),
  )
  return { inputs, attributes: { axis } }
}

const split: Draw = (random) => {
  const dims = shape(random)
  const axis = randomAxis(random, dims.length)
  const at = axis < 0 ? axis + dims.length : axis
  const outputs = between(random, 1, 3)
  const sizes = Array.from({ length: outputs }, () => between(random, 1, 3))
  const equal = random.below(2) === 0
  dims[at] = equal ? outputs * sizes[0]! : sizes.reduce((a, b) => a + b, 0)
  const x = normalTensor(random, dims)
  if (equal)
    return anyOf<Drawn>(random, [
      { inputs: [x], attributes: { axis, num_outputs: outputs }, outputs },
      { opset: 13, inputs: [x], attributes: { axis }, outputs },
      { opset: 11, inputs: [x], attributes: { axis }, outputs },
    ])
  return random.below(2) === 0
    ? { opset: 11, inputs: [x], attributes: { axis, split: sizes }, outputs }
    : { inputs: [x, int64(sizes)], attributes: { axis }, constants: [1], outputs }
}

const slice: Draw = (random) => {
  const dims = shape(random).map((size) => size + 2)
  const x = normalTensor(random, dims)
  const axes = some(
    random,
    dims.map((_, k) => (random.below(2) === 0 ? k : k - dims.length)),
  )
  const chosen = axes.length > 0 ? axes : [0]
  const ranges = chosen.map((axis) => {
    const size = dims.at(axis)!
    const start = between(random, 0, size - 1)
    const end = between(random, start + 1, size)
    return anyOf(random, [
      [start, end, 1],
      [start - size, end === size ? 2 ** 31 - 1 : end - size, 1],
      [0, 2 ** 31 - 1, 1],
      [start, end, 2],
      [end - 1, start === 0 ? -(2 ** 31) : start - 1, -1],
    ])
  })
  const column = (k: number) => ranges.map((range) => range[k]!)
  if (column(2).every((step) => step === 1) && random.below(2) === 0)
    return {
      opset: 9,
      inputs: [x],
      attributes: { axes: chosen, starts: column(0), ends: column(1) },
    }
  const inputs = [x, int64(column(0)), int64(column(1)), int64(chosen), int64(column(2))]
  return { inputs, constants: random.below(4) === 0 ? [] : [1, 2, 3, 4] }
}

const pad: Draw = (random) => {
  const dims = shape(random).map((size) => size + 2)
  const mode = anyOf(random, ['constant', 'constant', 'reflect', 'edge'])
  const low = mode === 'constant' ? -1 : 0
  const amounts = [...dims, ...dims].map(() => between(random, low, 2))
  const x = normalTensor(random, dims)
  const value = float32([], [0.7])
  if (random.below(3) === 0)
    return { opset: 10, inputs: [x], attributes: { mode, pads: amounts, value: float(0.7) } }
  if (mode === 'constant' && random.below(2) === 0) {
    const axis = randomAxis(random, dims.length)
    return {
      inputs: [x, int64([1, 2]), value, int64([axis])],
      constants: [1, 2, 3],
      attributes: { mode },
    }
  }
  const constants = random.below(3) === 0 ? [2] : [1, 2]
  return mode === 'constant'
    ? { inputs: [x, int64(amounts), value], constants, attributes: { mode } }
    : { inputs: [x, int64(amounts)], constants, attributes: { mode } }
}

const draws: Readonly<Record<string, Draw>> = {
  Identity: (random) => ({ inputs: [normalTensor(random, shape(random))] }),
  Cast: (random) => ({ inputs: [normalTensor(random, shape(random))], attributes: { to: 1 } }),
  CastLike: (random) => ({
    inputs: [normalTensor(random, shape(random)), float32([], [0])],
    constants: [1],
  }),
  Reshape: reshape,
  Flatten: (random) => {
    const dims = shape(random)
    const axis = between(random, -dims.length, dims.length)
    return { inputs: [normalTensor(random, dims)], attributes: { axis } }
  },
  Transpose: (random) => {
    const dims = shape(random)
    const perm = random.below(4) === 0 ? undefined : Array.from(permutation(dims.length, random))
    return { inputs: [normalTensor(random, dims)], attributes: { perm } }
  },
  Squeeze: squeeze,
  Unsqueeze: unsqueeze,
  Concat: concat,
  Split: split,
  Slice: slice,
  Pad: pad,
  Expand: (random) => {
    const dims = shape(random)
    const x = normalTensor(random, broadcastable(random, dims))
    return { inputs: [x, int64(dims)], constants: random.below(3) === 0 ? [] : [1] }
  },
  Tile: (random) => {
    const dims = shape(random)
    const repeats = dims.map(() => between(random, 1, 3))
    return { inputs: [normalTensor(random, dims), int64(repeats)], constants: [1] }
  },
}

const family = [
  ...identities,
  ...reshapes,
  ...transposition,
  ...squeezes,
  ...concatenation,
  ...splits,
  ...slices,
  ...pads,
  ...expansions,
]

describe('gradients of rearranging operators against differences', () => {
  it.each(Object.entries(draws))('%s', async (op, draw) => {
    await checkGradients({
      draws: 30,
      draw: (random, index) => {
        const spec = draw(random)
        const data: readonly (Tensor | undefined)[] = spec.inputs.map((tensor, i) =>
          tensor?.dtype === 'float32' && !spec.constants?.includes(i) ? tensor : undefined,
        )
        return oneNode({ op, ...spec, shapes: vagueShapes(random, index, data) })
      },
    })
  })

  it('leaves no rule unchecked', () => {
    expect(Object.keys(draws).sort()).toEqual(family.map((operator) => operator.name).sort())
  })
})
