/** Test cases of Reshape and Flatten. */
import { BATCH, grows, WIDTH } from '../../../testing/bench.ts'
import { type Draw, type OperatorCases, vaguely } from '../../../testing/cases.ts'
import { anyShape, between } from '../../../testing/draws.ts'
import { normalTensor } from '../../../testing/gradient-check.ts'
import { permutation, type RandomStream } from '../../tensor/random.ts'
import { int64 } from '../../tensor/tensor.ts'

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
  const dims = anyShape(random)
  const x = normalTensor(random, dims)
  if (random.below(4) === 0) return { inputs: [x, int64([0, -1])], constants: [1] }
  // Now and then only the run knows the target.
  const constants = random.below(4) === 0 ? [] : [1]
  return { inputs: [x, int64(otherShape(random, dims))], constants }
}

const flatten: Draw = (random) => {
  const dims = anyShape(random)
  const axis = between(random, -dims.length, dims.length)
  return { inputs: [normalTensor(random, dims)], attributes: { axis } }
}

export const cases: OperatorCases = {
  Flatten: {
    gradient: vaguely(flatten),
    growth: [
      grows('of NCHW', (b) => b.read(b.op('Flatten', [b.conv()]), 1)),
      grows('of NHWC', (b) => {
        const last = b.op('Transpose', [b.conv()], { perm: [0, 2, 3, 1] })
        return b.read(b.op('Flatten', [last]), 1)
      }),
    ],
  },
  Reshape: {
    gradient: vaguely(reshape),
    growth: [
      grows('to [-1, n]', (b) => b.read(b.op('Reshape', [b.conv(), b.ints(-1, WIDTH * 20)]), 1)),
      grows('to [0, -1]', (b) => b.read(b.op('Reshape', [b.conv(), b.ints(0, -1)]), 1)),
      grows('to [batch, n]', (b) =>
        b.read(b.op('Reshape', [b.conv(), b.ints(BATCH, WIDTH * 20)]), 1),
      ),
      grows('that joins H and W', (b) =>
        b.read(b.op('Reshape', [b.conv(), b.ints(0, WIDTH, -1)]), 1),
      ),
      grows('that splits the units and joins them again', (b) => {
        const parts = b.op('Reshape', [b.dense(), b.ints(BATCH, 2, WIDTH / 2)])
        const turned = b.op('Transpose', [parts], { perm: [0, 2, 1] })
        return b.read(b.op('Reshape', [turned, b.ints(BATCH, WIDTH)]), 1)
      }),
      grows('to sizes from Shape', (b) => {
        const h = b.conv()
        const target = b.join(b.size(h, 0), b.size(h, 1), b.ints(20))
        return b.read(b.op('Reshape', [h, target]), 1)
      }),
      grows('to a product of sizes', (b) => {
        const h = b.conv()
        const [c, y, x] = [1, 2, 3].map((k) => b.size(h, k))
        const all = b.op('Mul', [b.op('Mul', [c!, y!]), x!])
        return b.read(b.op('Reshape', [h, b.join(b.size(h, 0), all)]), 1)
      }),
      grows('to a number in a Concat', (b) => {
        const h = b.conv()
        return b.read(b.op('Reshape', [h, b.join(b.size(h, 0), b.ints(WIDTH * 20))]), 1)
      }),
      grows('to a computed part of a size', (b) => {
        const h = b.dense()
        const half = b.op('Div', [b.size(h, 1), b.ints(2)])
        const parts = b.op('Reshape', [h, b.join(b.size(h, 0), b.ints(2), half)])
        return b.read(b.op('Flatten', [parts]), 1)
      }),
      grows('a channel shuffle with computed sizes', (b) => {
        const h = b.conv()
        const [n, c, y, x] = [0, 1, 2, 3].map((k) => b.size(h, k))
        const half = b.op('Floor', [b.op('Cast', [b.op('Div', [c!, b.ints(2)])], { to: 1 })])
        const inner = b.op('Cast', [half], { to: 7 })
        const parts = b.op('Reshape', [h, b.join(n!, b.ints(2), inner, y!, x!)])
        const turned = b.op('Transpose', [parts], { perm: [0, 2, 1, 3, 4] })
        return b.read(b.op('Reshape', [turned, b.join(n!, c!, y!, x!)]), 1)
      }),
      grows('to sizes that were split', (b) => {
        const x = b.conv()
        const shape = b.op('Shape', [x])
        const [n, c, h, w] = b.outputs('Split', [shape, b.ints(1, 1, 1, 1)], { axis: 0 }, 4)
        const flat = b.op('Reshape', [x, b.join(n!, c!, b.op('Mul', [h!, w!]))])
        return b.read(flat, 1)
      }),
    ],
  },
}
