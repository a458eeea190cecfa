import { describe, expect, test } from 'vitest'
import { readSweep } from './sweep-plan.ts'

const read = (...lines: readonly string[]) => readSweep(lines.join('\n'), 'sweep.yaml')
const errorsOf = (...lines: readonly string[]): readonly string[] => {
  try {
    read(...lines)
  } catch (error) {
    return (error as Error).message.split('\n').slice(1)
  }
  return []
}

describe('a sweep file', () => {
  test('with errors has all of them said at once, with their lines', () => {
    const errors = errorsOf(
      'name: bad',
      'treads: 2',
      'defaults: {epochs: 0, optimizer: rmsprop}',
      'experiments:',
      '  - name: one',
      '    trainSize: 70000',
      '    arms:',
      '      - {name: a, widen: {conv9: 128}}',
      '      - {name: b, widen: {conv1: 32}}',
      '      - {name: c, from: nowhere}',
      '      - {name: d, from: scratch, carryOptimizer: true}',
      '      - {name: e, optimizer: adam, carryOptimizer: true}',
      '      - {name: f, widen: {conv1: 128}, noise: loud}',
      '      - name: g',
      '        deepen: [conv2]',
      '        grid:',
      '          learningRate: [0.1, -1]',
      '          colour: [red]',
      '    compare: [[a, zzz]]',
    )
    const at = (line: number, pattern: RegExp) =>
      expect(errors.filter((error) => error.startsWith(`sweep.yaml:${line}:`)).join('\n')).toMatch(
        pattern,
      )
    at(2, /there is no field "treads"/)
    at(3, /epochs: must be at least 1/)
    at(3, /optimizer: must be one of sgd, adam/)
    at(6, /only 60000 samples/)
    at(8, /conv9/)
    at(9, /conv1.*64.*32|32.*64/)
    at(10, /"c" comes from itself or from no known arm/)
    at(11, /no state to carry/)
    at(12, /not the same as that of "teacher"/)
    at(13, /noise: must be one of zero-sum, paper, none/)
    at(17, /learningRate: must be greater than 0/)
    at(18, /there is no field "colour"/)
    at(19, /no arm "zzz"/)
    expect(errors).toHaveLength(13)
  })

  test('with a mistake in an experiment or arm has the others in it said too', () => {
    const errors = errorsOf(
      'name: bad',
      'experiments:',
      '  - name: one',
      '    epoch: 3',
      '    epochs: 2',
      '    arms:',
      '      - {name: a, noise: loud, widen: {conv9: 128}}',
      '      - name: b',
      '        stages: [{afterEpoch: 1, widen: {fc1: 80}}, {afterEpoch: 2, widen: {fc1: 96}}]',
      '    compare: [[b, b]]',
    )
    expect(errors).toEqual([
      expect.stringMatching(/^sweep\.yaml:4:5: there is no field "epoch" here/),
      expect.stringMatching(/^sweep\.yaml:7:19: noise: /),
      expect.stringMatching(/^sweep\.yaml:7:32: There is no layer "conv9"/),
      expect.stringMatching(/^sweep\.yaml:9:54: afterEpoch: the training ends after epoch 2/),
      expect.stringMatching(/^sweep\.yaml:10:15: compare: "b" with itself/),
    ])
    expect(errorsOf('')).toEqual(['sweep.yaml:1:1: the sweep: must have name and experiments'])
    expect(errorsOf('name: x', 'experiments: no')).toEqual([
      'sweep.yaml:2:1: experiments: must be a list of experiments',
    ])
  })

  test('may merge settings from elsewhere', () => {
    const plan = read(
      'name: x',
      'defaults: &small {width: 4, trainSize: 64}',
      'experiments:',
      '  - name: a',
      '    teacher: {<<: *small, trainSize: 32}',
      '    arms: []',
    )
    expect(plan.trials[0]!.spec).toMatchObject({ width: 4, data: { trainSize: 32 } })
  })

  test('that is no YAML says where', () => {
    expect(errorsOf('name: [a', 'experiments: b')).not.toEqual([])
  })

  test('becomes a graph: a teacher per seed, once for all that start from it', () => {
    const plan = read(
      'name: good',
      'seeds: [3, 5]',
      'defaults: {width: 4, trainSize: 64}',
      'experiments:',
      '  - name: first',
      '    arms:',
      '      - {name: wider, widen: {conv1: 8}, grid: {noise: [paper, none]}}',
      '      - {name: fresh, from: scratch, widen: {conv1: 8}}',
      '      - {name: on}',
      '  - name: second',
      '    arms:',
      '      - {name: deeper, deepen: [conv2]}',
      '      - {name: deepest, from: deeper, deepen: [fc1]}',
    )
    const labels = plan.trials.map(({ labels: all }) =>
      all.map(({ experiment, arm, seed }) => `${experiment}/${arm}/${seed}`),
    )
    expect(labels.filter((each) => each[0]!.endsWith('/3'))).toEqual([
      ['first/teacher/3', 'second/teacher/3'],
      ['first/wider noise=paper/3'],
      ['first/wider noise=none/3'],
      ['first/fresh/3'],
      ['first/on/3'],
      ['second/deeper/3'],
      ['second/deepest/3'],
    ])
    const byLabel = (label: string) => plan.trials.find((_, i) => labels[i]!.includes(label))!
    const teacher = byLabel('first/teacher/3')
    expect(teacher.spec).toMatchObject({ learningRate: 0.01, order: 3, seed: 3 })
    expect(byLabel('first/on/3').spec).toMatchObject({ parent: teacher.id, learningRate: 0.001 })
    expect(byLabel('second/deepest/3').spec).toMatchObject({
      parent: byLabel('second/deeper/3').id,
      learningRate: 0.001,
    })
    const fresh = byLabel('first/fresh/3').spec
    expect(fresh).toMatchObject({ fresh: true, learningRate: 0.01 })
    expect(fresh.order).toBe(byLabel('first/on/3').spec.order)
    expect(plan.experiments[0]!.compare).toEqual([
      ['wider noise=paper', 'fresh'],
      ['wider noise=paper', 'on'],
      ['wider noise=none', 'fresh'],
      ['wider noise=none', 'on'],
    ])
  })

  test('without arms trains teachers, and reports them', () => {
    const plan = read('name: x', 'experiments:', '  - {name: x, arms: []}')
    expect(plan.trials.map(({ labels }) => labels[0]!.arm)).toEqual(['teacher'])
    expect(plan.experiments).toEqual([{ name: 'x', teacher: 'teacher', arms: [], compare: [] }])
  })

  test('checks the optimizer that is carried in every arm of a grid', () => {
    const errors = errorsOf(
      'name: x',
      'experiments:',
      '  - name: x',
      '    arms:',
      '      - {name: a, carryOptimizer: true, grid: {optimizer: [sgd, adam]}}',
    )
    expect(errors).toEqual([
      expect.stringMatching(/^sweep\.yaml:5:\d+: carryOptimizer: .* not the same/),
    ])
  })

  test('names a trial by what it is, not by what it is called', () => {
    const ids = (name: string, rate: number) =>
      read(
        `name: ${name}`,
        'experiments:',
        `  - {name: ${name}, learningRate: ${rate}, arms: []}`,
      ).trials.map(({ id }) => id)
    expect(ids('x', 0.1)).toEqual(ids('y', 0.1))
    expect(ids('x', 0.1)).not.toEqual(ids('x', 0.2))
  })

  // Whoever changes one makes all finished trials of its kind be trained again.
  test('keeps the identities of its trials from version to version', () => {
    const { trials } = read(
      'name: pin',
      'seeds: [3]',
      'experiments:',
      '  - name: all',
      '    data: fashion-mnist',
      '    trainSize: 640',
      '    testSize: 100',
      '    evaluateEvery: 5',
      '    arms:',
      '      - {name: wider, widen: {conv1: 128}, noise: paper, noiseSize: 0.1, carryOptimizer: true}',
      '      - {name: deeper, from: wider, deepen: [fc1], deepenInit: random-init, weightDecay: 0.1}',
      '      - {name: staged, epochs: 2, stages: [{afterEpoch: 1, widen: {fc1: x2}, learningRateFactor: 0.5}]}',
      '      - {name: fresh, from: scratch, network: resnet, width: 8, widen: {block1-conv1: x1.5}}',
      '      - {name: adam, optimizer: adam, learningRate: 0.003, batchSize: 16}',
    )
    expect(Object.fromEntries(trials.map(({ id, labels }) => [labels[0]!.arm, id]))).toEqual({
      teacher: 't1c37a14532659fb9',
      wider: 'tf4ef9f3fcb43943d',
      deeper: 't1564e4538e547674',
      staged: 't6b7bca92bc84c2ed',
      fresh: 'tc2203853e54987a4',
      adam: 't6efdf8467305ec92',
    })
  })
})
