import { describe, expect, test } from 'vitest'
import { smallData, smallNetwork } from '../../testing/small-training.ts'
import { countMultiplyAdds, countParameters, grow, planStep, shareOf } from '../growth/index.ts'
import type { Model } from '../model/model.ts'
import { encodeModel } from '../onnx/encode.ts'
import { formatRecipe, parseRecipe } from '../recipe/growth-recipe.ts'
import { formatTrainingRecipe, parseTrainingRecipe } from '../recipe/training-recipe.ts'
import { nodeRuntime } from '../runtime/onnxruntime.node.ts'
import { toNumbers } from '../tensor/tensor.ts'
import { adam } from '../training/compile/optimizers/index.ts'
import { evaluate } from '../training/run/evaluate.ts'
import { Training } from '../training/run/trainer.ts'
import { carryState } from './carry-state.ts'
import { growMeasured } from './grow-measured.ts'
import { measureWidths, trainGrowing } from './index.ts'
import type { GrowingEvent, GrowingOptions } from './train-growing.ts'

const loss = 'softmax-cross-entropy'
const samples = smallData()
const running = {
  loss,
  runtime: nodeRuntime,
  session: { threads: 1 },
} as const
const measuring = { ...running, samples }
const gradmax = [{ widen: { conv: 6 }, init: 'gradmax' }] as const
const auto = [{ widen: { auto: '60%' } }] as const

const lossOf = async (model: Model) =>
  (await evaluate(model, samples, { loss, runtime: nodeRuntime })).loss
const sameBits = (a: Model, b: Model) =>
  Buffer.from(encodeModel(a)).equals(Buffer.from(encodeModel(b)))

describe('growth by the gradient', () => {
  test('keeps the function, and replays from its steps and from its recipe to the same bits', async () => {
    const model = smallNetwork()
    const grown = await growMeasured(model, gradmax, { ...measuring, seed: 3 })
    expect(await lossOf(grown.model)).toBeCloseTo(await lossOf(model), 6)
    expect(sameBits(grow(model, grown.steps).model, grown.model)).toBe(true)
    const text = formatRecipe({ steps: grown.steps })
    expect(sameBits(grow(model, parseRecipe(text).steps).model, grown.model)).toBe(true)
    const again = await growMeasured(model, gradmax, { ...measuring, seed: 3 })
    expect(again.plans).toEqual(grown.plans)
  })

  test('chooses widths for as many parameters as there may be', async () => {
    const model = smallNetwork()
    const { steps, parameters, model: grown } = await growMeasured(model, auto, measuring)
    const [step] = steps
    expect(step).toMatchObject({ init: 'gradmax', widen: { conv: expect.any(Number) } })
    expect(parameters.after).toBeGreaterThan(parameters.before)
    expect(parameters.after).toBeLessThanOrEqual(1.6 * parameters.before)
    expect(await lossOf(grown)).toBeCloseTo(await lossOf(model), 6)
    const copies = await growMeasured(model, [{ ...auto[0], init: 'net2wider' }], measuring)
    expect(copies.plans[0]!.units[0]).toMatchObject({ init: 'net2wider' })
  })

  test('of one measurement chooses widths for any budget, of parameters and of multiply-adds', async () => {
    const model = smallNetwork()
    const widths = await measureWidths(model, samples, running)
    const [parameters, multiplyAdds] = [countParameters(model), countMultiplyAdds(model)!]
    const sizes = (share: number) =>
      (['parameters', 'multiply-adds'] as const).map((by) => {
        const now = by === 'parameters' ? parameters : multiplyAdds
        const widen = widths.within({ by, added: share * now })
        const grown = grow(model, [{ widen }]).model
        const after = by === 'parameters' ? countParameters(grown) : countMultiplyAdds(grown)!
        expect(after).toBeGreaterThan(now)
        expect(after).toBeLessThanOrEqual((1 + share) * now)
        return after / now
      })
    const [less, more] = [sizes(0.3), sizes(0.9)]
    for (const [i, size] of more.entries()) expect(size).toBeGreaterThan(less[i]!)
    expect(() => widths.within({ by: 'multiply-adds', added: 1 })).toThrow(
      /by 1 more multiply-adds: the smallest unit adds \d+/,
    )
    expect(() => widths.within({ by: 'parameters', added: -1 })).toThrow(/added must be/)
  })

  test('says what it needs, and what is too little', async () => {
    const model = smallNetwork()
    expect(() => planStep(model, gradmax[0])).toThrow(/\(gradmax\) need samples/)
    expect(() => grow(model, auto)).toThrow(/\(auto\) need samples/)
    await expect(growMeasured(model, [{ widen: { auto: '1%' } }], measuring)).rejects.toThrow(
      /Nothing can be widened by \d+ more parameters: the smallest unit adds \d+/,
    )
    await expect(
      growMeasured(model, gradmax, { ...measuring, loss: undefined }),
    ).rejects.toMatchObject({ kind: 'usage' })
  })

  test('a layer that is called auto can be widened', () => {
    expect(shareOf({ auto: '20%' })).toBe(0.2)
    for (const widths of [{ auto: 'x2' }, { auto: 20 }, { auto: '20%', conv: 3 }, { conv: '20%' }])
      expect(shareOf(widths)).toBeUndefined()
  })

  test("an optimizer's slots follow: nothing is remembered of new units", async () => {
    const { plans } = await growMeasured(smallNetwork(), gradmax, measuring)
    const options = { ...running, optimizer: adam({ learningRate: 0.01 }), batchSize: 9 }
    const training = new Training(smallNetwork(), samples, options)
    for await (const _ of training);
    const moment = carryState(training, plans, options)
    const first = toNumbers(moment.state.tensors.get('conv.weight.m')!)
    expect(first.slice(0, 4 * 9).some((value) => value !== 0)).toBe(true)
    expect(first.slice(4 * 9)).toEqual(Array(2 * 9).fill(0))
  })
})

describe('a training that grows by the gradient', () => {
  const options: GrowingOptions = {
    ...running,
    optimizer: adam({ learningRate: 0.01 }),
    epochs: 2,
    batchSize: 9,
    stages: [
      { when: { epoch: 1 }, steps: auto, learningRateFactor: 1 },
      { when: { step: 7 }, steps: [{ widen: { conv: 'x1.5' }, init: 'gradmax' }] },
    ],
  }
  const run = async (settings: GrowingOptions) => {
    const events: GrowingEvent[] = []
    const training = trainGrowing(smallNetwork(), samples, settings)
    for await (const event of training) events.push(event)
    return { events, model: training.model }
  }
  const growthsIn = (events: readonly GrowingEvent[]) =>
    events.flatMap((event) => (event.kind === 'growth' ? [event] : []))

  test('replays from what it has recorded', async () => {
    const { events, model } = await run(options)
    const growths = growthsIn(events)
    expect(growths).toHaveLength(2)
    expect(countParameters(model)).toBeGreaterThan(countParameters(smallNetwork()))
    const recorded = options.stages.map((stage, i) => ({ ...stage, steps: growths[i]!.steps }))
    const stages = parseTrainingRecipe(formatTrainingRecipe(recorded))
    const again = await run({ ...options, stages })
    expect(sameBits(again.model, model)).toBe(true)
  })

  test('needs samples, which is said before the first step', () => {
    const batches = { [Symbol.asyncIterator]: () => asyncBatches() }
    expect(() => trainGrowing(smallNetwork(), batches, options)).toThrow(/need samples/)
  })
})

async function* asyncBatches() {
  yield* samples.batches(9)
}
