/** Sweeps that were never run, with the losses that a test wants. */
import type { SweepRecord } from '../src/sweep/analysis/findings.ts'
import type { ExperimentPlan, Trial, TrialResult } from '../src/sweep/trial/trial.ts'

export interface MadeArm {
  readonly arm: string
  /** By seed: validation losses, 10 steps and 1 second apart, the first before training. */
  readonly losses: readonly (readonly number[] | undefined)[]
  /** The arm that it starts from. */
  readonly from?: string
}

/** An experiment with these arms; seeds without losses have not finished. */
export function madeRecord(
  arms: readonly MadeArm[],
  plan: Partial<Omit<ExperimentPlan, 'arms'>> = {},
): SweepRecord {
  const { name = 'made', compare = [] } = plan
  const teacher = arms.some(({ arm }) => arm === 'teacher') ? { teacher: 'teacher' } : {}
  const trials: Trial[] = []
  const results = new Map<string, TrialResult>()
  for (const { arm, losses, from } of arms)
    losses.forEach((own, seed) => {
      const id = `${arm}-${seed}`
      const spec: Trial['spec'] = {
        format: 3,
        data: { set: 'mnist', trainSize: 320, testSize: 100 },
        network: 'cnn',
        width: 8,
        seed,
        order: seed,
        optimizer: { name: 'sgd', momentum: 0.9 },
        learningRate: 0.01,
        epochs: 1,
        batchSize: 32,
        evaluateEvery: 10,
        threads: 1,
        ...(from === undefined ? {} : { parent: `${from}-${seed}` }),
      }
      trials.push({ id, spec, labels: [{ experiment: name, arm, seed }], keepState: false })
      if (own) results.set(id, resultOf(id, spec, own))
    })
  return {
    plan: {
      name: 'study',
      experiments: [
        {
          name,
          ...teacher,
          compare,
          ...(plan.target === undefined ? {} : { target: plan.target }),
          arms: arms.map(({ arm }) => arm).filter((arm) => arm !== 'teacher'),
        },
      ],
      trials,
    },
    results,
    failures: new Map(),
  }
}

const resultOf = (id: string, spec: Trial['spec'], losses: readonly number[]): TrialResult => ({
  id,
  spec,
  outcome: {
    parameters: 1000,
    curve: losses.map((valLoss, i) => ({ step: 10 * i, epoch: 0, valLoss, valAccuracy: 0.9 })),
    epochs: [{ epoch: 1, loss: 0.5 }],
    growths: [],
    steps: 10 * (losses.length - 1),
    model: 'f'.repeat(64),
  },
  cost: {
    seconds: losses.map((_, i) => 2 * i),
    processorSeconds: losses.map((_, i) => i),
    finished: '2026-01-31T12:00:00.000Z',
    environment: { node: 'v20.0.0', runtime: 'a runtime 1.0', platform: 'linux-x64', cores: 2 },
    resumed: 0,
  },
})
