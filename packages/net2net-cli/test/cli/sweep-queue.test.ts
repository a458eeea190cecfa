/** Sweeps over Redis: workers that die or are stopped, a Redis that goes away, queues that are shared. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { Queue } from 'bullmq'
import { Redis } from 'ioredis'
import { afterEach, beforeAll, describe, expect, test } from 'vitest'
import { net2net, temporaryFolder } from './net2net.ts'
import {
  finishedBy,
  freePort,
  outcomes,
  planOf,
  resultOf,
  startRedis,
  startWorker,
  stopAll,
  stopWorkers,
  until,
  writeSweep,
} from './sweeps.ts'

const hasRedis = spawnSync('redis-server', ['--version']).status === 0
describe.skipIf(!hasRedis)('a sweep over Redis', () => {
  const folder = temporaryFolder()
  const eight = writeSweep(folder, 'eight', 2)
  const local = join(folder, 'local')
  beforeAll(async () => {
    const { code, err } = await net2net(['sweep', eight, '-o', local])
    expect(err).toMatch(/8 trials; /)
    expect(code).toBe(0)
  }, 240_000)
  afterEach(stopAll)

  async function queue() {
    const port = await freePort()
    const server = await startRedis(port)
    return { port, server, url: `redis://127.0.0.1:${port}` }
  }
  /** What stands in Redis, as `keys` patterns ask. */
  async function asking<T>(url: string, ask: (redis: Redis) => Promise<T>): Promise<T> {
    const redis = new Redis(url)
    try {
      return await ask(redis)
    } finally {
      redis.disconnect()
    }
  }
  /** The same bits as on one machine. */
  function expectSame(directory: string): void {
    const found = outcomes(directory)
    const reference = outcomes(local)
    expect(Object.keys(found).length).toBeGreaterThan(0)
    for (const [id, outcome] of Object.entries(found)) expect(outcome, id).toEqual(reference[id])
  }

  test('with three workers, of which one is killed, has the same outcome', async () => {
    const { url } = await queue()
    const workers = [startWorker(url), startWorker(url), startWorker(url)]
    const directory = join(folder, 'killed')
    const flags = ['--queue', url, '--checkpoint-every', '0']
    const sweep = net2net(['sweep', eight, '-o', directory, ...flags])
    // As soon as a trial has a checkpoint, the worker that has it dies.
    let victim: (typeof workers)[number] | undefined
    await asking(url, (redis) =>
      until(async () => {
        for (const key of await redis.keys('net2net:*:checkpoint'))
          victim ??= workers.find(({ said }) => said.includes(`${key.split(':').at(-2)!} `))
        return victim !== undefined
      }),
    )
    victim!.child!.kill('SIGKILL')
    const { code, err } = await sweep
    expect(err).toMatch(/finished \(8 of 8\)/)
    expect(code).toBe(0)
    expectSame(directory)
    await stopWorkers(workers)
    // Nothing twice to the end, and the killed worker's trial from its checkpoint.
    expect(finishedBy(workers).toSorted()).toEqual(Object.keys(outcomes(local)).toSorted())
    const resumed = planOf(directory).trials.map(({ id }) => resultOf(directory, id).cost.resumed)
    expect(resumed.filter((times) => times > 0)).toHaveLength(1)
    // Nothing of a sweep that is over stays.
    expect(await asking(url, (redis) => redis.keys('net2net:*'))).toEqual([])
  }, 240_000)

  test('goes on when Redis goes away, forgets everything, and comes back', async () => {
    const { port, server, url } = await queue()
    const four = writeSweep(folder, 'four', 1)
    const workers = [startWorker(url), startWorker(url)]
    const directory = join(folder, 'away')
    let gone: Promise<unknown> | undefined
    const { code, err } = await net2net(['sweep', four, '-o', directory, '--queue', url], {
      onOutput: (_, said) => {
        if (gone || !/finished \(1 of 4\)/.test(said)) return
        server.removeAllListeners('exit')
        server.kill('SIGKILL')
        gone = new Promise((resolve) => setTimeout(resolve, 1000)).then(() => startRedis(port))
      },
    })
    expect(err).toMatch(/Redis is away/)
    expect(err).toMatch(/Redis is back/)
    expect(code).toBe(0)
    expectSame(directory)
    await stopWorkers(workers)
  }, 240_000)

  test('gives a stopped worker’s trial to another at once, from where it was', async () => {
    const { url } = await queue()
    const one = writeSweep(folder, 'one', 1, [])
    const directory = join(folder, 'stopped')
    const flags = ['--queue', url, '--checkpoint-every', '0']
    const sweep = net2net(['sweep', one, '-o', directory, ...flags])
    // Only a trial that is given back goes on within the time of this test.
    const first = startWorker(url, '--lost-after', '3600')
    await asking(url, (redis) =>
      until(async () => (await redis.keys('net2net:*:checkpoint')).length > 0),
    )
    const [stopped] = await stopWorkers([first])
    expect(first.said).toMatch(/: given back$/m)
    expect(first.said).not.toMatch(/: finished$/m)
    expect(stopped!.code).toBe(0)
    const second = startWorker(url, '--lost-after', '3600')
    expect((await sweep).code).toBe(0)
    expectSame(directory)
    expect(resultOf(directory, planOf(directory).trials[0]!.id).cost.resumed).toBe(1)
    await stopWorkers([second])
  }, 240_000)

  test('in a common folder, by one worker with two jobs, has the same outcome', async () => {
    const { url } = await queue()
    const wider = writeSweep(folder, 'wider', 2, ['wider'])
    const directory = join(folder, 'common')
    const sweep = net2net(['sweep', wider, '-o', directory, '--queue', url, '--common-folder'])
    const worker = startWorker(url, '--folder', directory, '--jobs', '2')
    await until(() => worker.said.includes(': finished'))
    expect(await asking(url, (redis) => redis.keys('net2net:*:file:*'))).toEqual([])
    const { code, err } = await sweep
    expect(err).toMatch(/finished \(4 of 4\)/)
    expect(code).toBe(0)
    expectSame(directory)
    await stopWorkers([worker])
    expect(finishedBy([worker])).toHaveLength(4)
    // Both at the same time.
    expect(worker.said.split(': finished')[0]!.match(/: started$/gm)).toHaveLength(2)
  }, 240_000)

  test('tells a worker that looks for files elsewhere, and who submitted', async () => {
    const { url } = await queue()
    const one = writeSweep(folder, 'one', 1, [])
    const submit = (...flags: readonly string[]) =>
      net2net(['sweep', one, '-o', join(folder, 'elsewhere'), '--queue', url, ...flags])
    const cases = [
      { worker: [], flags: ['--common-folder'], says: /the worker has none: --folder DIR/ },
      {
        worker: ['--folder', join(folder, 'another')],
        flags: ['--common-folder'],
        says: /another \(--folder\) is not the folder of the submitter/,
      },
      {
        worker: ['--folder', join(folder, 'elsewhere')],
        flags: [],
        says: /say --common-folder there, or leave --folder away/,
      },
    ]
    for (const { worker: own, flags, says } of cases) {
      const worker = startWorker(url, ...own)
      const { code, err } = await submit(...flags)
      expect(err).toMatch(says)
      expect(code).toBe(1)
      const [told] = await stopWorkers([worker])
      expect(told!.err).toMatch(says)
    }
  }, 240_000)

  test('shares trials with another sweep in the same queue', async () => {
    const { url } = await queue()
    const sweeps = (['wider', 'stages'] as const).map((arm) => ({
      directory: join(folder, `shared-${arm}`),
      file: writeSweep(folder, `shared-${arm}`, 1, [arm]),
    }))
    const worker = startWorker(url)
    const outcome = await Promise.all(
      sweeps.map(({ file, directory }) =>
        net2net(['sweep', file, '-o', directory, '--queue', url]),
      ),
    )
    expect(outcome.map(({ code }) => code)).toEqual([0, 0])
    for (const { directory } of sweeps) expectSame(directory)
    const [first, second] = sweeps.map(({ directory }) => planOf(directory).trials[0]!.id)
    expect(first).toBe(second)
    await stopWorkers([worker])
    expect(await asking(url, (redis) => redis.keys('net2net:*'))).toEqual([])
    // Nothing is left to do: a worker that was told so ends by itself.
    const { code, err } = await startWorker(url, '--idle-exit', '1').outcome
    expect(err).toMatch(/There is nothing left to do/)
    expect(code).toBe(0)
  }, 240_000)

  test('is not harmed by jobs that a stranger puts into its queue', async () => {
    const { url } = await queue()
    const own = join(folder, 'stranger', 'inner')
    mkdirSync(own, { recursive: true })
    const jobs = new Queue('net2net', { connection: { url } })
    const { trials } = planOf(local)
    const job = { trial: trials[0]!, checkpointSeconds: 0, commonFolder: true, children: [] }
    const { labels: _, ...unlabelled } = trials[0]!
    for (const [i, trial] of [{ ...trials[0]!, id: '../../x' }, unlabelled, 'x'].entries())
      await jobs.add('trial', { ...job, trial }, { jobId: `stranger-${i}` })
    const worker = startWorker(url, '--folder', own, '--idle-exit', '2', '--json')
    const { code, out } = await worker.outcome
    await jobs.close()
    expect(code).toBe(0)
    const { finished, failed } = JSON.parse(out)
    expect(finished).toEqual([])
    expect(failed.toSorted()).toEqual(['stranger-0', 'stranger-1', 'stranger-2'])
    expect(worker.said).toMatch(/stranger-0 .*trial\.id is no identity of a trial/)
    expect(readdirSync(join(folder, 'stranger'))).toEqual(['inner'])
    expect(readdirSync(own)).toEqual([])
  }, 240_000)

  test.each(['away', 'frozen'])(
    'leaves workers that SIGTERM ends while Redis is %s',
    async (state) => {
      const { server, url } = await queue()
      const workers = [startWorker(url), startWorker(url, '--idle-exit', '3600')]
      await until(() => workers.every(({ said }) => said.includes('Ready for trials')))
      server.removeAllListeners('exit')
      server.kill(state === 'away' ? 'SIGKILL' : 'SIGSTOP')
      if (state === 'away')
        await until(() => workers.every(({ said }) => said.includes('Redis is away')))
      else await new Promise((resolve) => setTimeout(resolve, 1500))
      const start = Date.now()
      const outcomes = await stopWorkers(workers)
      expect(Date.now() - start).toBeLessThan(15_000)
      expect(outcomes.map(({ code }) => code)).toEqual([0, 0])
      server.kill('SIGKILL')
    },
    240_000,
  )

  test('that nobody can reach says so at once', async () => {
    const { code, err } = await net2net([
      ...['sweep', eight, '-o', join(folder, 'nowhere')],
      ...['--queue', `redis://:secret@127.0.0.1:${await freePort()}`],
    ])
    expect(code).toBe(4)
    expect(err).toMatch(/Redis does not answer at redis:\/\/127/)
    expect(err).not.toContain('secret')
  }, 60_000)
})
