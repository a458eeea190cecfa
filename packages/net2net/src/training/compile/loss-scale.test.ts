/** Updates by gradients of a loss whose own gradient was multiplied before, and by gradients as they are. */
import { describe, expect, test } from 'vitest'
import { smallData, smallNetwork } from '../../../testing/small-training.ts'
import type { Batch } from '../../data/samples.ts'
import { nodeRuntime } from '../../runtime/onnxruntime.node.ts'
import { type Tensor, toNumbers } from '../../tensor/tensor.ts'
import { createStepper } from '../run/create-stepper.ts'
import { focal, type Loss, softmaxCrossEntropy } from './losses/index.ts'
import {
  accumulated,
  adam,
  adamw,
  averaged,
  lion,
  muon,
  type Optimizer,
  sgd,
} from './optimizers/index.ts'
import { buildStep, type StepOptions } from './step-graph.ts'

const [batch] = [...(smallData().batches(8) as Iterable<Batch>)]
const rate = 0.05

/** What two steps make of the state. */
async function stepped(options: StepOptions): Promise<ReadonlyMap<string, Tensor>> {
  const step = buildStep(smallNetwork(), options)
  const stepper = await createStepper(step, step.state, nodeRuntime, {})
  for (const learningRate of [rate, rate / 3]) await stepper.step(batch!, learningRate)
  const state = await stepper.read()
  await stepper.release()
  return state
}

const loss = 'softmax-cross-entropy'
const optimizers: Readonly<Record<string, Optimizer>> = {
  sgd: sgd({ learningRate: rate }),
  momentum: sgd({ learningRate: rate, momentum: 0.9 }),
  'Nesterov with weight decay': sgd({
    learningRate: rate,
    momentum: 0.8,
    nesterov: true,
    weightDecay: 0.1,
  }),
  'momentum without the rate': sgd({ learningRate: rate, momentum: 0.9, rule: 'pytorch' }),
  adam: adam({ weightDecay: 0.1 }),
  adamw: adamw({ beta1: 0.8 }),
  'AdamW without a first mean': adamw({ beta1: 0 }),
  muon: muon(),
  lion: lion(),
  averaged: averaged(sgd({ learningRate: rate, momentum: 0.9 }), 0.9),
  accumulated: accumulated(sgd({ learningRate: rate, momentum: 0.9 }), 2),
}

/** As whoever writes a loss of their own has it. */
const unscaled: Loss = {
  ...softmaxCrossEntropy(),
  emit(context) {
    const { loss, gradient } = softmaxCrossEntropy().emit(context)
    return { loss, gradient: gradient! }
  },
}

describe.each(Object.keys(optimizers))('%s', (name) => {
  const optimizer = optimizers[name]!

  test.each<[string, Partial<StepOptions>]>([
    ['', {}],
    [', with rates of their own', { rates: { 'conv*': 0.5, '*bias': 2, 'norm*': 0 } }],
    [', of a loss whose gradient is differentiated', { loss: focal() }],
    [', of a loss that does not scale its gradient', { loss: unscaled }],
    [', with joined vectors', { joinVectors: true }],
  ])('makes the same updates%s', async (_, options) => {
    const asked: StepOptions = { loss, optimizer, ...options }
    // Gradients that are clipped are those of the loss.
    const [scaled, plain] = [await stepped(asked), await stepped({ ...asked, clipNorm: 1e9 })]
    expect([...scaled.keys()]).toEqual([...plain.keys()])
    for (const [key, tensor] of plain) {
      const [found, expected] = [scaled.get(key)!, tensor].map((value) =>
        toNumbers(value).map(Number),
      )
      const size = Math.max(...expected!.map(Math.abs))
      for (const [i, value] of expected!.entries())
        expect(Math.abs(found![i]! - value), `${key}[${i}]`).toBeLessThanOrEqual(3e-5 * size)
    }
  })
})

test('the learning rate is multiplied with the gradient of the loss, and with no parameter’s', () => {
  const readers = (options: Partial<StepOptions>) => {
    const step = buildStep(smallNetwork(), { loss, optimizer: optimizers.momentum!, ...options })
    return step.model.graph.nodes.filter(({ inputs }) => inputs.includes('learning_rate')).length
  }
  expect(readers({})).toBe(1)
  for (const options of [
    { gradients: true },
    { clipNorm: 1 },
    { optimizer: optimizers['momentum without the rate']! },
    { optimizer: optimizers.accumulated! },
  ])
    expect(readers(options)).toBe(5)
})

test('a rule around a rule is given gradients as they are', async () => {
  const inner = optimizers.momentum!
  const doubled: Optimizer = {
    ...inner,
    update(context) {
      expect(context.isScaled).toBe(false)
      const { emitter, gradient } = context
      return inner.update({ ...context, gradient: emitter.op('Add', [gradient, gradient]) })
    },
  }
  const [found, plain] = [
    await stepped({ loss, optimizer: doubled }),
    await stepped({ loss, optimizer: inner }),
  ]
  const start = buildStep(smallNetwork(), { loss, optimizer: inner }).state
  const moved = (state: ReadonlyMap<string, Tensor>) =>
    toNumbers(state.get('fc.bias')!).map((value, i) => value - toNumbers(start.get('fc.bias')!)[i]!)
  expect(moved(found).map(Math.sign)).toEqual(moved(plain).map(Math.sign))
  expect(Math.max(...moved(found).map(Math.abs))).toBeGreaterThan(
    1.5 * Math.max(...moved(plain).map(Math.abs)),
  )
})
