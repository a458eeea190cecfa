import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ArrayDataset } from '../../data/dataset.ts'
import { dense, sequential } from '../../layers/index.ts'
import { GraphBuilder } from '../../model/builder.ts'
import { float32, int64, type Tensor } from '../../tensor/tensor.ts'
import { adam, evaluate, train } from '../index.ts'
import { bootstrap, normal, wilson } from './intervals.ts'
import { accuracy, auc, f1, type Metric, metricNames, metricOf, r2 } from './metrics.ts'
import { collectOutcomes } from './outcomes.ts'

interface Draw {
  readonly classes: number
  readonly targets: readonly number[]
  /** Few distinct levels, so that there are ties. */
  readonly logits: readonly (readonly number[])[]
}

const draws: fc.Arbitrary<Draw> = fc.integer({ min: 2, max: 5 }).chain((classes) =>
  fc
    .array(
      fc.tuple(
        fc.nat({ max: classes - 1 }),
        fc.array(fc.integer({ min: -3, max: 3 }), { minLength: classes, maxLength: classes }),
      ),
      { minLength: 1, maxLength: 25 },
    )
    .map((rows) => ({
      classes,
      targets: rows.map(([target]) => target),
      logits: rows.map(([, row]) => row),
    })),
)

const outcomesOf = ({ classes, targets, logits }: Draw) => {
  const collector = collectOutcomes({ activation: 'softmax', axis: 1, scores: true })
  collector.add(float32([targets.length, classes], logits.flat()), int64(targets))
  return collector.outcomes()
}

const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length
const softmax = (row: readonly number[]) => {
  const e = row.map(Math.exp)
  return e.map((value) => value / e.reduce((a, b) => a + b, 0))
}
const firstBest = (row: readonly number[]) => row.indexOf(Math.max(...row))
const isClass = (c: number) => (value: number) => value === c

/** By the definitions of scikit-learn's user guide, one class at a time. */
function byDefinition({ classes, targets, logits }: Draw): Readonly<Record<string, number>> {
  const predicted = logits.map(firstBest)
  const all = Array.from({ length: classes }, (_, c) => c)
  const counts = all.map((c) => ({
    tp: targets.filter((t, i) => t === c && predicted[i] === c).length,
    predicted: predicted.filter(isClass(c)).length,
    support: targets.filter(isClass(c)).length,
  }))
  const over = (a: number, b: number) => (b === 0 ? 0 : a / b)
  const scores = counts.map(({ tp, predicted: p, support }) => {
    const [precision, recall] = [over(tp, p), over(tp, support)]
    return { precision, recall, f1: over(2 * precision * recall, precision + recall) }
  })
  const occurring = all.filter((c) => counts[c]!.predicted + counts[c]!.support > 0)
  const right = mean(targets.map((t, i) => Number(t === predicted[i])))
  const result: Record<string, number> = { accuracy: right }
  for (const name of ['precision', 'recall', 'f1'] as const) {
    result[name] = mean(occurring.map((c) => scores[c]![name]))
    result[`${name}-macro`] = result[name]
    result[`${name}-weighted`] = mean(targets.map((t) => scores[t]![name]))
    // Every prediction is of one class: what is wrong for one is missed of another.
    result[`${name}-micro`] = right
  }
  const areas = (classes === 2 ? [1] : all).flatMap((c) => {
    const score = (i: number) => softmax(logits[i]!)[c]!
    const [ones, zeros] = [true, false].map((is) =>
      targets.flatMap((t, i) => ((t === c) === is ? [i] : [])),
    )
    if (ones!.length === 0 || zeros!.length === 0) return []
    const wins = ones!.flatMap((a) =>
      zeros!.map((b) => {
        const difference = score(a) - score(b)
        return Math.abs(difference) < 1e-6 ? 0.5 : Number(difference > 0)
      }),
    )
    return [mean(wins)]
  })
  result.auc = mean(areas)
  result.perplexity = Math.exp(mean(targets.map((t, i) => -Math.log(softmax(logits[i]!)[t]!))))
  for (const k of [1, 2, 3])
    result[`top-${k}`] = mean(
      targets.map((t, i) => {
        const order = all.sort((a, b) => logits[i]![b]! - logits[i]![a]! || a - b)
        return Number(order.slice(0, k).includes(t))
      }),
    )
  return result
}

