/** net2net rank: which growth pays. */
import { type Command, Option } from 'commander'
import { load, solve } from 'net2net'
import {
  type RankedBy,
  type RankedGrowth,
  type RankedKind,
  rank as rankWith,
} from 'net2net/growing'
import { nodeRuntime } from 'net2net/runtime'
import { usageError } from '../../errors.ts'
import { type CliCommand, examples, headings, type Io, printResult } from '../command.ts'
import { type DataOptions, weightsOption } from '../model-data.ts'
import { integer, list, number, seed } from '../options.ts'
import { progress, type Task } from '../progress.ts'
import { type SamplingOptions, samplingFor, samplingOptions } from '../sampling.ts'
import { table } from '../table.ts'

interface Options extends SamplingOptions, Pick<DataOptions, 'weights'> {
  readonly by: RankedBy
  readonly only?: readonly RankedKind[]
  readonly factor: number
  readonly samples: number
  readonly batchSize: number
  readonly seed: number
  readonly json?: true
}

export const rank: CliCommand = {
  configure(command: Command, io: Io) {
    samplingOptions(command.argument('<model>', 'an ONNX file'))
      .addOption(weightsOption().helpGroup(headings.data))
      .addOption(
        new Option('--by <cost>', 'what a gain is divided by')
          .choices(['parameters', 'multiply-adds'])
          .default('parameters'),
      )
      .option('--only <kinds>', 'growths to look at: some of widen,deepen,repeat,kernel', list)
      .option('--factor <x>', 'by how much each layer would be widened', number(1), 1.125)
      .option('--samples <n>', 'samples to look at, at most', integer(1), 1000)
      .option('--batch-size <n>', 'samples per run at most', integer(1), 100)
      .option('--seed <n>', 'decides which samples are drawn', seed, 0)
      .optionsGroup(headings.output)
      .option('--json', 'print one JSON document')
      .addHelpText(
        'after',
        `${examples(
          'rank teacher.onnx --data mnist',
          'rank model.onnx --data table.csv --loss mse --by multiply-adds',
          'rank model.onnx --data pictures/ --only widen --json',
        )}
The gain of a growth is by how much one step of gradient descent on what is new lowers the loss, to first order and per
unit of the learning rate, while the function is still as it was. New units are measured with the
in-weights that suit them best (GradMax, arXiv:2201.05125); "widen --init gradmax" starts them so. A layer that would be
one linear map with the one before it adds nothing, whatever its gradient: it has no gain, and a reason. Of data in two
parts the training part is taken.
`,
      )
      .action((file: string, options: Options) => run(io, file, options))
  },
}

async function run(io: Io, file: string, options: Options): Promise<void> {
  const { data: spec, by, only, factor, samples: most, batchSize, json } = options
  if (spec === undefined) throw usageError('On what? Give the data with --data.')
  const model = await load(file)
  const { samples, loss, lossName, session } = await samplingFor(model, spec, options, io.signal)
  const view = progress(io)
  let task: Task | undefined
  try {
    const growths = await rankWith(solve(model), samples, {
      runtime: nodeRuntime,
      loss,
      session,
      by,
      factor,
      ...(only && { growths: only }),
      samples: most,
      batchSize,
      seed: options.seed,
      signal: io.signal,
      onProgress(done, total) {
        task ??= view.task('measuring', total)
        task.update(done)
      },
    })
    task?.stop()
    const value = {
      model: file,
      data: spec,
      samples: Math.min(most, samples.length),
      lossName,
      by,
      growths,
    }
    view.stop()
    printResult(io, json, value, rankingText(growths, by))
  } finally {
    view.stop()
  }
}

function rankingText(growths: readonly RankedGrowth[], by: RankedBy): string {
  if (growths.length === 0) return 'Nothing of this model can grow.'
  const measured = growths.filter(({ gain }) => gain !== undefined)
  const rows = measured.map((growth, i) => [
    i + 1,
    stepText(growth),
    growth.gain!.toExponential(2),
    growth.addedParameters,
    growth.addedMultiplyAdds ?? '',
    growth.ratio === undefined ? '' : growth.ratio.toExponential(2),
  ])
  const head = ['', 'growth', 'gain', 'parameters', 'multiply-adds', `gain per ${unitOf[by]}`]
  const reasons = growths.flatMap((growth) =>
    growth.reason === undefined ? [] : [`${stepText(growth)}: ${growth.reason}`],
  )
  return [
    ...(rows.length > 0 ? [table(head, rows)] : []),
    ...(reasons.length > 0 ? [`Not measured:\n${reasons.join('\n')}`] : []),
  ].join('\n\n')
}

const unitOf = { parameters: 'parameter', 'multiply-adds': 'multiply-add' }

/** As a growing command takes it. */
function stepText({ step }: RankedGrowth): string {
  if ('widen' in step)
    return `widen ${Object.entries(step.widen)
      .map(([name, width]) => `${name}=${width}`)
      .join(' ')}`
  if ('deepen' in step)
    return `deepen ${[step.deepen].flat().join(' ')}${step.block === 'residual' ? ' --block residual' : ''}`
  if ('kernel' in step)
    return Object.entries(step.kernel)
      .map(([name, sizes]) => `widen --kernel ${name}=${[sizes].flat().join('x')}`)
      .join(' ')
  return 'repeat' in step ? `deepen --repeat ${[step.repeat].flat().join(' ')}` : ''
}
