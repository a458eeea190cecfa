/** What the options of trainings must be, for callers without a compiler: see arguments.ts. */
import * as kind from '../arguments.ts'
import type { SessionOptions } from '../runtime/runtime.ts'
import type { EarlyStopping } from './train-options.ts'

const { flag, number, text } = kind

export const loss = kind.either(
  'a loss or the name of one',
  text,
  kind.object('a loss', 'emit', 'function'),
)
export const optimizer = kind.object('an optimizer, as sgd gives it', 'update', 'function')
export const session = kind.options<SessionOptions>({
  device: text,
  threads: number,
  optimization: text,
  keepOnDevice: kind.texts,
})
export const measuring = {
  batchSize: number,
  runtime: kind.runtime,
  session,
  output: text,
  signal: kind.signal,
}
export const metrics = kind.listOf(
  'a list of metrics and names of them',
  kind.either('a metric or the name of one', text, kind.object('a metric', 'measure', 'function')),
)
export const step = {
  freeze: kind.texts,
  trainOnly: kind.texts,
  clipNorm: number,
  weighted: flag,
  seed: number,
  rates: kind.recordOf('factors by names of parameters', number),
  decayOnly: kind.either("'matrices', or a list of strings", text, kind.texts),
}
/** Of every training and every stream of them; where what is measured comes from, where it is saved and goes on differ. */
export const trainings = {
  ...step,
  ...measuring,
  epochs: number,
  metrics,
  evaluationBatchSize: number,
  shuffle: flag,
  earlyStopping: kind.options<EarlyStopping>(
    { metric: text, minimumChange: number, restoreBest: flag },
    { patience: number },
  ),
  onStep: kind.callback,
  onValidation: kind.callback,
}
export const training = { ...trainings, validation: kind.data }
export const checkpoint = kind.object('an object with a function save', 'save', 'function')
