/** The data of a run: MNIST, or a part of it. */
import { type DigitsOptions, loadMnist, type TrainTest } from 'net2net/data'

export interface DataSettings {
  /** Folder with the four IDX files; default: an installed copy, or a download. */
  readonly folder?: string | undefined
  /** Only the first so many samples. */
  readonly trainSize?: number | undefined
  readonly testSize?: number | undefined
}

export async function loadRunData(
  { folder, trainSize, testSize }: DataSettings,
  options: Pick<DigitsOptions, 'signal' | 'onDownload' | 'verify'> = {},
): Promise<TrainTest> {
  const { train, test } = await loadMnist({
    ...options,
    folder,
  })
  return {
    train: train.slice(0, trainSize ?? train.length),
    test: test.slice(0, testSize ?? test.length),
  }
}
