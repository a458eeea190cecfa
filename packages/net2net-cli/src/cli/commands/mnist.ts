/** net2net mnist: the experiments of the Keras example. */

import { join } from 'node:path'
import { type Command, Option } from 'commander'
import { Net2NetError } from 'net2net'
import { arms, defaultArms } from '../../mnist/arms.ts'
import { resultsTable } from '../../mnist/results-table.ts'
import { type RunEvent, runExperiment } from '../../mnist/run-experiment.ts'
import type { ArmEpoch, ArmResult, RunResults } from '../../runs/results.ts'
import { type CliCommand, examples, type Io, printResult } from '../command.ts'
import { integer, list, parallel, seed } from '../options.ts'
import { duration, progress, type Task } from '../progress.ts'
import { table } from '../table.ts'

interface Options {
  readonly epochs: number
  readonly trainSize?: number
  readonly testSize?: number
  readonly batchSize: number
  readonly seed: number
  readonly arms: readonly string[]
  readonly jobs?: number
  readonly threads?: number
  readonly data?: string
  readonly output?: string
  readonly force?: true
  readonly json?: true
}

export const mnist: CliCommand = {
  configure(command: Command, io: Io) {
    command
      .option('--epochs <n>', 'epochs of every arm', integer(1), 3)
      .option('--train-size <n>', 'use only the first n training images', integer(1))
      .option('--test-size <n>', 'use only the first n test images', integer(1))
      .option('--batch-size <n>', 'images per step', integer(1), 32)
      .option('--seed <n>', 'seed of everything random', seed, 0)
      .addOption(
        new Option('--arms <a,b>', 'which arms to run, or "all"')
          .argParser(list)
          .default(defaultArms, 'the first five below'),
      )
      .option(
        '--jobs <n>',
        'arms trained at the same time, after the teacher (default: 2)',
        parallel,
      )
      .option('--threads <n>', 'threads per arm (default: all cores, or half of them)', parallel)
      .option('--data <dir>', 'folder with the four IDX files of MNIST')
      .option('-o, --output <dir>', 'folder of the run (default: runs/mnist-TIME)')
      .option('--force', 'replace what a former run left in the folder')
      .option('--json', 'print one JSON document')
      .addHelpText(
        'after',
        `
Arms:
${table(
  ['name', 'what it is'],
  arms.map(({ name, title }) => [name, title]),
  { indent: 2 },
)}
${examples('mnist', 'mnist --epochs 1 --train-size 6400 --test-size 1000', 'mnist --arms teacher,wider_net2wider,wider_net2wider_exact -o runs/noise')}`,
      )
      .action((options: Options) => run(io, options))
  },
}

async function run(io: Io, options: Options): Promise<void> {
  const { data: folder, output, arms: names, json, ...rest } = options
  const directory = output ?? join('runs', `mnist-${timestamp(new Date())}`)
  const show = reporter(io, options.epochs)
  let results: RunResults
  try {
    results = await runExperiment({
      ...rest,
      folder,
      arms: names.includes('all') ? arms.map(({ name }) => name) : names,
      directory,
      command: commandOf(options),
      signal: io.signal,
      onEvent: show.event,
    })
  } catch (error) {
    show.stop()
    if (io.signal.aborted && io.signal.reason instanceof Net2NetError)
      throw new Net2NetError(
        'interrupted',
        `${io.signal.reason.message} What was finished is in ${directory}.`,
        { where: io.signal.reason.where ?? 'SIGINT' },
      )
    throw error
  }
  show.stop()
  // Charts take a while to load: not before the run.
  const { writeReport } = await import('../../report/write-report.ts')
  const report = join(directory, 'report.html')
  await writeReport([directory], report, { force: true })
  const { header, rows } = resultsTable(results)
  printResult(
    io,
    json,
    results,
    [
      '',
      'Validation loss ("seed": the numbers of the document that this experiment is from)',
      '',
      table(header, rows),
      '',
      `Done in ${duration(results.seconds)}. Results and trained networks: ${directory}\nReport: ${report}`,
    ].join('\n'),
  )
}

/** Prints what happens, as it happens. */
function reporter(io: Io, epochs: number) {
  const view = progress(io)
  const tasks = new Map<string, Task>()
  const end = (arm: string) => {
    tasks.get(arm)?.stop()
    tasks.delete(arm)
  }
  const event = (happened: RunEvent): void => {
    switch (happened.kind) {
      case 'download':
        view.line(`Downloading ${happened.url}`)
        break
      case 'data': {
        const { xTrain, yTrain, xTest, yTest } = happened.shapes
        view.line('Loading MNIST data...')
        view.line(`x_train shape: ${tuple(xTrain)} y_train shape: ${tuple(yTrain)}`)
        view.line(`x_test shape: ${tuple(xTest)} y_test shape ${tuple(yTest)}`)
        break
      }
      case 'start':
        view.line(armLine(happened.arm))
        break
      case 'progress': {
        const { metrics, batch, batches, epochLoss, epochAccuracy, imagesPerSecond } = happened
        const { arm, epoch } = metrics
        let task = tasks.get(arm)
        if (!task) {
          task = view.task(`${arm} ${epoch}/${epochs}`, batches)
          tasks.set(arm, task)
        }
        const speed = `${Math.round(imagesPerSecond)} images/s`
        task.update(
          batch,
          `loss ${epochLoss.toFixed(4)}  accuracy ${percent(epochAccuracy)}  ${speed}`,
        )
        break
      }
      case 'epoch':
        end(happened.arm)
        view.line(`${happened.arm} ${epochLine(happened.result, epochs)}`)
        break
    }
  }
  return { event, stop: () => view.stop() }
}

function armLine({ name, parameters, learningRate, initial }: ArmResult): string {
  const number = arms.findIndex((arm) => arm.name === name)
  const start = initial ? `; validation loss at the start ${initial.valLoss.toFixed(4)}` : ''
  return `(${number}) building ${arms[number]?.title}: ${parameters.toLocaleString('en')} parameters, learning rate ${learningRate}${start}`
}

const epochLine = (
  { epoch, loss, accuracy, valLoss, valAccuracy, seconds }: ArmEpoch,
  epochs: number,
): string =>
  `epoch ${epoch}/${epochs}: loss ${loss.toFixed(4)}  accuracy ${percent(accuracy)}  val_loss ${valLoss.toFixed(4)}  val_accuracy ${percent(valAccuracy)}  ${duration(seconds)}`

const percent = (share: number): string => `${(100 * share).toFixed(2)}%`
const tuple = (shape: readonly number[]): string => `(${shape.join(', ')})`

/** The command line that makes the run again, with every default written out. */
function commandOf(options: Options): string {
  const { epochs, batchSize, seed: value, trainSize, testSize, jobs, threads } = options
  const flags: (readonly [string, string | number | undefined])[] = [
    ['epochs', epochs],
    ['train-size', trainSize],
    ['test-size', testSize],
    ['batch-size', batchSize],
    ['seed', value],
    ['arms', options.arms.join(',')],
    ['jobs', jobs],
    ['threads', threads],
    ['data', options.data],
  ]
  return [
    'net2net mnist',
    ...flags.filter(([, text]) => text !== undefined).map(([name, text]) => `--${name} ${text}`),
  ].join(' ')
}

/** `20260131-235959`, in local time. */
function timestamp(now: Date): string {
  const two = (value: number) => String(value).padStart(2, '0')
  const date = [now.getFullYear(), two(now.getMonth() + 1), two(now.getDate())].join('')
  return `${date}-${[now.getHours(), now.getMinutes(), now.getSeconds()].map(two).join('')}`
}
