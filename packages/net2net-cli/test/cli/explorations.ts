/** What the tests of explorations share: a small network, a table, and what must be the same bits. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { save } from 'net2net'
import { dense, sequential } from 'net2net/layers'
import { randomStream } from 'net2net/tensor'
import type { ExplorationResults } from '../../src/exploration/results.ts'

/** Writes both into a folder. */
export async function writeExploration(folder: string) {
  const model = join(folder, 'start.onnx')
  const table = join(folder, 'table.csv')
  await save(
    sequential(
      [
        dense(4, { activation: 'relu', name: 'fc1' }),
        dense(4, { activation: 'relu', name: 'fc2' }),
        dense(1, { name: 'out' }),
      ],
      { input: [3], seed: 1 },
    ),
    model,
  )
  const random = randomStream(1, 'table')
  const rows = Array.from({ length: 200 }, () => {
    const [a, b, c] = [random.normal(), random.normal(), random.normal()]
    return [a, b, c, Math.sin(2 * a) + b * c].map((value) => value.toFixed(4)).join(',')
  })
  writeFileSync(table, `a,b,c,y\n${rows.join('\n')}\n`)
  return { model, table }
}

export const trainSettings = ['--loss', 'mse', '--optimizer', 'adam', '--learning-rate', '0.02']
export const searchSettings = ['--trials', '6', '--rung-steps', '20', '--rung-factor', '2']

export const resultsOf = (output: string): ExplorationResults =>
  JSON.parse(readFileSync(join(output, 'explore.json'), 'utf8'))

/** What must be the same bits. */
export const bitsOf = (output: string) =>
  resultsOf(output).trials.map(({ network, parent, by, rungs }) => ({
    ...{ network, parent, by },
    rungs: rungs.map(({ digest, valLoss, trainLoss, steps }) => [
      digest,
      valLoss,
      trainLoss,
      steps,
    ]),
  }))
