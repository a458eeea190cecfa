/** State dicts and optimizer states of PyTorch on disk, grown by plans. Node only. */
import { FileSource } from '../files/file-source.ts'
import type { FileContent } from '../files/write-whole.ts'
import type { GrowthPlan } from '../growth/growth-plan.ts'
import type { Model } from '../model/model.ts'
import { type GrowStateOptions, growStateIn } from './grow-state.ts'

/** As `growStateIn`, with the files on disk that the options name. */
export const growState = (
  model: Model,
  plans: readonly GrowthPlan[],
  stem: string,
  options: GrowStateOptions,
): ReadonlyMap<string, FileContent> =>
  growStateIn((file) => new FileSource(file), model, plans, stem, options)
