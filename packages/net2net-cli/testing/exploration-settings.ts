import type { ExplorationSettings } from '../src/exploration/settings.ts'

/** Of an exploration that no data belong to, for tests of what reads its folder. */
export const explorationSettings: ExplorationSettings = {
  format: 3,
  model: '0'.repeat(64),
  data: { spec: 'table.csv', options: {}, fingerprint: 'f' },
  training: { loss: 'mse', optimizer: 'sgd', batchSize: 8, device: 'cpu', threads: 1 },
  seed: 0,
  rungs: { steps: 10, factor: 3 },
  randomShare: 0.25,
  objectives: { against: ['parameters'], limits: {} },
  growth: { layers: ['*'], operations: ['widen'], factors: [2] },
}
