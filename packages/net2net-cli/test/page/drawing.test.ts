/** What the page draws and computes without a browser. */

import fc from 'fast-check'
import { deepen, type Model, widen } from 'net2net'
import { GraphBuilder, inferShapes } from 'net2net/model'
import type { Runtime } from 'net2net/runtime'
import { float32 } from 'net2net/tensor'
import { describe, expect, it } from 'vitest'
import { diffOf, single } from '../../page/src/engine/diff.ts'
import { layoutOf } from '../../page/src/engine/layout.ts'
import { viewOf } from '../../page/src/engine/view.ts'
import { centred } from '../../page/src/train/centre.ts'
import { Gate, gated } from '../../page/src/train/gate.ts'
import { mnistNetwork } from '../../src/mnist/networks.ts'

const view = (model: Model) => viewOf(model, 'model.onnx', inferShapes(model))
const teacher = mnistNetwork('teacher', 0)

/** Random graphs of element-wise operators, every value used. */
const graphs = fc
  .array(fc.tuple(fc.nat(), fc.nat()), { minLength: 1, maxLength: 40 })
  .map((choices) => {
    const builder = new GraphBuilder()
    const values = [builder.input('x', 'float32', ['n', 4])]
    for (const [a, b] of choices) {
      const pick = (n: number) => values[n % values.length]!
      values.push(
        a % 3 === 0 ? builder.node('Relu', [pick(b)]) : builder.node('Add', [pick(a), pick(b)]),
      )
    }
    builder.output(values.at(-1)!)
    return builder.model()
  })

describe('the drawing', () => {
  it('gives every node a box, and no two boxes overlap', () => {
    fc.assert(
      fc.property(graphs, (model) => {
        const diff = single(view(model))
        const { boxes, paths, width, height } = layoutOf(diff)
        expect(boxes.map(({ key }) => key)).toEqual(diff.nodes.map(({ key }) => key))
        expect(paths).toHaveLength(diff.edges.length)
        boxes.forEach((a, i) => {
          expect(a.x >= 0 && a.y >= 0).toBe(true)
          expect(a.x + a.width <= width && a.y + a.height <= height).toBe(true)
          for (const b of boxes.slice(i + 1)) {
            const apart =
              a.x + a.width <= b.x ||
              b.x + b.width <= a.x ||
              a.y + a.height <= b.y ||
              b.y + b.height <= a.y
            expect(apart, `${a.key} and ${b.key}`).toBe(true)
          }
        })
      }),
      { numRuns: 60 },
    )
  })

  it('draws long chains too, without exhausting the stack', () => {
    const builder = new GraphBuilder()
    let value = builder.input('x', 'float32', ['n', 4])
    for (let i = 0; i < 5000; i++) value = builder.node('Relu', [value])
    builder.output(value)
    expect(layoutOf(single(view(builder.model()))).boxes).toHaveLength(5002)
  })

  it('knows what is the same, widened and inserted', () => {
    const grown = deepen(widen(teacher, { conv1: 80 }), ['fc1'])
    const { nodes, counts } = diffOf(view(teacher), view(grown), () => false)
    const status = (name: string) => nodes.find((node) => node.name === name)?.status
    expect(counts).toMatchObject({ widened: 2, inserted: 2, removed: 0, changed: 0 })
    expect([status('conv1'), status('conv2'), status('fc2')]).toEqual([
      'widened',
      'widened',
      'same',
    ])
    expect(status('fc1-deeper')).toBe('inserted')
    // The other way round, what was inserted is removed.
    const back = diffOf(view(grown), view(teacher), () => false)
    expect(back.counts).toMatchObject({ widened: 2, inserted: 0, removed: 2 })
  })

  it('counts parameters and multiply-adds', () => {
    const { parameters, multiplyAdds, shapes } = view(teacher)
    expect(parameters).toBe(238_986)
    // 28²·9·64 + 14²·9·64·64 + 3136·64 + 64·10
    expect(multiplyAdds).toBe(451_584 + 7_225_344 + 200_704 + 640)
    expect(shapes.get('conv1')).toBe('batch×64×28×28')
  })
})

describe('a drawn digit', () => {
  it('is scaled into 20 pixels, and its mass lies in the middle', () => {
    fc.assert(
      fc.property(
        fc.nat(180),
        fc.nat(180),
        fc.integer({ min: 5, max: 100 }),
        fc.integer({ min: 5, max: 100 }),
        (left, top, width, height) => {
          const ink = new Float32Array(280 * 280)
          for (let y = top; y < top + height; y++)
            for (let x = left; x < left + width; x++) ink[y * 280 + x] = 1
          const digit = centred(ink, 280)!
          let [mass, mx, my] = [0, 0, 0]
          digit.forEach((value, i) => {
            mass += value
            mx += value * ((i % 28) + 0.5)
            my += value * (Math.floor(i / 28) + 0.5)
          })
          expect(Math.abs(mx / mass - 14)).toBeLessThanOrEqual(0.51)
          expect(Math.abs(my / mass - 14)).toBeLessThanOrEqual(0.51)
        },
      ),
    )
  })
  it('is nothing where nothing is drawn', () => {
    expect(centred(new Float32Array(280 * 280), 280)).toBeUndefined()
  })
})

describe('the gate', () => {
  const runtime: Runtime = {
    description: 'counts',
    createSession: async () => ({
      inputs: [{ name: 'learning_rate', dtype: 'float32', shape: [] }],
      outputs: [],
      run: async () => ({ loss: float32([], [0.5]) }),
      release: async () => undefined,
    }),
  }
  const soon = () => new Promise((resolve) => setTimeout(resolve, 20))

  it('holds steps, lets single ones through, and opens', async () => {
    const gate = new Gate()
    const losses: number[] = []
    const session = await gated(runtime, gate, (loss) => losses.push(loss)).createSession('x')
    gate.pause()
    const steps = Promise.all([0, 1, 2].map(() => session.run({})))
    await soon()
    expect(losses).toHaveLength(0)
    gate.single()
    await soon()
    expect(losses).toHaveLength(1)
    gate.resume()
    await steps
    expect(losses).toEqual([0.5, 0.5, 0.5])
  })
})