describe('of classes', () => {
  test('are what their definitions say', () => {
    fc.assert(
      fc.property(draws, (draw) => {
        const outcomes = outcomesOf(draw)
        for (const [name, expected] of Object.entries(byDefinition(draw))) {
          const value = metricOf(name).measure(outcomes)
          if (Number.isNaN(expected)) expect(value, name).toBeNaN()
          else expect(value, name).toBeCloseTo(expected, 5)
        }
      }),
    )
  })

  test('a weight is so many copies', () => {
    fc.assert(
      fc.property(
        draws,
        fc.array(fc.nat({ max: 3 }), { minLength: 25, maxLength: 25 }),
        (draw, all) => {
          const weights = draw.targets.map((_, i) => all[i]!)
          const copies = weights.flatMap((weight, i) => Array<number>(weight).fill(i))
          fc.pre(copies.length > 0)
          const copied = outcomesOf({
            ...draw,
            targets: copies.map((i) => draw.targets[i]!),
            logits: copies.map((i) => draw.logits[i]!),
          })
          const outcomes = outcomesOf(draw)
          for (const name of [
            'accuracy',
            'top-2',
            'precision',
            'f1-weighted',
            'recall-micro',
            'auc',
            'perplexity',
          ]) {
            const [a, b] = [
              metricOf(name).measure(outcomes, weights),
              metricOf(name).measure(copied),
            ]
            if (Number.isNaN(b)) expect(a).toBeNaN()
            else expect(a, name).toBeCloseTo(b, 9)
          }
        },
      ),
    )
  })

  test('labels that do not exclude one another are judged one by one', () => {
    const collector = collectOutcomes({ activation: 'sigmoid', scores: true })
    collector.add(float32([3, 2], [1, -1, 2, 3, -1, -2]), float32([3, 2], [1, 1, 0, 1, 0, 0]))
    const outcomes = collector.outcomes()
    // Label 0: one right, one wrong. Label 1: one right, one missed.
    expect(accuracy().measure(outcomes)).toBeCloseTo(4 / 6)
    expect(metricOf('precision').measure(outcomes)).toBeCloseTo((1 / 2 + 1) / 2)
    expect(metricOf('recall').measure(outcomes)).toBeCloseTo((1 + 1 / 2) / 2)
    expect(f1('micro').measure(outcomes)).toBeCloseTo(4 / 6)
    expect(auc().measure(outcomes)).toBeCloseTo((1 / 2 + 1) / 2)
  })
})

test('of values are what their definitions say, for one number and for several', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 3 }),
      fc.array(fc.tuple(fc.integer({ min: -9, max: 9 }), fc.integer({ min: -9, max: 9 })), {
        minLength: 6,
        maxLength: 30,
      }),
      (width, pairs) => {
        const rows = Math.floor(pairs.length / width)
        const [y, t] = [0, 1].map((k) => pairs.slice(0, rows * width).map((pair) => pair[k]!))
        const collector = collectOutcomes({ scores: false })
        collector.add(float32([rows, width], y!), float32([rows, width], t!))
        const outcomes = collector.outcomes()
        const errors = y!.map((value, i) => value - t![i]!)
        expect(metricOf('mae').measure(outcomes)).toBeCloseTo(mean(errors.map(Math.abs)), 9)
        expect(metricOf('rmse').measure(outcomes)).toBeCloseTo(
          Math.sqrt(mean(errors.map((e) => e * e))),
          9,
        )
        const shares = Array.from({ length: width }, (_, k) => {
          const column = t!.filter((_, i) => i % width === k)
          const residual = mean(errors.filter((_, i) => i % width === k).map((e) => e * e))
          return 1 - residual / mean(column.map((value) => (value - mean(column)) ** 2))
        })
        if (shares.every(Number.isFinite))
          expect(r2().measure(outcomes)).toBeCloseTo(mean(shares), 9)
      },
    ),
  )
})

