/** The data sets of sweeps, always the published ones: results would not be comparable otherwise. */

import { existsSync } from 'node:fs'
import path from 'node:path'
import { Net2NetError } from 'net2net'
import {
  type DigitsOptions,
  fashionMnistSource,
  loadFashionMnist,
  loadMnist,
  mnistSource,
  type TrainTest,
} from 'net2net/data'
import type { SweepPlan, TrialData } from './trial.ts'

const sets = {
  mnist: { load: loadMnist, known: mnistSource },
  'fashion-mnist': { load: loadFashionMnist, known: fashionMnistSource },
} as const

type Progress = Pick<DigitsOptions, 'signal' | 'onDownload'>

/** Sees to it, before anything runs, that every data set is there. */
export async function verifyData(
  plan: SweepPlan,
  folder: string | undefined,
  options: Progress = {},
): Promise<void> {
  for (const set of new Set(plan.trials.map(({ spec }) => spec.data.set)))
    await loadSet(set, folder, options)
}

/** The data of a trial, verified: the files of a worker's machine may not be those of another. */
export async function loadTrialData(
  { set, trainSize, testSize }: TrialData,
  folder: string | undefined,
): Promise<TrainTest> {
  const { train, test } = await loadSet(set, folder)
  return {
    train: train.slice(0, trainSize ?? train.length),
    test: test.slice(0, testSize ?? test.length),
  }
}

/** @param folder with the set's files, or with a folder `mnist` or `fashion-mnist` that has them */
async function loadSet(
  set: TrialData['set'],
  folder: string | undefined,
  options: Progress = {},
): Promise<TrainTest> {
  const { load, known } = sets[set]
  const own = folder === undefined ? undefined : path.join(folder, set)
  const used = own !== undefined && existsSync(own) ? own : folder
  try {
    return await load({ ...options, folder: used })
  } catch (error) {
    if (!(error instanceof Net2NetError) || error.kind !== 'input') throw error
    const { message, where } = error
    throw new Net2NetError('input', message, {
      where,
      hint: `${known.source}, or put the four files into DIR/${set} and say --data DIR.`,
      cause: error,
    })
  }
}
