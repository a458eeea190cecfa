/** What decides an exploration: found, and refused where it does not fit, before anything is written. */
import { encodeModel, load, type Model } from 'net2net'
import { growthCandidates } from 'net2net/exploring'
import { nodeRuntime } from 'net2net/runtime'
import { evaluate, withParameters } from 'net2net/training'
import { refusedError, usageError } from '../../errors.ts'
import { type ExplorationFolder, sha256 } from '../../exploration/exploration-folder.ts'
import type { ExplorationSettings } from '../../exploration/settings.ts'
import type { Io } from '../command.ts'
import { type ExploreOptions, settingsOf } from '../commands/explore-options.ts'
import { choicesOf } from '../commands/train-options.ts'
import { mustBeWithin, mustKnowMultiplyAdds } from '../costs.ts'
import { asJson, differences, type SaidOptions } from '../earlier-options.ts'
import { dataOptionsOf } from '../model-data.ts'
import { explorationData, trainOptionsOf } from './data.ts'

/** The network, and what decides the exploration; whatever does not fit fails here. */
export async function prepared(
  io: Io,
  file: string,
  options: ExploreOptions,
): Promise<{ readonly settings: ExplorationSettings; readonly bytes: Uint8Array }> {
  const { validation } = options
  const spec = options.data!
  if ((validation ?? 0) >= 1) throw usageError('--validation must be less than 1.')
  // As training sees it, with parameters apart that an exporter merged: recipes of networks fit the file that is kept.
  const model = withParameters(await load(file), new Map())
  const bytes = encodeModel(model)
  const chosen = settingsOf(options)
  mustBeWithin(model, chosen.objectives.limits)
  mustKnowMultiplyAdds(model, chosen.objectives.against)
  mustGrow(model, chosen.growth)
  const data = {
    spec,
    options: asJson(dataOptionsOf(options)),
    ...(validation === undefined ? {} : { validation }),
  }
  const loaded = await explorationData(model, { ...chosen, data }, io.signal, (note) =>
    io.err(`${note}\n`),
  )
  // Data that do not fit the network are refused in words of their own.
  await evaluate(model, loaded.validation, {
    loss: choicesOf(trainOptionsOf(chosen), loaded.train).loss,
    ...(chosen.objectives.metric === undefined
      ? {}
      : { metrics: [chosen.objectives.metric], intervals: false }),
    runtime: nodeRuntime,
    signal: io.signal,
  })
  const { fingerprint } = loaded
  return {
    settings: { format: 3, model: sha256(bytes), data: { ...data, fingerprint }, ...chosen },
    bytes,
  }
}

/** @throws usage for layers that there are not; refused where nothing of these can grow in these ways */
function mustGrow(model: Model, growth: ExplorationSettings['growth']): void {
  const candidates = Object.values(growthCandidates(model, growth)).flat()
  if (candidates.length === 0)
    throw refusedError(
      `Nothing of this network can grow by ${growth.operations.join(', ')} of ${growth.layers.join(', ')}.`,
      { hint: 'net2net inspect says what can, and why the rest cannot.' },
    )
}

/** @throws usage where the folder's exploration was begun with other settings */
export async function mustBeSameSettings(
  folder: ExplorationFolder,
  settings: ExplorationSettings,
): Promise<void> {
  const before = await folder.readSettings()
  const options = differences(asJson(optionsOf(before)), optionsOf(settings))
  const [isSameModel, areSameData] = [
    before.model === settings.model,
    before.data.fingerprint === settings.data.fingerprint,
  ]
  // Which samples are held back depends on the options.
  const different = [
    ...options,
    ...(isSameModel ? [] : ['from another network']),
    ...(areSameData || options.length > 0 || !isSameModel
      ? []
      : [`on other samples than ${settings.data.spec} holds now`]),
  ]
  if (different.length > 0)
    throw usageError(`The exploration in ${folder.path} was begun ${different.join(', ')}.`, {
      where: folder.path,
      hint: 'To go on with it, give all options as they were; for another one, give another folder with -o.',
    })
}

/** The settings as the options of the command line. */
const optionsOf = ({
  data,
  training,
  seed,
  rungs,
  randomShare,
  objectives,
  growth,
}: ExplorationSettings): SaidOptions => ({
  data: data.spec,
  ...data.options,
  validation: data.validation,
  ...training,
  seed,
  rungSteps: rungs.steps,
  rungFactor: rungs.factor,
  rungs: rungs.most,
  randomShare,
  metric: objectives.metric,
  against: objectives.against,
  limit: Object.keys(objectives.limits).length > 0 ? objectives.limits : undefined,
  grow: growth.layers,
  ops: growth.operations,
  factors: growth.factors,
})
