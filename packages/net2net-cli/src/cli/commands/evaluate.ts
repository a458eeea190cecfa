/** net2net evaluate: how good a model is on data. */
import { type Command, Option } from 'commander'
import { load } from 'net2net'
import { type Device, nodeRuntime } from 'net2net/runtime'
import {
  type Evaluation,
  evaluate as evaluateWith,
  type LossName,
  lossNames,
  metricNames,
  storedLoss,
} from 'net2net/training'
import { usageError } from '../../errors.ts'
import { type CliCommand, examples, type Io, printResult } from '../command.ts'
import {
  type DataOptions,
  loadFor,
  lossAlong,
  missingOption,
  weightsOption,
} from '../model-data.ts'
import { integer, list, parallel, seed } from '../options.ts'
import { progress } from '../progress.ts'
import { table } from '../table.ts'

interface Options extends Pick<DataOptions, 'target' | 'missing' | 'weights'> {
  readonly data?: string
  readonly loss?: LossName
  readonly metric?: readonly string[]
  readonly classAxis?: number
  readonly batchSize: number
  readonly device: Device
  readonly threads?: number
  readonly seed: number
  readonly json?: true
}

export const evaluate: CliCommand = {
  configure(command: Command, io: Io) {
    command
      .argument('<model>', 'an ONNX file')
      .option(
        '--data <what>',
        'mnist, fashion-mnist, a .csv, .tsv, .jsonl, .parquet, .npz, .txt, .bin or .npy file, or a folder of IDX files, .npy files or pictures',
      )
      .option('--target <column>', 'column of the target, for tables (default: the last)')
      .addOption(missingOption())
      .addOption(weightsOption())
      .addOption(
        new Option('--loss <name>', 'default: the one that the model was trained with').choices(
          lossNames,
        ),
      )
      .option('--metric <names>', 'what to measure (default: what is usual); see below', list)
      .option(
        '--class-axis <axis>',
        'axis of the classes in the scores, where the targets do not tell it: 1, -1',
        integer(Number.NEGATIVE_INFINITY),
      )
      .option('--batch-size <n>', 'samples per run at most', integer(1), 100)
      .addOption(new Option('--device <name>').choices(['cpu', 'webgpu', 'cuda']).default('cpu'))
      .option('--threads <n>', 'threads of ONNX Runtime', parallel)
      .option('--seed <n>', 'seed of the resamples that intervals are computed from', seed, 0)
      .option('--json', 'print one JSON document')
      .addHelpText(
        'after',
        `${examples(
          'evaluate runs/flowers/model.onnx --data flowers.csv',
          'evaluate model.onnx --data table.csv --loss mse --json',
          'evaluate model.onnx --data pictures/ --metric accuracy,top-5,f1-weighted',
        )}
Of data in two parts the test part is taken. Metrics: ${metricNames.join(', ')},
and top-K. precision, recall and f1 are means over the classes (macro). Intervals
are of 95%: Wilson's for accuracy and top-K, the normal one for the loss and mae, from resamples for all others.
`,
      )
      .action((file: string, options: Options) => run(io, file, options))
  },
}

async function run(io: Io, file: string, options: Options): Promise<void> {
  const { data: spec, target, missing, weights, classAxis, json } = options
  if (spec === undefined) throw usageError('On what? Give the data with --data.')
  const model = await load(file)
  const loss = options.loss ?? storedLoss(model)
  if (!loss)
    throw usageError('The model does not tell which loss it was trained with: give it with --loss.')
  const chosen = lossAlong(loss, classAxis)
  const { train, test } = await loadFor(model, spec, {
    loss,
    target,
    missing,
    weights,
    signal: io.signal,
  })
  const samples = test ?? train
  const view = progress(io)
  const task = view.task('evaluating', samples.length)
  try {
    const result = await evaluateWith(model, samples, {
      runtime: nodeRuntime,
      loss: chosen,
      metrics: options.metric ?? 'usual',
      batchSize: options.batchSize,
      seed: options.seed,
      signal: io.signal,
      session: { device: options.device, threads: options.threads },
      onProgress: (done) => task.update(done),
    })
    const { accuracy: _, ...rest } = result
    const value = { model: file, data: spec, samples: samples.length, lossName: loss, ...rest }
    task.stop()
    view.stop()
    printResult(io, json, value, evaluationText(result, samples.length, loss))
  } finally {
    view.stop()
  }
}

function evaluationText(
  { metrics = {}, perClass, confusion, predictions }: Evaluation,
  samples: number,
  loss: string,
): string {
  const rows = Object.entries(metrics).map(([name, { value, low, high, interval }]) => [
    name === 'loss' ? `loss (${loss})` : name,
    short(value),
    low === undefined || high === undefined ? '' : `${short(low)} to ${short(high)}`,
    interval ?? '',
  ])
  const counted = predictions === samples ? '' : `, ${predictions} predictions`
  return [
    `Samples: ${samples}${counted}`,
    '',
    table(['metric', 'value', '95% interval', ''], rows),
    ...(perClass ? ['', classesText(perClass)] : []),
    ...(confusion && confusion.length <= mostShown ? ['', confusionText(confusion, perClass)] : []),
  ].join('\n')
}

/** Larger matrices are for --json. */
const mostShown = 15

function classesText(perClass: NonNullable<Evaluation['perClass']>): string {
  const shown = perClass.slice(0, 50)
  const rows = shown.map((one) => [
    one.class,
    short(one.precision),
    short(one.recall),
    short(one.f1),
    one.support,
  ])
  const more = perClass.length - shown.length
  const text = table(['class', 'precision', 'recall', 'f1', 'support'], rows)
  return more > 0 ? `${text}\nand ${more} more: see them with --json` : text
}

function confusionText(
  confusion: NonNullable<Evaluation['confusion']>,
  perClass: Evaluation['perClass'] = [],
): string {
  const names = confusion.map((_, c) => perClass[c]?.class ?? String(c))
  return table(
    ['true \\ predicted', ...names],
    confusion.map((row, c) => [names[c], ...row]),
  )
}

const short = (value: number): string => String(Number(value.toPrecision(4)))
