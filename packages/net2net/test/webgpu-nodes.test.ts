/**
 * What the library computes on WebGPU, node by node, against ONNX Runtime in Node: the cases of all operators, their gradients in
 * WebGPU's forms, and nodes of other sizes. `NET2NET_DRAWS=20` draws so many of each case (docs/lab/webgpu.md).
 */
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Model } from '../src/model/model.ts'
import { encodeModel } from '../src/onnx/encode.ts'
import { nodeRuntime } from '../src/runtime/onnxruntime.node.ts'
import { type RandomStream, randomStream } from '../src/tensor/random.ts'
import type { Tensor } from '../src/tensor/tensor.ts'
import { allCases, nodeCases, operatorAt } from '../testing/all-cases.ts'
import { executable } from '../testing/browser.ts'
import { withGradients } from '../testing/emitted-gradients.ts'
import { fusedChains } from '../testing/fused-chains.ts'
import {
  type GradientCase,
  normalTensor,
  type OneNode,
  oneNode,
} from '../testing/gradient-check.ts'
import { difference, sent } from '../testing/sent-tensors.ts'
import type { Computed, Job } from '../testing/webgpu-worker.ts'
import { wideDraws } from '../testing/wide-draws.ts'
import { softwareAdapter, startWorkerPage, type WorkerPage } from '../testing/worker-page.ts'
import { failing, silentlyWrong } from '../testing/wrong-nodes.ts'

const draws = Number(process.env.NET2NET_DRAWS ?? 1)
const tolerance = 1e-4
/** Their variance is mean(x²) − mean(x)² there, which loses digits where entries are near each other. */
const lessExact = /^(Layer|Instance|Group)Normalization$/
const toleranceOf = (key: string) => (lessExact.test(key) ? 0.02 : tolerance)

/** ONNX Runtime's builds for browsers have none, on the processor either. */
const absent = new Set(['Dropout'])
const program = fileURLToPath(new URL('../testing/webgpu-worker.ts', import.meta.url))

/** Shapes that contradict the runtime's own are none of WebGPU's. */
const undeclared = (model: Model): Model => ({
  ...model,
  graph: {
    ...model.graph,
    outputs: model.graph.outputs.map(({ name, type }) => ({
      name,
      type: type.kind === 'tensor' ? { ...type, shape: undefined } : type,
    })),
  },
})

const job = (model: Model, feeds: Readonly<Record<string, Tensor>>): Job => ({
  model: [...encodeModel(undeclared(model))],
  feeds: sent(feeds),
})

async function inNode(model: Model, feeds: Readonly<Record<string, Tensor>>) {
  const session = await nodeRuntime.createSession(encodeModel(model), {
    threads: 1,
    optimization: 'disabled',
  })
  try {
    return await session.run(feeds)
  } finally {
    await session.release()
  }
}

describe.skipIf(executable === undefined)('on WebGPU', () => {
  let page: WorkerPage
  const start = async () => {
    page = await startWorkerPage(program, softwareAdapter)
  }
  beforeAll(start, 300_000)
  afterAll(() => page.close())

  const compute = async (name: 'compute' | 'computeAlone', asked: Job) =>
    (await page.ask(name, asked)) as Computed

  async function compare(
    model: Model,
    feeds: Readonly<Record<string, Tensor>>,
    expected: Readonly<Record<string, Tensor>>,
    what: string,
    bound = tolerance,
  ): Promise<void> {
    const found = await compute('compute', job(model, feeds))
    if ('error' in found) {
      // No session of a page works after one has failed.
      await page.close()
      await start()
      throw new Error(`${what}: ${found.error}`)
    }
    for (const [name, tensor] of Object.entries(sent(expected)))
      expect(difference(found.outputs[name], tensor), `${name} of ${what}`).toBeLessThan(bound)
  }

  /** The node, and its gradients in the forms of this target against the standard's. */
  async function check(drawn: GradientCase, key: string, index: number, gradients: boolean) {
    const what = `${key}, draw ${index}`
    const bound = toleranceOf(key)
    const values = await inNode(drawn.model, drawn.inputs)
    await compare(drawn.model, drawn.inputs, values, what, bound)
    if (!gradients) return
    const random = randomStream(1, key, index)
    const seeds = new Map(
      Object.entries(values).flatMap(([name, { dtype, dims }]) =>
        dtype === 'float32' && drawn.outputs?.includes(name) !== false
          ? [[name, normalTensor(random, dims)] as const]
          : [],
      ),
    )
    const wrt = Object.keys(drawn.inputs).filter((name) => drawn.inputs[name]!.dtype === 'float32')
    const graph = (target: 'standard' | 'onnxruntime-webgpu') =>
      withGradients(drawn.model, drawn.inputs, wrt, seeds, target)
    const [standard, own] = [graph('standard'), graph('onnxruntime-webgpu')]
    if (!standard || !own) return
    const expected = await inNode(standard.model, standard.feeds)
    await compare(own.model, own.feeds, expected, `the gradients of ${what}`, bound)
  }

  const times = Array.from({ length: draws }, (_, index) => index)
  describe('operators and their gradients agree', () => {
    for (const [key, cases] of allCases) {
      const { shapes } = cases
      const all = [
        ...nodeCases(cases).map(({ draw }) => ({ draw, gradients: true })),
        ...(shapes ? [{ draw: shapes, gradients: false }] : []),
      ]
      if (absent.has(key) || all.length === 0) continue
      test(key, async () => {
        for (const index of times)
          for (const [place, { draw, gradients }] of all.entries()) {
            const random = randomStream(11, key, place, index)
            const { observed, ...node } = draw(random, index)
            const drawn = oneNode({ ...operatorAt(key), ...node })
            await check({ ...drawn, ...(observed && { outputs: observed }) }, key, index, gradients)
            // One of them will do where not more is asked for.
            if (draws === 1) break
          }
      })
    }
  })

  test.each(Object.entries(wideDraws))('%s agrees at any sizes', async (key, draw) => {
    for (const index of times)
      await check(oneNode(draw(randomStream(11, key, index), index)), key, index, false)
  })

  test('chains that ONNX Runtime makes one node of agree', async () => {
    const { model, inputs } = fusedChains(randomStream(7, 'chains'))
    const session = await nodeRuntime.createSession(encodeModel(model), { threads: 1 })
    const expected = await session.run(inputs)
    await session.release()
    await compare(model, inputs, expected, 'the chains')
  })

  const example = (key: string, node: (random: RandomStream) => OneNode): GradientCase =>
    oneNode(node(randomStream(3, key)))

  test.each(Object.entries({ ...silentlyWrong, ...failing }))('%s agrees', (key, node) =>
    check(example(key, node), key, 0, false),
  )

  // Where this fails, the runtime has learnt it, and the operator's answer can go.
  test.each(Object.entries(silentlyWrong))('%s is wrong without the library', async (key, node) => {
    const { model, inputs } = example(key, node)
    const found = await compute('computeAlone', job(model, inputs))
    if ('error' in found) throw new Error(found.error)
    const expected = Object.entries(sent(await inNode(model, inputs)))
    const errors = expected.map(([name, one]) => difference(found.outputs[name], one))
    expect(Math.max(...errors)).toBeGreaterThan(0.01)
  })
})
