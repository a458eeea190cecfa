/** net2net data: a look at data before anything is done with them. */
import type { Command } from 'commander'
import { load, Net2NetError } from 'net2net'
import {
  type ColumnDescription,
  type DataDescription,
  describeData,
  loadData,
  openInputs,
  type PartDescription,
  type ValueCount,
} from 'net2net/data'
import { classesOf, requiredInputs } from 'net2net/model'
import { nodeRuntime } from 'net2net/runtime'
import { predict } from 'net2net/training'
import { type CliCommand, examples, type Io, printResult } from '../command.ts'
import { type DataOptions, dataOptions, dataOptionsOf } from '../model-data.ts'
import { grouped, table } from '../table.ts'

interface Options extends DataOptions {
  readonly model?: string
  readonly json?: true
}

export const data: CliCommand = {
  configure(command: Command, io: Io) {
    dataOptions(
      command
        .argument(
          '<data>',
          'a .csv, .tsv, .jsonl, .parquet, .npz, .npy, .txt or .bin file, a folder of pictures or IDX files, mnist or fashion-mnist',
        )
        .option('--model <file>', 'say whether its inputs can be had from these data')
        .option('--target <column>', 'with --model: a column of a table that is no input'),
    )
      .option('--json', 'print one JSON document')
      .addHelpText(
        'after',
        `${examples('data flowers.csv', 'data flowers.csv --model flowers.onnx', 'data samples.npz --json')}
Shows shapes, types, ranges, missing values, and the classes with how often they occur. With --model, one
batch is run through the model: it fits, or there is the reason why not. The other options are those of net2net train,
which say how data become numbers; they matter with --model.
`,
      )
      .action((spec: string, options: Options) => run(io, spec, options))
  },
}

async function run(io: Io, spec: string, options: Options): Promise<void> {
  const { model, json, tokens } = options
  const description = await describeData(spec, { signal: io.signal, tokens })
  const fit = model === undefined ? undefined : await fitOf(model, spec, options, io.signal)
  printResult(
    io,
    json,
    { data: spec, ...description, ...(fit ? { fit } : {}) },
    [
      ...description.parts.map((part) => partText(description, part)),
      ...(fit ? [fitText(fit)] : []),
    ].join('\n\n'),
  )
}

interface Fit {
  readonly model: string
  readonly inputs: readonly {
    readonly name: string
    readonly dtype: string
    readonly shape: readonly (string | number | null)[]
  }[]
  readonly classes?: readonly string[]
  /** `true`, or why not. */
  readonly fits: true | string
}

/** Runs one sample, or as many as the model takes at once: of data to predict, or else of data to train on. */
async function fitOf(
  file: string,
  spec: string,
  options: Options,
  signal: AbortSignal,
): Promise<Fit> {
  const model = await load(file)
  const classes = classesOf(model)
  const inputs = requiredInputs(model.graph).map(({ name, type }) => ({
    name,
    dtype: (type.kind === 'tensor' ? type.dtype : undefined) ?? '?',
    shape: (type.kind === 'tensor' ? type.shape : undefined) ?? [],
  }))
  const known = { model: file, inputs, ...(classes ? { classes } : {}) }
  const toTrain = (targetKind: 'class' | 'value') => async () =>
    (await loadData(spec, { ...dataOptionsOf(options), model, targetKind, signal })).train
  const ways = [
    () => openInputs(spec, model, { signal, target: options.target, layout: options.layout }),
    toTrain('class'),
    toTrain('value'),
  ]
  const reasons: string[] = []
  for (const way of ways)
    try {
      const samples = await way()
      for await (const _ of predict(model, samples, { runtime: nodeRuntime, batchSize: 1, signal }))
        return { ...known, fits: true }
      reasons.push('There are no samples.')
    } catch (error) {
      if (!(error instanceof Net2NetError) || error.kind === 'interrupted') throw error
      reasons.push([error.message, error.hint].filter((part) => part !== undefined).join(' '))
    }
  const [toPredict = '', training = ''] = reasons
  return {
    ...known,
    fits:
      toPredict === training ? toPredict : `To predict for: ${toPredict} To train on: ${training}`,
  }
}

function fitText({ model, inputs, fits, classes }: Fit): string {
  const shown = inputs.map(({ name, dtype, shape }) => `${name} ${dtype} [${shape.join(', ')}]`)
  return [
    `${model} takes ${shown.join('; ')}: ${fits === true ? 'the data fit.' : fits}`,
    ...(classes ? [`It tells apart ${classes.join(', ')}.`] : []),
  ].join('\n')
}

function partText({ kind, parts }: DataDescription, part: PartDescription): string {
  const title = parts.length > 1 ? `${part.name}: ` : ''
  const { samples, columns, classes, sizes } = part
  return [
    `${title}${grouped(samples)} ${kind === 'pictures' ? 'pictures' : 'samples'}`,
    ...(columns.length > 0 ? ['', columnsText(columns)] : []),
    ...(classes ? ['', `Classes: ${countsText(classes)}`] : []),
    ...(sizes
      ? [
          `Sizes: ${sizes.smallest.join(' × ')} to ${sizes.largest.join(' × ')} (width × height); channels: ${countsText(sizes.channels)}${sizes.pictures < samples ? ` (of ${grouped(sizes.pictures)} pictures)` : ''}`,
        ]
      : []),
  ].join('\n')
}

function columnsText(columns: readonly ColumnDescription[]): string {
  const number = (value: number | undefined) =>
    value === undefined ? '' : String(Number(value.toPrecision(6)))
  const rows = columns.map((column) => [
    column.name,
    column.type + (column.shape ? ` [${column.shape.join(', ')}]` : ''),
    number(column.minimum),
    number(column.mean),
    number(column.maximum),
    column.missing,
    valuesText(column),
  ])
  return table(['column', 'type', 'minimum', 'mean', 'maximum', 'missing', 'values'], rows)
}

/** The values of a column that may be of classes. */
function valuesText({ values, type }: ColumnDescription): string {
  if (!values) return 'more than 1,000'
  const isWhole = values.every(({ value }) => /^[+-]?\d+$/.test(value))
  if (type !== 'text' && !(isWhole && values.length <= 100)) return `${values.length} different`
  return countsText(values)
}

const mostShown = 10

const countsText = (counts: readonly ValueCount[]): string => {
  const more = counts.length - mostShown
  const shown = counts.slice(0, mostShown).map(({ value, count }) => `${value}: ${grouped(count)}`)
  return shown.join(', ') + (more > 0 ? ` and ${more} more` : '')
}
