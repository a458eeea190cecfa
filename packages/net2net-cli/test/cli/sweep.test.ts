/** Sweeps on one machine, as a user runs them. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { net2net, temporaryFolder } from './net2net.ts'
import { outcomes, planOf, resultOf, writeSweep } from './sweeps.ts'

const folder = temporaryFolder()
const file = writeSweep(folder, 'four', 1)
const local = join(folder, 'local')
beforeAll(async () => {
  const { code, err } = await net2net(['sweep', file, '-o', local])
  expect(err).toMatch(/4 trials; /)
  expect(code).toBe(0)
}, 120_000)

test('a sweep does not repeat what is finished, and says what it found', async () => {
  const { code, out, err } = await net2net(['sweep', file, '-o', local, '--json'])
  expect(code).toBe(0)
  expect(err).toMatch(/4 of them finished before/)
  const { finished, summary } = JSON.parse(out)
  expect(finished).toHaveLength(4)
  const [{ arms, comparisons }] = summary.experiments
  expect(arms.map(({ arm }: { arm: string }) => arm)).toEqual([
    'teacher',
    'wider',
    'stages',
    'from-scratch',
  ])
  expect(comparisons[0].sentence).toMatch(/^With one seed .* one seed supports no claim/)
  expect(readFileSync(join(local, 'report.html'), 'utf8')).toContain('<svg')
  // An exact student starts where its teacher ended.
  const found = outcomes(local)
  for (const { id, spec } of planOf(local).trials.filter(
    ({ labels }) => labels[0]!.arm === 'wider',
  ))
    expect(found[id]!.curve[0]!.valLoss).toBeCloseTo(found[spec.parent!]!.curve.at(-1)!.valLoss, 5)
  const { environment } = resultOf(local, planOf(local).trials[0]!.id).cost
  expect(Object.keys(environment).sort()).toEqual(
    ['cores', 'node', 'platform', 'processor', 'runtime'], // prettier-ignore
  )
}, 60_000)

test('a sweep goes on after it was killed, with the same outcome', async () => {
  const directory = join(folder, 'killed')
  let killed = false
  const flags = ['sweep', file, '-o', directory, '--checkpoint-every', '0']
  const first = await net2net(flags, {
    onOutput: (child, err) => {
      if (killed || !/finished \(1 of 4\)/.test(err)) return
      killed = true
      child.kill('SIGKILL')
    },
  })
  expect(first.code).toBeNull()
  const { code, err } = await net2net(flags)
  expect(err).toMatch(/[1-3] of them finished before/)
  expect(code).toBe(0)
  expect(outcomes(directory)).toEqual(outcomes(local))
}, 120_000)

test('a sweep sets failures apart: what comes of them is left out, the rest goes on', async () => {
  const bad = join(folder, 'bad.yaml')
  writeFileSync(
    bad,
    `name: bad
defaults: {width: 4, trainSize: 64, testSize: 100, epochs: 1}
experiments:
  - name: diverges
    teacher: {learningRate: 1.0e+30}
    arms: [{name: student}]
  - {name: fine, arms: []}
`,
  )
  const { code, out } = await net2net(['sweep', bad, '-o', join(folder, 'bad'), '--json'])
  expect(code).toBe(1)
  const { finished, failed, blocked } = JSON.parse(out)
  expect([finished.length, failed.length, blocked.length]).toEqual([1, 1, 1])
  expect(failed[0].message).toMatch(/NaN or infinite/)
}, 60_000)

test('a summary for a repository is written, and only its own options with it', async () => {
  const summary = join(folder, 'summary')
  const { code, out } = await net2net(['report', local, '--summary', summary, '--sweep', file])
  expect(code).toBe(0)
  expect(out).toMatch(/Written: .*README\.md/)
  expect(readFileSync(join(summary, 'README.md'), 'utf8')).toContain('4 of 4 trials finished.')
  const wrong = await net2net(['report', local, '--summary', summary, '-o', 'x.html'])
  expect(wrong.code).toBe(2)
  expect(wrong.err).toMatch(/leave -o away/)
}, 60_000)

describe('a sweep on Fashion-MNIST', () => {
  const fashion = join(folder, 'fashion.yaml')
  writeFileSync(
    fashion,
    `name: fashion
defaults: {data: fashion-mnist, width: 4, trainSize: 64, testSize: 100}
experiments:
  - {name: small, epochs: 1, arms: []}
`,
  )

  test.skipIf(!existsSync('/usr/share/datasets/fashion-mnist'))(
    'trains on it',
    async () => {
      const directory = join(folder, 'fashion')
      const { code } = await net2net(['sweep', fashion, '-o', directory])
      expect(code).toBe(0)
      const [trial] = planOf(directory).trials
      expect(resultOf(directory, trial!.id)).toMatchObject({
        spec: { data: { set: 'fashion-mnist' } },
        outcome: { steps: 2 },
      })
    },
    60_000,
  )

  test('says how to provide it, before anything runs, where it is missing', async () => {
    const directory = join(folder, 'without')
    const { code, err } = await net2net(['sweep', fashion, '-o', directory, '--data', folder])
    expect(code).toBe(4)
    expect(err).toMatch(/Fashion-MNIST is not in /)
    expect(err).toMatch(/dataset-fashion-mnist, or put the four files into DIR\/fashion-mnist/)
    expect(existsSync(join(directory, 'sweep.json'))).toBe(false)
  }, 60_000)
})
