/** The data sets of sweeps. */
import {
  type DigitsOptions,
  loadFashionMnist,
  loadMnist,
  type TrainTest,
} from '../../../data/mnist-node.ts'
import type { SweepPlan, TrialData } from '../trial.ts'

const loaders = { mnist: loadMnist, 'fashion-mnist': loadFashionMnist } as const

/** Sees to it that every data set is there, and is the published one. */
export async function verifyData(
  plan: SweepPlan,
  folder: string | undefined,
  options: Pick<DigitsOptions, 'signal' | 'onDownload'> = {},
): Promise<void> {
  for (const set of new Set(plan.trials.map(({ spec }) => spec.data.set)))
    await loaders[set]({ ...options, ...(folder === undefined ? {} : { folder }) })
}

/** The data of a trial; whoever starts a sweep has verified the files. */
export async function loadTrialData(
  { set, trainSize, testSize }: TrialData,
  folder: string | undefined,
): Promise<TrainTest> {
  const { train, test } = await loaders[set]({
    verify: false,
    ...(folder === undefined ? {} : { folder }),
  })
  return {
    train: train.slice(0, trainSize ?? train.length),
    test: test.slice(0, testSize ?? test.length),
  }
}