describe('intervals', () => {
  test("Wilson's has the values of the literature", () => {
    // Newcombe 1998, table I: 81 of 263, 15 of 148, 0 of 20, 1 of 29.
    const cases = [
      [81, 263, 0.2553, 0.3662],
      [15, 148, 0.0624, 0.1605],
      [0, 20, 0, 0.1611],
      [1, 29, 0.0061, 0.1718],
    ] as const
    for (const [right, count, low, high] of cases) {
      const interval = wilson(right / count, count)
      expect(interval.low).toBeCloseTo(low, 4)
      expect(interval.high).toBeCloseTo(high, 4)
    }
  })

  test('of means and by resampling they agree for many samples, and the same seed gives the same', () => {
    const count = 400
    const targets = Array.from({ length: count }, (_, i) => (i * 7) % 3)
    const logits = targets.map((t, i) =>
      [0, 1, 2].map((c) => (i % 4 > 0 && c === t ? 2 : Math.sin(i + c))),
    )
    const outcomes = outcomesOf({ classes: 3, targets, logits })
    if (outcomes.kind !== 'classes') throw new Error()
    const loss: Metric = {
      name: 'loss',
      better: 'lower',
      measure: (_, weights) =>
        outcomes.losses.reduce((sum, value, i) => sum + value * (weights?.[i] ?? 1), 0) / count,
    }
    const [right, resampled] = bootstrap([accuracy(), loss], outcomes, 3)
    const share = accuracy().measure(outcomes)
    expect(right!.low).toBeCloseTo(wilson(share, count).low, 1.5)
    expect(right!.high).toBeCloseTo(wilson(share, count).high, 1.5)
    const exact = normal(outcomes.losses)
    expect(resampled!.high - resampled!.low).toBeGreaterThan(0.85 * (exact.high - exact.low))
    expect(resampled!.high - resampled!.low).toBeLessThan(1.15 * (exact.high - exact.low))
    expect(bootstrap([loss], outcomes, 3)).toEqual([resampled])
    expect(bootstrap([loss], outcomes, 4)).not.toEqual([resampled])
  })
})

/** A model whose output is its input. */
function copying(width: number) {
  const builder = new GraphBuilder()
  const x = builder.input('x', 'float32', ['n', width])
  builder.nodeOutputs('Identity', [x], {}, { outputs: ['y'] })
  builder.output('y', 'float32', ['n', width])
  return builder.model()
}

describe('evaluate', () => {
  test('says everything of classes, for any batch size', async () => {
    const logits = [
      [2, 0, 0],
      [2, 0, 0],
      [0, 2, 0],
      [0, 0, 2],
      [0, 2, 0],
    ]
    const samples = new ArrayDataset(
      { x: { dtype: 'float32', dims: [3], data: Float32Array.from(logits.flat()) } },
      { dtype: 'int32', dims: [], data: Int32Array.of(0, 1, 1, 2, 2) },
      ['a', 'b', 'c'],
    )
    const own: Metric = { name: 'count', better: 'higher', measure: ({ count }) => count }
    const options = { loss: 'softmax-cross-entropy', metrics: ['f1', own, 'accuracy'] } as const
    const result = await evaluate(copying(3), samples, { ...options, batchSize: 2 })
    expect(result).toMatchObject({
      accuracy: 3 / 5,
      predictions: 5,
      confusion: [
        [1, 0, 0],
        [1, 1, 0],
        [0, 1, 1],
      ],
      metrics: {
        count: { value: 5, low: 5, high: 5, interval: 'bootstrap' },
        accuracy: { value: 3 / 5, ...wilson(3 / 5, 5), interval: 'wilson' },
        loss: { interval: 'normal' },
      },
    })
    expect(result.metrics!.loss!.value).toBe(result.loss)
    expect(result.metrics!.f1!.value).toBeCloseTo((2 / 3 + 1 / 2 + 2 / 3) / 3)
    expect(result.perClass).toEqual([
      { class: '0', precision: 1 / 2, recall: 1, f1: 2 / 3, support: 1 },
      { class: '1', precision: 1 / 2, recall: 1 / 2, f1: 1 / 2, support: 2 },
      { class: '2', precision: 1, recall: 1 / 2, f1: 2 / 3, support: 2 },
    ])
    const quick = await evaluate(copying(3), samples, { ...options, intervals: 'formula' })
    expect(quick.metrics).toEqual({
      ...result.metrics,
      count: { value: 5 },
      f1: { value: result.metrics!.f1!.value },
      loss: { ...quick.metrics!.loss, value: expect.closeTo(result.loss, 6) },
    })
    expect(quick.metrics!.loss!.low).toBeCloseTo(result.metrics!.loss!.low!, 5)
    const bare = await evaluate(copying(3), samples, { loss: 'softmax-cross-entropy' })
    expect(bare).toEqual({ loss: expect.closeTo(result.loss, 6), accuracy: 3 / 5, predictions: 5 })
  })

  test('finds the classes of sequences along their axis', async () => {
    const builder = new GraphBuilder()
    const x = builder.input('x', 'float32', ['n', 2, 3])
    builder.nodeOutputs('Identity', [x], {}, { outputs: ['y'] })
    builder.output('y', 'float32', ['n', 2, 3])
    const inputs = { x: float32([1, 2, 3], [5, 0, 0, 0, 1, 5]) }
    const data = [{ inputs, target: int64([0, 1], [1, 2]) as Tensor }]
    const options = {
      loss: 'softmax-cross-entropy',
      metrics: ['accuracy', 'perplexity', 'top-2'],
    } as const
    const { confusion, metrics, loss } = await evaluate(builder.model(), data, options)
    expect(confusion).toEqual([
      [1, 0, 0],
      [0, 0, 1],
      [0, 0, 0],
    ])
    expect(metrics!.perplexity!.value).toBeCloseTo(Math.exp(loss), 4)
    expect(metrics!['top-2']!.value).toBe(1)
  })

  test('of values: what is usual, with intervals', async () => {
    const inputs = { x: float32([4, 1], [1, 2, 3, 4]) }
    const data = [{ inputs, target: float32([4, 1], [1, 2, 4, 4]) }]
    const { metrics, confusion } = await evaluate(copying(1), data, {
      loss: 'mse',
      metrics: 'usual',
    })
    expect(Object.keys(metrics!)).toEqual(['loss', 'mae', 'rmse', 'r2'])
    expect(metrics!.mae).toMatchObject({ value: 0.25, interval: 'normal' })
    expect(metrics!.rmse!.value).toBe(0.5)
    expect(confusion).toBeUndefined()
  })

  test('refuses metrics of another kind, or that there are not', async () => {
    const data = [{ inputs: { x: float32([1, 2], [1, 2]) }, target: int64([0]) }]
    const run = (metrics: string[]) =>
      evaluate(copying(2), data, { loss: 'softmax-cross-entropy', metrics })
    await expect(run(['rmse'])).rejects.toThrow(/rmse is of values, but the model predicts classes/)
    await expect(run(['acuracy'])).rejects.toThrow(/no metric "acuracy"; did you mean "accuracy"/)
    await expect(run(['top-0'])).rejects.toThrow(/top-k must be a whole number/)
    expect(
      metricNames.map((name) => metricOf(name).name).every((name) => metricNames.includes(name)),
    ).toBe(true)
  })
})

