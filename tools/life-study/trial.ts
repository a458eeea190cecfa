/** One network's life: what it was trained on and grew by, how good it was after each portion, and what that took. */
import { countMultiplyAdds, countParameters, grow, type Model } from 'net2net'
import type { SampleSet } from 'net2net/data'
import { type GrowthDecision, type Portion, trainStream } from 'net2net/growing'
import { adam, evaluate, type TrainingState, warmupStableDecay } from 'net2net/training'
import { large, network, type Setting, small, widthByHand } from './settings.ts'

export const arms = ['retrained', 'large', 'small', 'by hand', 'auto'] as const
export type Arm = (typeof arms)[number]

export interface AfterPortion {
  readonly parameters: number
  /** Summed since the beginning: 10^9 multiply-adds of training (and of the validation that `auto` needs). */
  readonly compute: number
  /** Summed since the beginning: processor seconds of training, with all that decisions and growth take. */
  readonly seconds: number
  readonly loss: number
  readonly accuracy: number
  /** Share of each class that is told right. */
  readonly classes: readonly number[]
}

export interface Life {
  readonly after: readonly AfterPortion[]
  readonly decisions: readonly (Pick<GrowthDecision, 'epoch' | 'grow' | 'reason'> & {
    readonly portion: number
    readonly parameters: number
    readonly by?: readonly object[]
  })[]
}

const loss = 'softmax-cross-entropy'
const rate = 0.002
/** A step computes the forward pass and, for the backward pass, about twice as much. */
const passes = 3

export async function live(setting: Setting, arm: Arm, seed: number): Promise<Life> {
  const arrivals = await setting.data(seed)
  const first = arm === 'large' || arm === 'retrained' ? large : small
  const most = countParameters(network(large, 10, seed))
  const after: AfterPortion[] = []
  const decisions: Life['decisions'][number][] = []
  let compute = 0
  let seconds = 0
  let model = network(first, arrivals[0]!.classes, seed)
  let earlier: TrainingState | undefined
  for (const [i, arrival] of arrivals.entries()) {
    const isFresh = arm === 'retrained'
    if (isFresh) {
      model = network(large, arrival.classes, seed + 1000 * i)
      earlier = undefined
    }
    const epochs = setting.epochs[isFresh ? 'scratch' : 'on'][i]!
    const portion: Portion = {
      ...(isFresh ? { data: arrival.all } : arrival.next),
      ...(arm === 'auto' && { validation: arrival.validation }),
      ...(arm === 'by hand' && { stages: grownByHand(i) }),
    }
    const begun = process.cpuUsage()
    let architecture = model
    let perSample = 0
    const stream = trainStream(model, [portion], {
      loss,
      // At one rate, at which networks grow, and down at the end.
      optimizer: adam({ learningRate: warmupStableDecay(rate, epochs, { decay: 0.3 }) }),
      epochs,
      batchSize: 32,
      seed: seed + 1000 * i,
      session: { threads: 1 },
      earlier,
      onStep({ samples }) {
        compute += (passes * samples * perSample) / 1e9
      },
      ...(arm === 'auto' && { auto: { limits: { parameters: most } } }),
    })
    for await (const event of stream) {
      if (event.kind === 'portion') architecture = event.model
      if (event.kind === 'growth') architecture = grow(architecture, event.steps).model
      perSample = countMultiplyAdds(architecture) ?? 0
      if (event.kind === 'epoch' && arm === 'auto')
        compute += (arrival.validation.length * perSample) / 1e9
      if (event.kind !== 'decision') continue
      const { epoch, reason, parameters, steps } = event.decision
      const by = steps && { by: steps }
      decisions.push({ portion: i, epoch, grow: event.decision.grow, reason, parameters, ...by })
    }
    const { user, system } = process.cpuUsage(begun)
    seconds += (user + system) / 1e6
    model = stream.model
    earlier = stream.state
    const parameters = countParameters(model)
    after.push({ parameters, compute, seconds, ...(await measured(model, arrival.test)) })
  }
  return { after, decisions }
}

const grownByHand = (portion: number) => {
  const width = widthByHand(portion)
  if (portion === 0 || width === widthByHand(portion - 1)) return []
  const widen = { conv1: width, conv2: 2 * width, fc1: 4 * width }
  return [{ when: { epoch: 0 }, steps: [{ widen }], learningRateFactor: 1 }]
}

async function measured(model: Model, test: SampleSet) {
  const found = await evaluate(model, test, {
    loss,
    metrics: ['recall'],
    intervals: false,
    session: { threads: 1 },
  })
  return {
    loss: found.loss,
    accuracy: found.accuracy ?? Number.NaN,
    classes: (found.perClass ?? []).map(({ recall }) => recall),
  }
}
