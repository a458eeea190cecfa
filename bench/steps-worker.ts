/** Our training steps as a worker: see worker.ts. */
import readline from 'node:readline'
import type { Batch } from '../packages/net2net/src/data/samples.ts'
import { load } from '../packages/net2net/src/index.ts'
import { GraphBuilder } from '../packages/net2net/src/model/builder.ts'
import { encodeModel } from '../packages/net2net/src/onnx/encode.ts'
import { nodeRuntime } from '../packages/net2net/src/runtime/onnxruntime.node.ts'
import { randomStream } from '../packages/net2net/src/tensor/random.ts'
import { float32, Tensor } from '../packages/net2net/src/tensor/tensor.ts'
import { softmaxCrossEntropy } from '../packages/net2net/src/training/compile/losses/index.ts'
import { adamw, sgd } from '../packages/net2net/src/training/compile/optimizers/index.ts'
import {
  buildStep,
  type StepGraph,
  type StepOptions,
} from '../packages/net2net/src/training/compile/step-graph.ts'
import { createStepper } from '../packages/net2net/src/training/run/create-stepper.ts'
import { formsFor } from '../packages/net2net/src/training/run/targets.ts'
import { contestant, gemmSize } from './measure.ts'

export interface StepsQuestion {
  /** The model, an ONNX file. */
  readonly file: string
  readonly batch: number
  readonly optimizer: keyof typeof optimizers
  readonly threads: number
}
export interface StepsAnswer {
  /** From the file to the end of the first step, in milliseconds. */
  readonly firstStep: number
}

const optimizers = {
  sgd: sgd({ learningRate: 0.001, momentum: 0.9 }),
  adamw: adamw({ learningRate: 0.0001 }),
} as const
type Step = () => Promise<unknown>

const learningRate = 0.001

/** The step of the trainer. */
async function ours({ file, batch, optimizer, threads }: StepsQuestion): Promise<Step> {
  const options = { ...stepOptions(optimizer), ...formsFor(nodeRuntime), watch: true }
  const graph = buildStep(await load(file), options)
  const stepper = await createStepper(graph, graph.state, nodeRuntime, { threads })
  const drawn = drawBatch(graph, batch)
  return () => stepper.step(drawn, learningRate)
}

/** The standard step graph as any ONNX Runtime would run it. */
async function standard({ file, batch, optimizer, threads }: StepsQuestion): Promise<Step> {
  const graph = buildStep(await load(file), { ...stepOptions(optimizer), target: 'standard' })
  const { graph: whole } = graph.model
  const initializers = new Map(whole.initializers)
  for (const { name } of whole.inputs) initializers.delete(name)
  const bytes = encodeModel({ ...graph.model, graph: { ...whole, initializers } })
  const session = await nodeRuntime.createSession(bytes, { threads })
  const { inputs, target } = drawBatch(graph, batch)
  const feeds = {
    ...Object.fromEntries(graph.state),
    ...inputs,
    target,
    learning_rate: float32([], [learningRate]),
  }
  const outputs = await session.run(feeds)
  return () => session.run(feeds, outputs)
}

/** A product of two matrices. */
async function gemm({ threads }: StepsQuestion): Promise<Step> {
  const dims = [gemmSize, gemmSize]
  const builder = new GraphBuilder()
  for (const name of ['a', 'b']) builder.input(name, 'float32', dims)
  builder.nodeOutputs('MatMul', ['a', 'b'], {}, { outputs: ['y'] })
  builder.output('y', 'float32', dims)
  const session = await nodeRuntime.createSession(encodeModel(builder.model()), { threads })
  const matrix = () => float32(dims, new Float32Array(gemmSize ** 2).fill(0.5))
  const feeds = { a: matrix(), b: matrix() }
  const outputs = { y: matrix() }
  return () => session.run(feeds, outputs)
}

/** Classes lie along the last axis. */
const stepOptions = (optimizer: StepsQuestion['optimizer']): StepOptions => ({
  loss: softmaxCrossEntropy({ axis: -1 }),
  optimizer: optimizers[optimizer],
})

/** Inputs of the model's own shape and type, and a class for each prediction. */
function drawBatch({ model, inputs, target }: StepGraph, size: number): Batch {
  const random = randomStream(0, 'benchmark network', size)
  const dimsOf = (shape: readonly unknown[]) =>
    shape.map((dim, axis) => (axis === 0 ? size : Number(dim)))
  const drawn = inputs.map((name) => {
    const { type } = model.graph.inputs.find((input) => input.name === name)!
    if (type.kind !== 'tensor' || !type.shape) throw new Error(`${name} has no shape.`)
    const dims = dimsOf(type.shape)
    const count = dims.reduce((a, b) => a * b, 1)
    const tensor =
      type.dtype === 'int64'
        ? new Tensor(
            'int64',
            dims,
            BigInt64Array.from({ length: count }, () => BigInt(random.below(1000))),
          )
        : float32(
            dims,
            Float32Array.from({ length: count }, () => random.normal()),
          )
    return [name, tensor] as const
  })
  const dims = dimsOf(target.shape)
  const classes = { length: dims.reduce((a, b) => a * b, 1) }
  return {
    inputs: Object.fromEntries(drawn),
    target: new Tensor(
      'int64',
      dims,
      BigInt64Array.from(classes, (_, i) => BigInt(i % 10)),
    ),
  }
}

const makers = { net2net: ours, standard, gemm } as const
const lines = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const answer = (found: object) => process.stdout.write(`${JSON.stringify(found)}\n`)

const training = JSON.parse((await lines.next()).value) as StepsQuestion
const started = performance.now()
const step = await ours(training)
await step()
const first: StepsAnswer = { firstStep: performance.now() - started }
answer(first)

const steps = new Map<keyof typeof makers, Step>([['net2net', step]])
for (let line = await lines.next(); !line.done; line = await lines.next()) {
  const asked = JSON.parse(line.value) as { contestant: keyof typeof makers; steps: number }
  const made = steps.get(asked.contestant) ?? (await makers[asked.contestant](training))
  steps.set(asked.contestant, made)
  answer({ runs: await contestant(asked.contestant, made).run(asked.steps) })
}
