import fs from 'node:fs'
import { appendFile, mkdir, mkdtemp, rm, symlink, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Runs } from './runs.ts'
import type { ApiReply } from './server.ts'

let folder: string
let runs: Runs
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'net2net-runs-'))
  runs = new Runs(join(folder, 'runs'), [process.execPath, '-e', 'process.exit(3)'])
})
afterEach(async () => {
  await runs.close()
  await rm(folder, { recursive: true })
})

const get = (path: string) =>
  runs.api({ method: 'GET', path, query: new URLSearchParams(), body: undefined })
const post = (path: string, body: unknown) =>
  runs.api({ method: 'POST', path, query: new URLSearchParams(), body })
const jsonOf = (reply: ApiReply | undefined) => {
  if (reply === undefined || !('json' in reply)) throw new Error('no JSON')
  return reply.json
}
const write = async (id: string, finished: boolean) => {
  await mkdir(join(folder, 'runs', id), { recursive: true })
  await writeFile(
    join(folder, 'runs', id, 'results.json'),
    JSON.stringify({ seed: 4, finished, arms: [{ name: 'teacher', parameters: 1, epochs: [] }] }),
  )
}
const settings = {
  arms: ['teacher'],
  epochs: 1,
  trainSize: 10,
  testSize: 10,
  batchSize: 2,
  seed: 0,
}

describe('the runs of a folder', () => {
  it('are none where there is no folder', async () => {
    expect(jsonOf(await get('runs'))).toMatchObject({ runs: [] })
  })

  it('are finished, running, or stopped', async () => {
    await write('a', true)
    await write('b', false)
    await write('c', false)
    const old = new Date(Date.now() - 3_600_000)
    await utimes(join(folder, 'runs', 'c', 'results.json'), old, old)
    await mkdir(join(folder, 'runs', 'no-run'))
    const { runs: list } = jsonOf(await get('runs')) as { runs: { id: string; state: string }[] }
    expect(Object.fromEntries(list.map(({ id, state }) => [id, state]))).toEqual({
      a: 'finished',
      b: 'running',
      c: 'stopped',
    })
  })

  it('hands out models, and no file that is not one of the run', async () => {
    await write('a', true)
    await writeFile(join(folder, 'runs', 'a', 'teacher.onnx'), 'model')
    await writeFile(join(folder, 'secret.onnx'), 'secret')
    await symlink(join(folder, 'secret.onnx'), join(folder, 'runs', 'a', 'link.onnx'))
    expect(await get('runs/a/models/teacher')).toMatchObject({ downloadAs: 'teacher.onnx' })
    for (const name of ['link', 'results', '..%2f..%2fsecret', '%2e%2e', '%', 'teacher/x'])
      expect(await get(`runs/a/models/${name}`), name).toBeUndefined()
    for (const path of ['runs/..', 'runs/%2e%2e/models/secret', 'runs/a/models', 'other'])
      expect(await get(path), path).toBeUndefined()
  })

  it('follows no link out of the folder, and those inside', async () => {
    const outside = join(folder, 'outside')
    await mkdir(outside)
    const results = JSON.stringify({ seed: 9, finished: true, arms: [] })
    await writeFile(join(outside, 'results.json'), results)
    await writeFile(join(outside, 'teacher.onnx'), 'secret')
    await write('a', true)
    await write('b', true)
    await symlink(outside, join(folder, 'runs', 'link'))
    await symlink('a', join(folder, 'runs', 'inside'))
    await symlink(join(outside, 'results.json'), join(folder, 'runs', 'b', 'metrics.jsonl'))
    await mkdir(join(folder, 'runs', 'c'))
    await symlink(join(outside, 'results.json'), join(folder, 'runs', 'c', 'results.json'))
    const { runs: list } = jsonOf(await get('runs')) as { runs: { id: string }[] }
    expect(list.map(({ id }) => id).sort()).toEqual(['a', 'b', 'inside'])
    for (const id of ['link', 'c'])
      await expect(get(`runs/${id}`)).rejects.toMatchObject({ kind: 'input' })
    expect(await get('runs/link/models/teacher')).toBeUndefined()
    for (const id of ['link', 'b', 'c'])
      await expect(get(`runs/${id}/report`)).rejects.toThrow(/is not reported/)
    expect(jsonOf(await get('runs/b'))).toMatchObject({ seed: 4, steps: [] })
  })

  it('reads metrics as they grow, and keeps a curve of them', async () => {
    await write('a', false)
    const file = join(folder, 'runs', 'a', 'metrics.jsonl')
    const lines = (from: number, to: number) =>
      Array.from({ length: to - from }, (_, i) =>
        JSON.stringify({ arm: 'teacher', step: from + i, loss: 1 / (from + i + 1) }),
      ).join('\n')
    const steps = async () => (jsonOf(await get('runs/a')) as { steps: { step: number }[] }).steps
    await writeFile(file, `${lines(0, 10)}\n{"arm":"teacher","st`)
    expect((await steps()).map(({ step }) => step)).toEqual([...Array(10).keys()])
    await appendFile(file, 'ep":10,"loss":0.5}\n')
    expect((await steps()).at(-1)).toEqual({ arm: 'teacher', step: 10, loss: 0.5 })
    await appendFile(file, `${lines(11, 50_000)}\n`)
    const many = await steps()
    expect(many.length).toBeGreaterThan(500)
    expect(many.length).toBeLessThanOrEqual(1000)
    const [first, second] = many
    expect(many.map(({ step }) => step)).toEqual(
      many.map((_, i) => first!.step + i * (second!.step - first!.step)),
    )
    expect(await steps()).toEqual(many)
    await writeFile(file, `${lines(0, 3)}\n`)
    expect(await steps()).toHaveLength(3)
  })

  it('looks at the folder once for all who watch, and tells each what is new', async () => {
    for (let i = 0; i < 300; i++) await write(`run-${i}`, true)
    const read = vi.spyOn(fs.promises, 'readdir')
    const ends = Array.from({ length: 20 }, () => new AbortController())
    const watching = ends.map(async ({ signal }) => {
      const reply = await get('runs/events')
      if (!reply || !('events' in reply)) throw new Error('no events')
      const counts: number[] = []
      for await (const text of reply.events(signal)) {
        counts.push((JSON.parse(text) as { runs: unknown[] }).runs.length)
        if (counts.at(-1) === 301) break
      }
      return counts
    })
    await new Promise((resolve) => setTimeout(resolve, 1500))
    await write('new', false)
    for (const counts of await Promise.all(watching)) expect([300, 301]).toEqual(counts)
    // Twenty who watch for two seconds: without sharing, at least three times as many as there are.
    expect(read.mock.calls.length).toBeGreaterThan(1)
    expect(read.mock.calls.length).toBeLessThan(20)
    read.mockRestore()
  }, 60_000)

  it('says what is wrong with results that cannot be read', async () => {
    await mkdir(join(folder, 'runs', 'torn'), { recursive: true })
    await writeFile(join(folder, 'runs', 'torn', 'results.json'), '{ torn')
    const run = jsonOf(await get('runs/torn'))
    expect(run).toMatchObject({ state: 'stopped', message: expect.stringMatching(/is not JSON/) })
  })

  it('says that a run is not there', async () => {
    await expect(get('runs/nothing')).rejects.toMatchObject({ kind: 'input' })
  })
})

