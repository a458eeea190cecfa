/** The same sweep on this machine and over Redis, with workers that die and a Redis that goes away. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { SweepPlan, TrialResult } from '../../src/experiments/sweep/trial.ts'
import { net2net, temporaryFolder } from './net2net.ts'

const folder = temporaryFolder()
const file = join(folder, 'sweep.yaml')
writeFileSync(
  file,
  `name: eight
seeds: 2
defaults: {width: 8, trainSize: 640, testSize: 100, epochs: 1, evaluateEvery: 10}
experiments:
  - name: small
    learningRate: 0.05
    teacher: {epochs: 20}
    arms:
      - {name: wider, widen: {conv1: 12, fc1: 12}, carryOptimizer: true}
      - {name: stages, epochs: 2, stages: [{afterEpoch: 1, deepen: [fc1]}]}
      - {name: from-scratch, from: scratch, widen: {conv1: 12}}
`,
)
const plan = (directory: string) =>
  JSON.parse(readFileSync(join(directory, 'sweep.json'), 'utf8')) as SweepPlan
/** What must be the same bits everywhere, by trial. */
const outcomes = (directory: string) =>
  Object.fromEntries(
    plan(directory).trials.map(({ id }) => {
      const text = readFileSync(join(directory, 'trials', id, 'result.json'), 'utf8')
      return [id, (JSON.parse(text) as TrialResult).outcome]
    }),
  )

const local = join(folder, 'local')
beforeAll(async () => {
  const { code, err } = await net2net(['sweep', file, '-o', local])
  expect(err).toMatch(/8 trials; /)
  expect(code).toBe(0)
}, 240_000)

