/** Small models whose axes, or lists of sizes, are huge when they are written out. */
import { describe, expect, it } from 'vitest'
import { GraphBuilder } from '../../model/builder.ts'
import { float32, int64 } from '../../tensor/tensor.ts'
import { inspect, planWiden } from '../index.ts'

class Builder extends GraphBuilder {
  constructor() {
    super()
    this.input('x', 'float32', ['n', 2])
  }
  ints(...values: number[]): string {
    return this.constant(int64(values))
  }
  dense(x: string, name: string, from: number, to: number): string {
    const weight = this.constant(float32([from, to], new Float32Array(from * to)), 'w')
    return this.node('MatMul', [x, weight], {}, { name })
  }
  concat(inputs: readonly string[], axis: number): string {
    return this.node('Concat', inputs, { axis })
  }
  slice(x: string, start: number, end: number): string {
    return this.node('Slice', [x, this.ints(start), this.ints(end), this.ints(1)])
  }
  /** A layer `a` of this width, and its first size, unknown as it is. */
  start(width: number): { readonly a: string; readonly size: string } {
    const a = this.dense('x', 'a', 2, width)
    return { a, size: this.node('Gather', [this.node('Shape', [a]), this.ints(0)]) }
  }
}

const repeat = (times: number, start: string, step: (x: string) => string): string => {
  let x = start
  for (let i = 0; i < times; i++) x = step(x)
  return x
}

const cases: Readonly<Record<string, (b: Builder) => string>> = {
  'a concatenation with itself, 40 times': (b) =>
    repeat(40, b.start(3).a, (x) => b.node('Relu', [b.concat([x, x], 1)])),
  'a concatenation with another, 10,000 times': (b) => {
    const other = b.dense('x', 'other', 2, 1)
    return repeat(10_000, b.start(3).a, (x) => b.concat([x, other], 1))
  },
  'an axis and itself, rolled by one': (b) => {
    const { a } = b.start(4096)
    const rolled = b.concat([b.slice(a, 1, 4096), b.slice(a, 0, 1)], 1)
    return b.dense(b.node('Add', [a, rolled]), 'head', 4096, 2)
  },
  'a split in 10,000, reversed and added': (b) => {
    const { a } = b.start(10_000)
    const parts = Array.from({ length: 10_000 }, (_, i) => `part${i}`)
    const sizes = b.ints(...parts.map(() => 1))
    b.node('Split', [a, sizes], { axis: 1 }, { outputs: parts })
    return b.node('Add', [a, b.concat([...parts].reverse(), 1)])
  },
  'halves that are added, down to one': (b) => {
    let width = 8192
    return repeat(13, b.start(width).a, (x) => {
      width /= 2
      return b.node('Add', [b.slice(x, 0, width), b.slice(x, width, 2 * width)])
    })
  },
  'overlapping frames of a signal': (b) => {
    const [frames, hop] = [400, 8]
    b.input('signal', 'float32', ['n', hop * (frames + 1)])
    const framed = [0, hop].map((at) =>
      b.node('Reshape', [b.slice('signal', at, at + hop * frames), b.ints(0, frames, hop)]),
    )
    return b.dense(b.dense(b.concat(framed, 2), 'a', 2 * hop, 4), 'head', 4, 2)
  },
  'a list of sizes that grows by a concatenation, 10,000 times': (b) => {
    const { a, size } = b.start(4)
    b.output(
      repeat(10_000, size, (x) => b.concat([x, size], 0)),
      'int64',
    )
    return a
  },
  'a list of sizes that is doubled, 40 times': (b) => {
    const { a, size } = b.start(4)
    b.output(
      repeat(40, size, (x) => b.concat([x, x], 0)),
      'int64',
    )
    return a
  },
  'a size that is added, 10,000 times': (b) => {
    const { a, size } = b.start(4)
    b.output(
      repeat(10_000, size, (x) => b.node('Add', [x, size])),
      'int64',
    )
    return a
  },
  'a size that is squared, 60 times': (b) => {
    const { a, size } = b.start(4)
    const large = repeat(60, size, (x) => b.node('Mul', [x, x]))
    return b.node('Reshape', [a, b.concat([large, b.ints(-1)], 0)])
  },
  'a list of sizes that is repeated 2^30 times': (b) => {
    const { a, size } = b.start(4)
    b.output(b.node('Tile', [size, b.ints(2 ** 30)]), 'int64')
    return a
  },
  'a shape of 2^31 axes': (b) => {
    const { a, size } = b.start(4)
    const shape = b.node('Tile', [b.concat([size, size], 0), b.ints(2 ** 30)])
    b.output(b.node('ConstantOfShape', [shape]))
    b.output(b.node('Reshape', [a, shape]))
    b.output(b.node('Expand', [a, shape]))
    return a
  },
}

/** Milliseconds of the processor, whatever else the machine does. */
const MOST_TIME = 2000
/** Megabytes. */
const MOST_MEMORY = 512

describe('a model that is small as a file', () => {
  it.each(Object.keys(cases))('is planned or refused soon: %s', (name) => {
    const b = new Builder()
    b.output(cases[name]!(b))
    const model = b.model()
    const [time, memory] = [process.cpuUsage(), process.memoryUsage().rss]
    const { layers } = inspect(model)
    expect(process.cpuUsage(time).user / 1000).toBeLessThan(MOST_TIME)
    expect((process.memoryUsage().rss - memory) / 2 ** 20).toBeLessThan(MOST_MEMORY)
    const layer = layers.find((each) => each.name === 'a')!
    if (layer.widen === true) expect(planWiden(model, { a: 'x2' }).units).not.toEqual([])
    else expect(() => planWiden(model, { a: 'x2' })).toThrow(layer.widen)
  })
})
