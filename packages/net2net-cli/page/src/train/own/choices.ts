/** What is trained on which data, and how: in the address, but for dropped files. */
import { computed, signal } from '@preact/signals'
import type { LossName } from 'net2net/training'
import type { Failure, NamedBytes } from '../../engine/protocol.ts'
import { contentOf } from '../../engine/sources.ts'
import { numberParam, param, setParams, within } from '../../state.ts'
import { failureFrom } from '../../ui/failure.tsx'
import { deviceSetting } from '../protocol.ts'
import { builtIn, type OwnSettings, optimizerNames } from './protocol.ts'

export const lossNames = [
  'softmax-cross-entropy',
  'mse',
  'mae',
  'huber',
  'bce-with-logits',
  'focal',
] as const satisfies readonly LossName[]

/** Where the learning rate of each optimizer usually begins. */
export const usualRates = { sgd: 0.01, adam: 0.001, adamw: 0.001, rmsprop: 0.001, lion: 0.0001 }

export const limits = {
  samples: { min: 1, max: 1_000_000 },
  epochs: { min: 1, max: 1000 },
  batchSize: { min: 1, max: 4096 },
  seed: { min: 0, max: 0xffffffff },
}

const data = param('data', 'mnist')
const loss = param('loss', 'auto')
const output = param('own-output')
const optimizer = param('optimizer', 'sgd')
const rate = numberParam('own-rate', 0)
const epochs = numberParam('own-epochs', 3)
const batchSize = numberParam('own-batch', 32)
const samples = numberParam('own-samples', 6000)
const seed = numberParam('own-seed', 0)
const device = param('device', 'auto')

export const settings = computed<OwnSettings>(() => {
  const chosen = optimizerNames.find((name) => name === optimizer.value) ?? 'sgd'
  return {
    data: builtIn.find((name) => name === data.value) ?? 'files',
    samples: within(samples.value, limits.samples),
    loss: lossNames.find((name) => name === loss.value) ?? 'auto',
    ...(output.value !== '' && { output: output.value }),
    optimizer: chosen,
    rate: rate.value > 0 ? rate.value : usualRates[chosen],
    epochs: within(epochs.value, limits.epochs),
    batchSize: within(batchSize.value, limits.batchSize),
    seed: within(seed.value, limits.seed),
    device: deviceSetting(device.value),
  }
})

export function change(changes: Partial<OwnSettings>): void {
  const next = { ...settings.peek(), ...changes }
  // Another optimizer has another usual rate.
  if (changes.optimizer !== undefined) next.rate = usualRates[changes.optimizer]
  const unless = (value: string | number, usual: string | number) =>
    value === usual ? undefined : String(value)
  setParams({
    data: unless(next.data, 'mnist'),
    loss: unless(next.loss, 'auto'),
    'own-output': next.output,
    optimizer: unless(next.optimizer, 'sgd'),
    'own-rate': unless(next.rate, usualRates[next.optimizer]),
    'own-epochs': unless(next.epochs, 3),
    'own-batch': unless(next.batchSize, 32),
    'own-samples': unless(next.samples, 6000),
    'own-seed': unless(next.seed, 0),
    device: unless(next.device, 'auto'),
  })
}

/** Data that were dropped. */
export const files = signal<readonly NamedBytes[]>([])
/** Why what was dropped last cannot be read. */
export const filesFailure = signal<Failure | undefined>(undefined)

export async function useFiles(dropped: readonly File[]): Promise<void> {
  const wish = ++wishes
  filesFailure.value = undefined
  try {
    const read = await Promise.all(dropped.map(contentOf))
    // Meanwhile others were dropped.
    if (wish !== wishes) return
    files.value = read
    change({ data: 'files' })
  } catch (error) {
    if (wish === wishes) filesFailure.value = failureFrom(error)
  }
}
let wishes = 0

/** Whether a file holds data and no network. */
export const isDataFile = (name: string): boolean =>
  /\.(csv|tsv|txt|jsonl|parquet)(\.gz)?$|idx[13]-ubyte(\.gz)?$/i.test(name)

/** How many samples so many steps of a training see, whose last batch of an epoch may be smaller. */
export function samplesSeen(of: {
  readonly batchSize: number
  /** Of the data; before these are there, as many as are wanted. */
  readonly count?: number
  readonly samples: number
}): (steps: number) => number {
  const { batchSize, count = of.samples } = of
  const perEpoch = Math.ceil(count / batchSize)
  return (steps) =>
    Math.floor(steps / perEpoch) * count + Math.min((steps % perEpoch) * batchSize, count)
}
