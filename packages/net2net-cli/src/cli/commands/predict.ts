/** net2net predict: what a model says of data. */
import { type Command, Option } from 'commander'
import { load } from 'net2net'
import { openInputs } from 'net2net/data'
import { nodeRuntime } from 'net2net/runtime'
import { type PredictionBatch, predict as predictWith } from 'net2net/training'
import { inputError, usageError } from '../../errors.ts'
import { type CliCommand, examples, type Io, printResult } from '../command.ts'
import { type GenerateTextOptions, generateText, refuseUnusedOfText } from '../generate-text.ts'
import { type DataOptions, layoutOption } from '../model-data.ts'
import { integer, list, number, parallel, seed } from '../options.ts'
import { classValues } from '../prediction-rows.ts'
import { type Format, fileWriter, formatOf, formats, outputWriter } from '../prediction-writers.ts'
import { progress } from '../progress.ts'
import { grouped } from '../table.ts'

interface Options extends GenerateTextOptions {
  readonly format?: Format
  readonly target?: string
  readonly layout?: DataOptions['layout']
  readonly outputs?: readonly string[]
  readonly activation?: 'softmax' | 'sigmoid' | 'none'
  readonly classAxis?: number
  readonly batchSize: number
  readonly force?: true
}

export const predict: CliCommand = {
  configure(command: Command, io: Io) {
    command
      .argument('<model>', 'an ONNX file')
      .option(
        '--data <what>',
        'a .csv, .tsv, .jsonl, .parquet, .npz, .npy or .txt file, a picture, a folder of pictures or IDX files, mnist, or - for a table on the standard input',
      )
      .option(
        '-o, --output <file>',
        'a .csv, .jsonl or .npz file (default: CSV to the standard output)',
      )
      .addOption(new Option('--format <name>', 'default: by the name of the file').choices(formats))
      .option('--target <column>', 'a column of a table that is no input')
      .addOption(layoutOption())
      .option('--outputs <names>', "which of the model's outputs to write (default: all)", list)
      .addOption(
        new Option(
          '--activation <name>',
          'what makes probabilities of the output, where the model does not tell',
        ).choices(['softmax', 'sigmoid', 'none']),
      )
      .option(
        '--class-axis <axis>',
        'axis of the classes in the output, where the model does not tell it: 1, -1',
        integer(Number.NEGATIVE_INFINITY),
      )
      .option(
        '--generate <n>',
        'continue a text by so many bytes, characters or tokens',
        integer(1),
      )
      .option('--prompt <text>', 'with --generate: the text to go on from')
      .option(
        '--temperature <x>',
        'with --generate: 0 for the most probable (default: 1)',
        number(0),
      )
      .option('--seed <n>', 'with --generate: seed of what is drawn (default: 0)', seed)
      .option('--batch-size <n>', 'samples per run at most', integer(1), 100)
      .addOption(new Option('--device <name>').choices(['cpu', 'webgpu', 'cuda']).default('cpu'))
      .option('--threads <n>', 'threads of ONNX Runtime', parallel)
      .option('--force', 'replace the file if it exists')
      .option('--json', 'print one JSON document')
      .addHelpText(
        'after',
        `${examples(
          'predict runs/flowers/model.onnx --data flowers.csv -o predictions.csv',
          'predict model.onnx --data pictures/ -o predictions.jsonl',
          'predict model.onnx --data samples.npz --outputs scores -o scores.npz',
          'predict runs/tales/model.onnx --generate 200 --prompt "Once upon a time"',
          'cat flowers.csv | net2net predict runs/flowers/model.onnx --data - | head',
        )}
Rows come in the order of the data, in memory that does not depend on how many there are. A model of
classes yields "class", the class's own name or value, and one probability a class; pictures also "file".
Training stores the names of classes and columns, and what makes probabilities of the output, in the
model; a Softmax or Sigmoid at the end of any model tells the same. A table is read by the names of its
columns, in any order; where model or table has no names, a column more than the model takes is
the target. Of data in two parts the test part is taken.
`,
      )
      .action((file: string, options: Options) => run(io, file, options))
  },
}

async function run(io: Io, file: string, options: Options): Promise<void> {
  const { data: spec, output, json } = options
  refuseUnusedOfText(options)
  if (options.generate !== undefined) return generateText(io, await load(file), options)
  if (spec === undefined) throw usageError('Of what? Give the data with --data.')
  const format = formatOf(output, options.format)
  if (output === undefined && format === 'npz')
    throw usageError('Arrays are not written to the standard output: give a file with -o.')
  const model = await load(file)
  const inputs = await openInputs(spec, model, {
    signal: io.signal,
    stdin: process.stdin,
    target: options.target,
    layout: options.layout,
  })
  const writer =
    output === undefined
      ? outputWriter(io, json ? 'document' : format === 'jsonl' ? 'jsonl' : 'csv')
      : await fileWriter(output, format, options.force)
  const summary = new Summary()
  const view = progress(io)
  const task = view.task('predicting', inputs.length, { unit: 'samples' })
  try {
    const predictions = predictWith(model, inputs, {
      runtime: nodeRuntime,
      batchSize: options.batchSize,
      signal: io.signal,
      session: { device: options.device, threads: options.threads },
      outputs: options.outputs,
      activation: options.activation,
      axis: options.classAxis,
    })
    for await (const batch of predictions) {
      await writer.write(batch)
      summary.add(batch)
      task.update(summary.samples)
    }
    if (summary.samples === 0) throw inputError(`${spec} holds no samples.`, { where: spec })
    await writer.finish()
  } finally {
    task.stop()
    view.stop()
    await writer.discard()
  }
  if (output !== undefined)
    printResult(io, json, { file: output, ...summary.value }, summary.text(output))
}

/** How many samples there were, and how many of each class. */
class Summary {
  samples = 0
  readonly #classes = new Map<string, Map<string | number, number>>()

  add({ length, outputs }: PredictionBatch): void {
    this.samples += length
    for (const [name, prediction] of Object.entries(outputs)) {
      const labels = prediction.classes && classValues(prediction)
      const counts = this.#classes.get(name) ?? new Map(labels?.map((label) => [label, 0]))
      this.#classes.set(name, counts)
      for (const c of prediction.classes?.data ?? [])
        counts.set(labels![c]!, (counts.get(labels![c]!) ?? 0) + 1)
    }
  }

  get value() {
    const outputs = [...this.#classes].map(([name, counts]) => ({
      name,
      ...(counts.size > 0
        ? { classes: [...counts].map(([label, count]) => ({ class: label, count })) }
        : {}),
    }))
    return { samples: this.samples, outputs }
  }

  text(file: string): string {
    const classes = [...this.#classes].flatMap(([name, counts]) => {
      const most = [...counts].sort(([, a], [, b]) => b - a).slice(0, 10)
      const more = counts.size > 10 ? ' …' : ''
      const shown = most.map(([label, count]) => `${label} ${grouped(count)}`).join(', ')
      return counts.size > 0 ? [`${name}: ${shown}${more}`] : []
    })
    return [`Samples: ${grouped(this.samples)}`, ...classes, `Written: ${file}`].join('\n')
  }
}
