/** net2net evaluate: how good a model is on data. */
import { basename } from 'node:path'
import type { Command } from 'commander'
import { load } from 'net2net'
import { refuseExisting, writeWhole } from 'net2net/files'
import { nodeRuntime } from 'net2net/runtime'
import { type Evaluation, evaluate as evaluateWith, metricNames } from 'net2net/training'
import { usageError } from '../../errors.ts'
import { evaluationHtml } from '../../report/report.ts'
import { type CliCommand, examples, headings, type Io, printResult } from '../command.ts'
import { type DataOptions, weightsOption } from '../model-data.ts'
import { integer, list, seed } from '../options.ts'
import { measuredText, progress } from '../progress.ts'
import { type SamplingOptions, samplingFor, samplingOptions } from '../sampling.ts'
import { table } from '../table.ts'

interface Options extends SamplingOptions, Pick<DataOptions, 'weights'> {
  readonly metric?: readonly string[]
  readonly batchSize: number
  readonly seed: number
  readonly report?: string
  readonly force?: true
  readonly json?: true
}

export const evaluate: CliCommand = {
  configure(command: Command, io: Io) {
    samplingOptions(command.argument('<model>', 'an ONNX file'))
      .addOption(weightsOption().helpGroup(headings.data))
      .option('--metric <names>', 'what to measure (default: what is usual); see below', list)
      .option('--batch-size <n>', 'samples per run at most', integer(1), 100)
      .option('--seed <n>', 'seed of the resamples that intervals are computed from', seed, 0)
      .optionsGroup(headings.output)
      .option('--report <file>', 'also write the metrics and tables as a page (.html)')
      .option('--force', 'replace the report if it exists')
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
  const { data: spec, json } = options
  if (spec === undefined) throw usageError('On what? Give the data with --data.')
  const { report, force = false } = options
  if (report !== undefined) await refuseExisting(report, force)
  const model = await load(file)
  const { lossName, loss, session, ...data } = await samplingFor(model, spec, options, io.signal)
  const samples = data.test ?? data.samples
  const view = progress(io)
  const task = view.task('evaluating', samples.length, { unit: 'samples' })
  try {
    const result = await evaluateWith(model, samples, {
      runtime: nodeRuntime,
      loss,
      metrics: options.metric ?? 'usual',
      batchSize: options.batchSize,
      seed: options.seed,
      signal: io.signal,
      session,
      onProgress: (done, { loss: mean, accuracy }) =>
        task.update(done, measuredText(mean, accuracy)),
    })
    const { accuracy: _, ...rest } = result
    const value = { model: file, data: spec, samples: samples.length, lossName, ...rest }
    task.stop()
    view.stop()
    if (report !== undefined) await writeWhole(report, pageOf(value), { force })
    const written = report === undefined ? '' : `\n\nReport: ${report}`
    printResult(io, json, value, `${evaluationText(result, samples.length, lossName)}${written}`)
  } finally {
    view.stop()
  }
}

/** The evaluation as a page. */
function pageOf({
  model,
  data,
  samples,
  lossName,
  metrics = {},
  perClass,
  confusion,
}: Omit<Evaluation, 'accuracy'> & {
  readonly model: string
  readonly data: string
  readonly samples: number
  readonly lossName: string
}): string {
  return evaluationHtml(
    { metrics, perClass, confusion },
    {
      title: `Evaluation of ${basename(model)}`,
      facts: [
        ['Model', model],
        ['Data', data],
        ['Samples', String(samples)],
        ['Loss', lossName],
      ],
    },
  )
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
