import fc from 'fast-check'
import { expect, test } from 'vitest'
import { readSweep } from '../file/sweep-plan.ts'
import { trialId } from '../trial/trial-id.ts'
import { parseFailure, parseJob } from './parse-job.ts'
import { jobOf, type TrialJob } from './queue.ts'

const source = `name: all
seeds: 2
defaults: {width: 8, trainSize: 320, epochs: 2, evaluateEvery: 5}
experiments:
  - name: small
    learningRate: 0.05
    teacher: {epochs: 16}
    arms:
      - {name: wider, widen: {conv1: 12, fc1: x1.5}, carryOptimizer: true, noiseSize: 0.1}
      - {name: stages, epochs: 2, stages: [{afterEpoch: 1, deepen: [fc1], learningRateFactor: 0.5}]}
      - {name: scratch-wide, from: scratch, widen: {conv1: 12}, optimizer: adamw, weightDecay: 0.1}
`

function jobs(): readonly TrialJob[] {
  const plan = readSweep(source, 'all.yaml')
  const settings = { checkpointSeconds: 30, commonFolder: false }
  return plan.trials.map((trial) => jobOf(plan, trial, settings, () => true))
}
const asSent = (value: unknown) => JSON.parse(JSON.stringify(value))

test('what submitters send is read as it is', () => {
  for (const job of jobs()) expect(parseJob(asSent(job))).toEqual(job)
})

test.each([
  ['leads out of the folder', { id: '../../x' }, /trial\.id is no identity of a trial/],
  ['is that of another trial', { id: `t${'0'.repeat(16)}` }, /is not the identity of its/],
  ['is not there', { id: undefined }, /trial\.id/],
])('an identity that %s is refused', (_, change, message) => {
  const [job] = jobs()
  const poisoned = asSent({ ...job, trial: { ...job!.trial, ...change } })
  expect(() => parseJob(poisoned)).toThrow(
    expect.objectContaining({ kind: 'input', message: expect.stringMatching(message) }),
  )
})

test('a parent is an identity, too', () => {
  const [job] = jobs()
  const spec = { ...job!.trial.spec, parent: '../../../etc' }
  const poisoned = { ...job, trial: { ...job!.trial, spec, id: trialId(spec) } }
  expect(() => parseJob(asSent(poisoned))).toThrow(/trial\.spec\.parent is no identity/)
})

test('a job of another version is refused, and says so', () => {
  const [job] = jobs()
  const spec = { ...job!.trial.spec, format: 1 }
  const old = { ...job, trial: { ...job!.trial, spec } }
  expect(() => parseJob(asSent(old))).toThrow(/trial\.spec\.format is of another version/)
})

test('labels must be there, if only an empty list', () => {
  const [job] = jobs()
  const { labels: _, ...unlabelled } = job!.trial
  expect(() => parseJob(asSent({ ...job, trial: unlabelled }))).toThrow(/trial\.labels/)
  const none = { ...job, trial: { ...job!.trial, labels: [] } }
  expect(parseJob(asSent(none)).trial.labels).toEqual([])
})

test('anything else is refused with a reason, and nothing escapes but that', () => {
  const [job] = jobs()
  const paths = [['trial'], ['trial', 'spec'], ['trial', 'spec', 'data'], ['children'], []]
  fc.assert(
    fc.property(fc.constantFrom(...paths), fc.string(), fc.jsonValue(), (path, key, value) => {
      const poisoned = asSent(job)
      const inside = path.reduce((at, name) => at[name], poisoned)
      // The length of a list is no field that can be sent, and takes no other values.
      fc.pre(!(Array.isArray(inside) && key === 'length'))
      inside[key] = value
      try {
        // What is still a job has the identity of its specification.
        const { trial } = parseJob(poisoned)
        expect(trialId(trial.spec)).toBe(trial.id)
      } catch (error) {
        expect(error).toMatchObject({ kind: 'input', message: expect.stringMatching(/^The job /) })
      }
    }),
    { numRuns: 300, examples: [[['children'], 'length', [null, null]]] },
  )
  for (const value of [null, undefined, 7, 'x', [], {}])
    expect(() => parseJob(value)).toThrow(/^The job is not valid/)
  let deep: TrialJob = job!
  for (let i = 0; i < 20_000; i++) deep = { ...job!, children: [deep] }
  expect(() => parseJob(deep)).toThrow(expect.objectContaining({ kind: 'input' }))
})

test('a failure is read, and one that cannot be is a failure all the same', () => {
  const { trial } = jobs()[0]!
  const failure = { id: trial.id, kind: 'input', message: 'No space.' }
  expect(parseFailure(JSON.stringify(failure), trial.id)).toEqual(failure)
  for (const text of ['', '{', '{}', 'null', JSON.stringify({ ...failure, id: '../../x' })])
    expect(parseFailure(text, trial.id)).toMatchObject({ id: trial.id, kind: 'internal' })
})