describe('starting a run', () => {
  it('names the setting that is wrong, and starts nothing', async () => {
    for (const [change, field] of [
      [{ arms: [] }, 'arms'],
      [{ arms: ['--output'] }, 'arms'],
      [{ epochs: 0 }, 'epochs'],
      [{ trainSize: 1.5 }, 'trainSize'],
      [{ seed: -1 }, 'seed'],
      [{ more: 1 }, 'the settings: has no field "more".'],
    ] as const)
      await expect(post('runs', { ...settings, ...change })).rejects.toThrow(
        `The run cannot be started: ${field}`,
      )
    expect(jsonOf(await get('runs'))).toMatchObject({ runs: [] })
  })

  it('lists a run that failed before it had a folder, and says why', async () => {
    const words = "console.error('net2net: The disk is full.'); process.exit(4)"
    const failing = new Runs(join(folder, 'runs'), [process.execPath, '-e', words])
    const ask = async (method: string, path: string, body?: unknown) =>
      jsonOf(await failing.api({ method, path, query: new URLSearchParams(), body }))
    const { id } = (await ask('POST', 'runs', settings)) as { id: string }
    expect(await ask('GET', 'runs')).toMatchObject({ runs: [{ id, state: 'running', ours: true }] })
    const started = ((await ask('GET', `runs/${id}`)) as { changed: number }).changed
    await expect
      .poll(() => ask('GET', `runs/${id}`))
      .toMatchObject({ state: 'stopped', ours: false, message: 'The disk is full.' })
    // Whoever follows the list is told that there is something new.
    expect(((await ask('GET', `runs/${id}`)) as { changed: number }).changed).toBeGreaterThan(
      started,
    )
  })

  it('allows one at a time, and another when it has ended', async () => {
    const slow = new Runs(join(folder, 'runs'), [
      process.execPath,
      '-e',
      'setTimeout(()=>{},60000)',
    ])
    const { id } = jsonOf(
      await slow.api({
        method: 'POST',
        path: 'runs',
        query: new URLSearchParams(),
        body: settings,
      }),
    ) as { id: string }
    const again = () =>
      slow.api({ method: 'POST', path: 'runs', query: new URLSearchParams(), body: settings })
    await expect(again()).rejects.toThrow('going on already')
    await slow.api({
      method: 'POST',
      path: `runs/${id}/stop`,
      query: new URLSearchParams(),
      body: {},
    })
    await expect
      .poll(() =>
        again().then(
          () => true,
          () => false,
        ),
      )
      .toBe(true)
    await slow.close()
  })
})
