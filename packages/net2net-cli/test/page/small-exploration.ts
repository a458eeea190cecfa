/** An exploration of two networks as `net2net explore` leaves it, for tests of what shows it. */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { encodeModel, widen } from 'net2net'
import { dense, relu, sequential } from 'net2net/layers'
import { ExplorationFolder } from '../../src/exploration/exploration-folder.ts'
import {
  type ExplorationResults,
  frontFiles,
  type TrialRecord,
} from '../../src/exploration/results.ts'
import { explorationSettings } from '../../testing/exploration-settings.ts'

const firstNetwork = sequential(
  [dense(6, { name: 'a' }), relu({ name: 'r' }), dense(3, { name: 'b' })],
  { input: [4], seed: 1 },
)
const secondNetwork = widen(firstNetwork, { a: 9 })

const rung = { multiplyAdds: 50, size: 400, seconds: 1, digest: 'd', trainLoss: 1, rung: 0 }
export const firstTrial: TrialRecord = {
  network: 0,
  parent: null,
  parentRung: null,
  by: null,
  grown: null,
  status: 'trained',
  rungs: [{ ...rung, steps: 10, valLoss: 0.5, parameters: 51 }],
}
export const secondTrial: TrialRecord = {
  ...firstTrial,
  network: 1,
  parent: 0,
  parentRung: 0,
  by: 'gain',
  grown: { widen: { a: 'x1.5' } },
  rungs: [{ ...rung, steps: 20, valLoss: 0.25, parameters: 75 }],
}
/** One that grew later, of which no file is kept. */
export const thirdTrial: TrialRecord = {
  ...secondTrial,
  network: 2,
  parent: 1,
  grown: { deepen: ['a'] },
}

/** The second network is on the front; of the first the state of its training is kept. */
export async function writeExploration(
  folder: string,
  trials = [firstTrial, secondTrial],
): Promise<void> {
  const place = new ExplorationFolder(folder)
  await mkdir(join(folder, 'front'), { recursive: true })
  await place.saveSettings(explorationSettings)
  await place.write({ network: 0, rung: 0 }, { model: firstNetwork, state: undefined, stages: [] })
  const at = { network: 1, rung: 0 }
  await writeFile(join(folder, frontFiles(at).file), encodeModel(secondNetwork))
  const results: ExplorationResults = {
    best: null,
    front: [
      {
        ...frontFiles(at),
        ...at,
        parent: 0,
        parameters: 75,
        multiplyAdds: 50,
        size: 400,
        valLoss: 0.25,
        steps: 20,
      },
    ],
    trials,
    directory: folder,
    finished: false,
    objectives: { metric: 'valLoss', against: ['parameters'], limits: {} },
    spent: { trials: trials.length, steps: 20, seconds: 2 },
  }
  await writeFile(place.file('results'), JSON.stringify(results))
}
