/** Explorations over Redis: workers that die, a Redis that forgets everything, and the same networks as on one machine. */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { afterEach, describe, expect, test } from 'vitest'
import {
  bitsOf,
  resultsOf,
  searchSettings,
  trainSettings,
  writeExploration,
} from './explorations.ts'
import { net2net, type RunOptions, temporaryFolder } from './net2net.ts'
import { freePort, startRedis, startWorker, stopAll, stopWorkers, until } from './sweeps.ts'

const hasRedis = spawnSync('redis-server', ['--version']).status === 0
describe.skipIf(!hasRedis)('an exploration over Redis', async () => {
  const folder = temporaryFolder()
  const { model, table } = await writeExploration(folder)
  const explore = (output: string, flags: readonly string[], options: RunOptions = {}) => {
    const given = ['explore', model, '--data', table, ...trainSettings, ...searchSettings]
    return net2net([...given, '--seed', '6', '-o', output, ...flags], options)
  }
  afterEach(stopAll)
  async function queue() {
    const port = await freePort()
    const server = await startRedis(port)
    return { port, server, url: `redis://127.0.0.1:${port}` }
  }
  /** Rungs that the workers have finished. */
  const finished = (said: string) => said.match(/: finished$/gm)?.length ?? 0

  test('with two workers, of which one is killed, and a Redis that forgets: its decisions give the same networks here', async () => {
    const { port, server, url } = await queue()
    const workers = [startWorker(url, '--data', table), startWorker(url, '--data', table)]
    const directory = join(folder, 'queue')
    const jobs = 2
    let gone: Promise<unknown> | undefined
    const { code, err } = await explore(directory, ['--queue', url, '--jobs', String(jobs)], {
      onOutput: (_, said) => {
        if (gone || !/network 1, rung 0/.test(said)) return
        workers.find(({ said: words }) => finished(words) > 0)!.child!.kill('SIGKILL')
        server.removeAllListeners('exit')
        server.kill('SIGKILL')
        gone = new Promise((resolve) => setTimeout(resolve, 500)).then(() => startRedis(port))
      },
    })
    expect(err).toMatch(/Redis is away/)
    expect(code, err).toBe(0)
    await stopWorkers(workers)
    const redis = new Redis(url)
    expect(await redis.keys('net2net:*:file:*')).toEqual([])
    redis.disconnect()
    // No rung was finished by both, but for those of whose end Redis had told nobody when it forgot.
    const done = workers.flatMap(({ said }) => [...said.matchAll(/^(\S+) .*: finished$/gm)])
    const names = done.map(([, id]) => id)
    expect(names.length - new Set(names).size).toBeLessThanOrEqual(jobs)
    const here = join(folder, 'here')
    const followed = await explore(here, ['--follow', directory, '--jobs', '1'])
    expect(followed.code, followed.err).toBe(0)
    expect(bitsOf(here)).toEqual(bitsOf(directory))
  }, 240_000)

  test('a Redis that forgets while networks train: nobody begins what another trains', async () => {
    const { url } = await queue()
    // Workers that are long waited for: what is not said anew in time would be begun by the other one.
    const flags = ['--data', table, '--lost-after', '30']
    const workers = [startWorker(url, ...flags), startWorker(url, ...flags)]
    const redis = new Redis(url)
    const started = () =>
      workers.flatMap(({ said }) => [...said.matchAll(/^(\S+) .*: started$/gm)].map(([, id]) => id))
    let isForgotten = false
    const forget = async () => {
      await until(() => started().length > 0)
      await redis.flushall()
      isForgotten = true
    }
    // Longer than a submitter waits before it takes a job for lost.
    const long = ['--rung-steps', '8000', '--trials', '1']
    const [{ code, err }] = await Promise.all([
      explore(join(folder, 'forgotten'), ['--queue', url, ...long]),
      forget(),
    ])
    redis.disconnect()
    expect(code, err).toBe(0)
    expect(isForgotten).toBe(true)
    await stopWorkers(workers)
    expect(started().sort()).toEqual([...new Set(started())].sort())
  }, 240_000)

  test('in a common folder, resumed by another submitter', async () => {
    const { url } = await queue()
    const directory = join(folder, 'common')
    const flags = ['--queue', url, '--common-folder', '--jobs', '2']
    const first = explore(directory, flags, {
      onOutput: (child, err) => {
        if (/network 0, rung 0/.test(err)) child.kill('SIGKILL')
      },
    })
    await until(() => existsSync(join(directory, 'exploration.json')))
    const worker = startWorker(url, '--folder', directory)
    expect((await first).code).toBeNull()
    const { code, err } = await explore(directory, [...flags, '--resume'])
    expect(code, err).toBe(0)
    expect(resultsOf(directory)).toMatchObject({ finished: true, spent: { trials: 6 } })
    await stopWorkers([worker])
  }, 240_000)

  test('what is no outcome of its networks is refused, and nothing of it stays', async () => {
    const { url } = await queue()
    const directory = join(folder, 'strangers')
    const redis = new Redis(url)
    /** Says in the place of a worker what came of the first network. */
    const say = async (text: string, network: string) => {
      const started = () => redis.keys('net2net:*:file:e*:start')
      await until(async () => (await started()).length > 0)
      const [start] = await started()
      const key = (which: string) => start!.replace(/:start$/, `-n0-r0:${which}`)
      await redis.mset(key('network'), network, key('outcome'), text)
    }
    const trained = {
      ...{ kind: 'trained', loss: 0.5, parameters: 5, multiplyAdds: null, size: 9 },
      ...{ trainLoss: null, step: 40, digest: 'none', seconds: 1 },
    }
    const flags = ['--queue', url, '--trials', '1']
    for (const [text, message] of [
      ['{', /What Redis has of network 0, rung 0 is not what comes of a rung\./],
      [JSON.stringify({ ...trained, loss: 'low' }), /not what comes of a rung: loss/],
      [JSON.stringify({ ...trained, loss: null }), /not what comes of a rung: loss/],
      [JSON.stringify(trained), /network 0|rung-0\.n2n/],
    ] as const) {
      const [{ code, err }] = await Promise.all([
        explore(directory, flags),
        say(text, 'no network'),
      ])
      expect(err).toMatch(message)
      expect(code, err).toBe(4)
      expect(existsSync(join(directory, 'networks', '0', 'rung-0.json'))).toBe(false)
      await redis.flushall()
    }
    redis.disconnect()
    const worker = startWorker(url, '--data', table)
    const { code, err } = await explore(directory, flags)
    expect(code, err).toBe(0)
    await stopWorkers([worker])
  }, 240_000)

  test('on data that the worker does not know of says so', async () => {
    const { url } = await queue()
    const worker = startWorker(url)
    const { code, err } = await explore(join(folder, 'unknown'), ['--queue', url])
    expect(err).toMatch(/say where that is on this machine: --data PATH/)
    expect(code).toBe(2)
    await stopWorkers([worker])
  }, 120_000)
})
