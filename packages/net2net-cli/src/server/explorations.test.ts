import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { encodeModel } from 'net2net'
import { dense, sequential } from 'net2net/layers'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { explorationSettings } from '../../testing/exploration-settings.ts'
import { ExplorationFolder } from '../exploration/exploration-folder.ts'
import type { ExplorationResults } from '../exploration/results.ts'
import type { ExplorationSettings } from '../exploration/settings.ts'
import { lockFolder } from '../processes/folder-lock.ts'
import { Explorations } from './explorations.ts'

const settings: ExplorationSettings = {
  ...explorationSettings,
  objectives: { against: ['parameters'], limits: { parameters: 900 } },
}
const rung = { multiplyAdds: 50, size: 400, seconds: 1, digest: 'd', trainLoss: 1 }
const results: ExplorationResults = {
  best: 'best.onnx',
  front: [
    {
      file: 'front/network-1-rung-0.onnx',
      recipe: 'front/network-1-rung-0.recipe.yaml',
      trainingRecipe: 'front/network-1-rung-0.training.yaml',
      network: 1,
      rung: 0,
      parent: 0,
      parameters: 80,
      multiplyAdds: 70,
      size: 400,
      valLoss: 0.25,
      steps: 20,
    },
  ],
  trials: [
    {
      network: 0,
      parent: null,
      parentRung: null,
      by: null,
      grown: null,
      status: 'trained',
      rungs: [{ ...rung, rung: 0, steps: 10, valLoss: 0.5, parameters: 60 }],
    },
    {
      network: 1,
      parent: 0,
      parentRung: 0,
      by: 'gain',
      grown: { widen: { '<b>': 'x2' } },
      status: 'trained',
      rungs: [{ ...rung, rung: 0, steps: 20, valLoss: 0.25, parameters: 80 }],
    },
  ],
  directory: 'runs/one',
  finished: false,
  objectives: { metric: 'valLoss', against: ['parameters'], limits: {} },
  spent: { trials: 2, steps: 20, seconds: 2 },
}

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'net2net-explorations-'))
})
afterEach(() => rm(folder, { recursive: true }))

async function write(id: string, written: ExplorationResults = results) {
  await mkdir(path.join(folder, id), { recursive: true })
  await writeFile(path.join(folder, id, 'exploration.json'), JSON.stringify(settings))
  await writeFile(path.join(folder, id, 'explore.json'), JSON.stringify(written))
}

const get = (where: string) =>
  new Explorations(folder).api({
    method: 'GET',
    path: where,
    query: new URLSearchParams(),
    body: undefined,
  })

test('explorations of the folder are listed; what is none is left out', async () => {
  await write('one')
  await mkdir(path.join(folder, 'two'))
  await writeFile(path.join(folder, 'two', 'explore.json'), '{')
  const explorations = new Explorations(folder)
  const said = { id: 'one', networks: 2, bestLoss: 0.25 }
  expect(await explorations.list()).toMatchObject([{ ...said, state: 'stopped' }])
  const unlock = lockFolder(path.join(folder, 'one'), 'an exploration')
  expect(await explorations.list()).toMatchObject([{ ...said, state: 'running' }])
  unlock()
  await write('one', { ...results, finished: true, trials: results.trials.slice(0, 1) })
  expect(await explorations.list()).toMatchObject([{ id: 'one', networks: 1, state: 'finished' }])
})

test('one that goes on is shown as a report that is loaded again, without scripts of others', async () => {
  await write('one')
  const reply = await get('explorations/one')
  if (!reply || !('text' in reply)) throw new Error('There is no report.')
  const { text, headers } = reply
  expect(text).toMatch(/<meta http-equiv="refresh" content="5">/)
  expect(text).toMatch(/network 1: widen &lt;b&gt; x2/)
  expect(text).not.toContain('<b> x2')
  const policy = headers!['Content-Security-Policy']!
  expect(policy).toMatch(/script-src 'sha256-/)
  expect(text).toContain(policy.split('; base-uri')[0])
  await write('one', { ...results, finished: true })
  const ended = await get('explorations/one')
  expect(ended && 'text' in ended && ended.text).not.toMatch(/http-equiv="refresh"/)
})

test('its networks are handed out: those of the front, and others while the state of their training is kept', async () => {
  await write('one')
  const model = sequential([dense(2, { name: 'd' })], { input: [3], seed: 1 })
  const place = new ExplorationFolder(path.join(folder, 'one'))
  await place.write({ network: 0, rung: 0 }, { model, state: undefined, stages: [] })
  await mkdir(path.join(folder, 'one', 'front'))
  await writeFile(path.join(folder, 'one', results.front[0]!.file), 'of the front')
  const reply = await get('explorations/one/results')
  expect(reply).toMatchObject({
    json: {
      trials: results.trials,
      files: [
        { network: 0, rung: 0 },
        { network: 1, rung: 0 },
      ],
    },
  })
  const front = await get('explorations/one/networks/1/0')
  expect(front).toMatchObject({ downloadAs: 'network-1-rung-0.onnx' })
  const other = await get('explorations/one/networks/0/0')
  if (!other || !('bytes' in other)) throw new Error('There is no network.')
  expect(Buffer.from(other.bytes).equals(encodeModel(model))).toBe(true)
  for (const none of ['networks/2/0', 'networks/0/1', 'networks/-1/0', 'networks/0', 'results/0'])
    expect(await get(`explorations/one/${none}`), none).toBeUndefined()
})

test('nothing outside the folder is read', async () => {
  const outside = await mkdtemp(path.join(tmpdir(), 'net2net-outside-'))
  await writeFile(path.join(outside, 'explore.json'), JSON.stringify(results))
  await writeFile(path.join(outside, 'exploration.json'), JSON.stringify(settings))
  await symlink(outside, path.join(folder, 'link'))
  for (const what of ['', '/results', '/networks/1/0'])
    expect(await get(`explorations/link${what}`)).toBeUndefined()
  await write('one')
  await symlink(outside, path.join(folder, 'one', 'networks'))
  await mkdir(path.join(outside, '0'))
  await writeFile(path.join(outside, '0', 'rung-0.n2n'), 'secret')
  expect(await get('explorations/one/networks/0/0')).toBeUndefined()
  expect(await get('explorations/none')).toBeUndefined()
  await rm(outside, { recursive: true })
})