describe('training', () => {
  const samples = new ArrayDataset(
    {
      input: {
        dtype: 'float32',
        dims: [2],
        data: Float32Array.from({ length: 80 }, (_, i) => Math.sin(3 * i)),
      },
    },
    {
      dtype: 'int32',
      dims: [],
      data: Int32Array.from({ length: 40 }, (_, i) => Number(Math.sin(6 * i) > 0)),
    },
  )
  const model = sequential([dense(2)], { input: [2], seed: 1 })
  const base = {
    loss: 'softmax-cross-entropy',
    optimizer: adam({ learningRate: 0.05 }),
    validation: samples,
  } as const

  test('measures them after each epoch, as evaluate does', async () => {
    const training = train(model, samples, { ...base, epochs: 2, metrics: ['f1', 'auc'] })
    for await (const _ of training);
    const { metrics } = await evaluate(training.model, samples, {
      loss: base.loss,
      metrics: ['f1', 'auc'],
    })
    const measured = training.state.history.at(-1)!.metrics!
    for (const name of ['f1', 'auc']) expect(measured[name]).toBeCloseTo(metrics![name]!.value, 6)
  })

  test('stops where the metric no longer improves, and gives back the best parameters', async () => {
    // Better in every epoch up to the third, then worse: whatever the loss does.
    const values = [0.1, 0.3, 0.5, 0.4, 0.3, 0.2, 0.1]
    for (const better of ['higher', 'lower'] as const) {
      let epoch = 0
      const metric: Metric = {
        name: 'own',
        better,
        measure: () => (better === 'higher' ? 1 : -1) * values[epoch++]!,
      }
      const training = train(model, samples, {
        ...base,
        epochs: 7,
        metrics: [metric],
        earlyStopping: { patience: 2, metric: 'own', restoreBest: true },
      })
      const models = []
      for await (const _ of training) models.push(training.model)
      expect(models).toHaveLength(5)
      const weights = (of: typeof model) =>
        [...of.graph.initializers.values()].map(({ tensor }) => [
          ...tensor.read(0, tensor.byteLength),
        ])
      expect(weights(training.model)).toEqual(weights(models[2]!))
    }
  })

  test('metrics without validation data, or watched and not measured, are refused', () => {
    const { validation: _, ...rest } = base
    expect(() => train(model, samples, { ...rest, metrics: ['f1'] })).toThrow(
      /f1 are measured on validation data/,
    )
    const earlyStopping = { patience: 1, metric: 'auc' }
    expect(() => train(model, samples, { ...base, metrics: ['f1'], earlyStopping })).toThrow(
      /watches the metric "auc", which is not measured; measured are f1/,
    )
  })
})