describe('a sweep on one machine', () => {
  test('does not repeat what is finished, and says what it found', async () => {
    const { code, out, err } = await net2net(['sweep', file, '-o', local, '--json'])
    expect(code).toBe(0)
    expect(err).toMatch(/8 of them finished before/)
    const { finished, summary } = JSON.parse(out)
    expect(finished).toHaveLength(8)
    const [{ arms, comparisons }] = summary.experiments
    expect(arms.map(({ arm }: { arm: string }) => arm)).toEqual([
      'teacher',
      'wider',
      'stages',
      'from-scratch',
    ])
    expect(comparisons[0].sentence).toMatch(/^Over 2 seeds /)
    expect(readFileSync(join(local, 'report.html'), 'utf8')).toContain('<svg')
    // An exact student starts where its teacher ended.
    const { trials } = plan(local)
    const found = outcomes(local)
    for (const { id, spec } of trials.filter(({ labels }) => labels[0]!.arm === 'wider'))
      expect(found[id]!.curve[0]!.valLoss).toBeCloseTo(
        found[spec.parent!]!.curve.at(-1)!.valLoss,
        5,
      )
  }, 60_000)

  test('goes on after it was killed, with the same outcome', async () => {
    const directory = join(folder, 'killed')
    let killed = false
    const flags = ['sweep', file, '-o', directory, '--checkpoint-every', '0']
    const first = await net2net(flags, {
      onOutput: (child, err) => {
        if (killed || !/finished \(1 of 8\)/.test(err)) return
        killed = true
        child.kill('SIGKILL')
      },
    })
    expect(first.code).toBeNull()
    const { code, err } = await net2net(flags)
    expect(err).toMatch(/[1-7] of them finished before/)
    expect(code).toBe(0)
    expect(outcomes(directory)).toEqual(outcomes(local))
  }, 240_000)

  test('sets failures apart: what comes of them is left out, the rest goes on', async () => {
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
})

const hasRedis = spawnSync('redis-server', ['--version']).status === 0
describe.skipIf(!hasRedis)('a sweep over Redis', () => {
  const running = new Set<ChildProcess>()
  afterEach(() => {
    for (const child of running) child.kill('SIGKILL')
    running.clear()
  })

  async function startRedis(port: number): Promise<ChildProcess> {
    const child = spawn('redis-server', [
      ...['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'],
      ...['--dir', folder],
    ])
    running.add(child)
    await new Promise<void>((resolve, reject) => {
      child.stdout.on('data', (text) => {
        if (String(text).includes('Ready to accept connections')) resolve()
      })
      child.on('exit', () => reject(new Error('redis-server ended')))
    })
    return child
  }

  /** Workers, and what they say. */
  function startWorkers(count: number, url: string) {
    return Array.from({ length: count }, () => {
      const worker = { said: '', child: undefined as unknown as ChildProcess }
      const outcome = net2net(
        ['worker', '--queue', url, '--lost-after', '3', '--idle-exit', '3', '--json'],
        {
          onOutput: (child, err) => {
            running.add(child)
            Object.assign(worker, { said: err, child })
          },
        },
      )
      return { worker, outcome }
    })
  }

  const finishedBy = (workers: ReturnType<typeof startWorkers>) =>
    workers.flatMap(({ worker }) =>
      [...worker.said.matchAll(/^(t\w+) .*: finished$/gm)].map(([, id]) => id!),
    )

  test('with three workers, of which one is killed, has the same outcome', async () => {
    const port = await freePort()
    const url = `redis://127.0.0.1:${port}`
    await startRedis(port)
    const redis = new Redis(url)
    const workers = startWorkers(3, url)
    const directory = join(folder, 'queue')
    const sweep = net2net([
      'sweep',
      file,
      '-o',
      directory,
      '--queue',
      url,
      '--checkpoint-every',
      '0',
    ])
    // As soon as a trial has a checkpoint, the worker that has it dies.
    let victim: (typeof workers)[number] | undefined
    while (!victim) {
      await new Promise((resolve) => setTimeout(resolve, 20))
      for (const key of await redis.keys('net2net:*:checkpoint')) {
        const id = key.split(':').at(-2)!
        victim = workers.find(({ worker }) => worker.said.includes(`${id} `))
      }
    }
    victim.worker.child.kill('SIGKILL')
    redis.disconnect()
    const { code, err } = await sweep
    expect(err).toMatch(/finished \(8 of 8\)/)
    expect(code).toBe(0)
    expect(outcomes(directory)).toEqual(outcomes(local))
    await Promise.all(workers.map(({ outcome }) => outcome))
    // Nothing twice to the end, and the killed worker's trial from its checkpoint.
    expect(finishedBy(workers).toSorted()).toEqual(Object.keys(outcomes(local)).toSorted())
    const resumed = plan(directory).trials.filter(
      ({ id }) =>
        (
          JSON.parse(
            readFileSync(join(directory, 'trials', id, 'result.json'), 'utf8'),
          ) as TrialResult
        ).cost.resumed > 0,
    )
    expect(resumed).toHaveLength(1)
  }, 240_000)

  test('goes on when Redis goes away, forgets everything, and comes back', async () => {
    const port = await freePort()
    const url = `redis://127.0.0.1:${port}`
    const before = await startRedis(port)
    const workers = startWorkers(2, url)
    const directory = join(folder, 'away')
    let gone: Promise<void> | undefined
    const { code, err } = await net2net(['sweep', file, '-o', directory, '--queue', url], {
      onOutput: (_, said) => {
        if (gone || !/finished \(2 of 8\)/.test(said)) return
        before.removeAllListeners('exit')
        before.kill('SIGKILL')
        gone = new Promise((resolve) => setTimeout(resolve, 1500))
          .then(() => startRedis(port))
          .then()
      },
    })
    expect(err).toMatch(/Redis is away/)
    expect(err).toMatch(/Redis is back/)
    expect(code).toBe(0)
    expect(outcomes(directory)).toEqual(outcomes(local))
    await Promise.all(workers.map(({ outcome }) => outcome))
  }, 240_000)

  test('that nobody can reach says so at once', async () => {
    const { code, err } = await net2net([
      ...['sweep', file, '-o', join(folder, 'nowhere')],
      ...['--queue', `redis://:secret@127.0.0.1:${await freePort()}`],
    ])
    expect(code).toBe(4)
    expect(err).toMatch(/Redis does not answer at redis:\/\/127/)
    expect(err).not.toContain('secret')
  }, 60_000)
})

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0))
    })
  })
}
