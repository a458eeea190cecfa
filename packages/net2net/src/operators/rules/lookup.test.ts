import { describe, expect, it } from 'vitest'
import {
  between,
  distinctTensor,
  randomAxis,
  randomIndices,
  randomShape,
  vagueShapes,
} from '../../../testing/draws.ts'
import {
  checkGradients,
  normalTensor,
  type OneNode,
  oneNode,
} from '../../../testing/gradient-check.ts'
import { permutation, type RandomStream } from '../../tensor/random.ts'
import { elementCount, int64, scalar } from '../../tensor/tensor.ts'
import { gathers } from './gather.ts'
import { gathersByElement } from './gather-elements.ts'
import { orderings } from './ordering.ts'
import { scatters } from './scatter.ts'

type Draw = (random: RandomStream) => Omit<OneNode, 'op'>

const shape = (random: RandomStream, low = 1) => randomShape(random, between(random, low, 3))

const gather: Draw = (random) => {
  const dims = shape(random)
  const axis = randomAxis(random, dims.length)
  const indices = randomIndices(random, randomShape(random, random.below(3), 3), dims.at(axis)!)
  return {
    inputs: [normalTensor(random, dims), indices],
    attributes: { axis },
    constants: random.below(2) === 0 ? [1] : [],
  }
}

const gatherElements: Draw = (random) => {
  const dims = shape(random)
  const axis = randomAxis(random, dims.length)
  const at = axis < 0 ? axis + dims.length : axis
  const picked = dims.map((size, k) =>
    k === at ? between(random, 1, 4) : between(random, 1, size),
  )
  return {
    inputs: [normalTensor(random, dims), randomIndices(random, picked, dims[at]!)],
    attributes: { axis },
  }
}

/** Indices of a given depth into the leading axes, perhaps after batch axes. */
const gatherND: Draw = (random) => {
  const dims = shape(random, 2)
  const batch = random.below(2)
  const depth = between(random, 1, dims.length - batch)
  const outer = randomShape(random, between(random, 0, 2), 3)
  const count = elementCount([...dims.slice(0, batch), ...outer])
  const values = Array.from({ length: count }, () =>
    Array.from({ length: depth }, (_, k) => random.below(dims[batch + k]!)),
  ).flat()
  const indices = int64(values, [...dims.slice(0, batch), ...outer, depth])
  return { inputs: [normalTensor(random, dims), indices], attributes: { batch_dims: batch } }
}

/** Indices into one axis: each at most once where updates overwrite. */
const scatterElements = (random: RandomStream, adds = random.below(2) === 0) => {
  const dims = shape(random)
  const axis = randomAxis(random, dims.length)
  const at = axis < 0 ? axis + dims.length : axis
  const picked = dims.map((size) => between(random, 1, size))
  const indices = adds
    ? randomIndices(random, picked, dims[at]!)
    : int64(distinctAlong(random, picked, at, dims[at]!), picked)
  return {
    inputs: [normalTensor(random, dims), indices, normalTensor(random, picked)],
    attributes: adds ? { axis, reduction: 'add' } : { axis },
  }
}

function distinctAlong(
  random: RandomStream,
  dims: readonly number[],
  axis: number,
  size: number,
): number[] {
  const stride = elementCount(dims.slice(axis + 1))
  const lines = new Map<number, Uint32Array>()
  return Array.from({ length: elementCount(dims) }, (_, i) => {
    const place = Math.floor(i / stride) % dims[axis]!
    const line = i - place * stride
    const order = lines.get(line) ?? permutation(size, random)
    lines.set(line, order)
    return order[place]!
  })
}

const scatterND: Draw = (random) => {
  const dims = shape(random)
  const depth = between(random, 1, dims.length)
  const places = elementCount(dims.slice(0, depth))
  const adds = random.below(2) === 0
  const count = between(random, 1, places)
  const flat = adds
    ? Array.from({ length: count }, () => random.below(places))
    : Array.from(permutation(places, random).subarray(0, count))
  const values = flat.flatMap((place) =>
    Array.from({ length: depth }, (_, k) => {
      const stride = elementCount(dims.slice(k + 1, depth))
      return Math.floor(place / stride) % dims[k]!
    }),
  )
  return {
    inputs: [
      normalTensor(random, dims),
      int64(values, [count, depth]),
      normalTensor(random, [count, ...dims.slice(depth)]),
    ],
    attributes: adds ? { reduction: 'add' } : {},
  }
}

const topK: Draw = (random) => {
  const dims = shape(random)
  const axis = randomAxis(random, dims.length)
  const k = between(random, 1, dims.at(axis)!)
  const x = distinctTensor(random, dims)
  const attributes = { axis, largest: random.below(2), sorted: 1 }
  return { inputs: [x, int64([k])], constants: [1], attributes, outputs: 2 }
}

const draws: Readonly<Record<string, Draw>> = {
  Gather: gather,
  GatherElements: gatherElements,
  GatherND: gatherND,
  ScatterElements: (random) => scatterElements(random),
  Scatter: (random) => ({ ...scatterElements(random, false), opset: 10 }),
  ScatterND: scatterND,
  TopK: topK,
  CumSum: (random) => {
    const dims = shape(random)
    return {
      inputs: [normalTensor(random, dims), scalar('int64', randomAxis(random, dims.length))],
      attributes: { exclusive: random.below(2), reverse: random.below(2) },
    }
  },
  Trilu: (random) => {
    const dims = shape(random, 2)
    const x = normalTensor(random, dims)
    return {
      inputs: random.below(2) === 0 ? [x] : [x, scalar('int64', between(random, -2, 2))],
      attributes: { upper: random.below(2) },
    }
  },
}

const family = [...gathers, ...gathersByElement, ...scatters, ...orderings]

describe('gradients of looking up, scattering and sorting against differences', () => {
  it.each(Object.entries(draws))('%s', async (op, draw) => {
    await checkGradients({
      draws: 30,
      draw: (random, index) => {
        const spec = draw(random)
        const data = spec.inputs.map((x) => (x?.dtype === 'float32' ? x : undefined))
        return oneNode({ op, ...spec, shapes: vagueShapes(random, index, data) })
      },
    })
  })

  it('leaves no rule unchecked', () => {
    const rules = family.filter((operator) => typeof operator.gradient === 'function')
    expect(Object.keys(draws).sort()).toEqual(rules.map((operator) => operator.name).sort())
  })
})
