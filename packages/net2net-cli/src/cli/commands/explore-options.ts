/** The options of net2net explore. */
import { type Command, InvalidArgumentError, Option } from 'commander'
import { type Cost, type GrowthOperation, growthOperations, type Limits } from 'net2net/exploring'
import { schemaMessage } from 'net2net/recipe'
import { usageError } from '../../errors.ts'
import { type ExplorationSettings, explorationSettings } from '../../exploration/settings.ts'
import { examples, headings } from '../command.ts'
import { costNames, duration, limit } from '../costs.ts'
import { integer, list, number, parallel } from '../options.ts'
import { type TrainOptions, trainOptions } from './train-options.ts'
import { refuseUnused } from './unused-options.ts'

export interface ExploreOptions extends Omit<TrainOptions, 'grow' | 'metric'> {
  readonly metric?: string
  readonly grow: readonly string[]
  readonly ops: readonly GrowthOperation[]
  readonly factors: readonly number[]
  readonly randomShare: number
  readonly against: readonly Cost[]
  readonly limit?: Limits
  readonly budget?: number
  readonly trials?: number
  readonly steps?: number
  readonly rungSteps: number
  readonly rungFactor: number
  readonly rungs?: number
  readonly jobs?: number
  readonly follow?: string
  readonly queue?: string
  readonly queueName?: string
  readonly commonFolder?: true
}

/** Options of `train` that mean the same here. */
const shared = [
  'data',
  'target',
  'columns',
  'categories',
  'encoding',
  'missing',
  'standardize',
  'text',
  'tokens',
  'length',
  'stride',
  'fit',
  'normalize',
  'layout',
  'validation',
  'loss',
  'optimizer',
  'learningRate',
  'momentum',
  'weightDecay',
  'decayOnly',
  'nesterov',
  'rate',
  'clipNorm',
  'labelSmoothing',
  'classWeights',
  'ignoreLabel',
  'freeze',
  'trainOnly',
  'classAxis',
  'batchSize',
  'device',
  'seed',
] as const satisfies readonly (keyof TrainOptions)[]

export function exploreOptions(command: Command): Command {
  command.argument('<model>', 'an ONNX file: the network that the exploration begins with')
  const ofTrain = trainOptions(command.createCommand('train')).options
  const isShared = (name: string) => shared.some((one) => one === name)
  for (const option of ofTrain) if (isShared(option.attributeName())) command.addOption(option)
  return command
    .optionsGroup(headings.loss)
    .option('--metric <name>', 'compare networks by this metric instead of the validation loss')
    .optionsGroup(headings.exploration)
    .addOption(
      new Option('--against <costs>', 'what quality is weighed against: see below')
        .argParser(costNames)
        .default(['parameters'], 'parameters'),
    )
    .option(
      '--limit <cost=value>',
      'no network may cost more: parameters=2M, latency=5ms, size=10MB; may be repeated',
      limit,
    )
    .option('--budget <time>', 'how long to explore: 90s, 30m, 2h', duration)
    .option('--trials <n>', 'how many networks, the first one included', integer(1))
    .option('--steps <n>', 'how many training steps, of all networks together', integer(1))
    .addOption(
      new Option('--grow <patterns>', 'layers that may grow: conv*,fc1')
        .argParser(list)
        .default(['*'], 'all'),
    )
    .addOption(
      new Option('--ops <names>', `ways to grow: ${growthOperations.join(',')}`)
        .argParser(operations)
        .default(growthOperations, 'all'),
    )
    .addOption(
      new Option('--factors <numbers>', 'by which a widening multiplies widths')
        .argParser(factors)
        .default([1.25, 1.5, 2], '1.25,1.5,2'),
    )
    .option(
      '--random-share <x>',
      'share of growths chosen at random instead of by the gain expected of them',
      number(0),
      0.25,
    )
    .option('--rung-steps <n>', 'training steps of the first rung', integer(1), 200)
    .option(
      '--rung-factor <x>',
      'the best 1/x of a rung go on, to a rung x times as long',
      number(1),
      3,
    )
    .option('--rungs <n>', 'how many rungs there are at most (default: no end)', integer(1))
    .option(
      '--follow <dir>',
      "take every decision in the order of this exploration's journal: the same networks again",
    )
    .option('--resume', 'go on with the exploration in the output folder')
    .optionsGroup(headings.training)
    .option('--jobs <n>', 'networks that train at a time (default: cores / threads)', parallel)
    .option('--threads <n>', 'threads of a network; they may decide the last bits', parallel, 1)
    .option('--queue <url>', 'give the networks to workers over Redis: redis://HOST:PORT')
    .option('--queue-name <name>', 'the queue, where workers listen to several')
    .option('--common-folder', 'the workers see the output folder (net2net worker --folder)')
    .optionsGroup(headings.output)
    .option('-o, --output <dir>', 'folder for networks, recipes, journal and report')
    .option('--force', 'replace the exploration in the output folder')
    .option('--json', 'print one JSON document')
    .addHelpText(
      'after',
      `${examples(
        'explore model.onnx --data fashion-mnist --budget 30m -o runs/explored',
        'explore model.onnx --data table.csv --loss mse --optimizer adam --trials 40 -o runs/table',
        'explore model.onnx --data mnist --limit parameters=2M --limit latency=5ms --against latency --budget 1h -o runs/fast',
        'explore model.onnx --data fashion-mnist --budget 1h -o runs/explored --resume',
      )}
Networks grow from the best ones so far and are trained from what their parents knew, in rungs: the best third of a rung
(by --rung-factor) trains on for three times as long, and where none may, another network grows, at the rung of its parent.
Growth is exact, so that a network begins with its parent's loss. Data as for net2net train; the learning rate is constant.

Prefer net2net train from scratch where the size is known and one network is wanted, above all a large one: an exploration
spends on small networks first. On small tables, too, compare with it: growth saves little where a larger network learns more from the same compute.

Costs: parameters, multiply-adds (of one sample), latency (of one sample in ONNX Runtime, on this machine), size (of the
file). Without a cost (--against none) the best network wins, however large.
`,
    )
}

function operations(text: string): readonly GrowthOperation[] {
  return list(text).map((name) => {
    const known = growthOperations.find((operation) => operation === name)
    if (known) return known
    throw new InvalidArgumentError(`They must be among ${growthOperations.join(', ')}.`)
  })
}

const factors = (text: string): readonly number[] =>
  list(text).map((part) => {
    const factor = number(1)(part.replace(/^[x×]/i, ''))
    if (factor > 1) return factor
    throw new InvalidArgumentError('A factor must be above 1.')
  })

/** The settings that decide an exploration, but for its network and data. @throws usage for options that do not go together */
export function settingsOf(
  options: ExploreOptions,
): Omit<ExplorationSettings, 'format' | 'model' | 'data'> {
  const { metric: _, grow: __, limit: ___, ...ofTrain } = options
  refuseUnused({ ...ofTrain, schedule: 'constant', warmUp: 0, epochs: 1, checkpointEvery: 1 })
  if (options.randomShare > 1) throw usageError('--random-share must be at most 1.')
  if (options.rungFactor <= 1) throw usageError('--rung-factor must be above 1.')
  const { learningRate, momentum, weightDecay, decayOnly, nesterov, rate, clipNorm } = options
  const { labelSmoothing, classWeights, ignoreLabel, freeze, trainOnly, classAxis } = options
  const voluntary = {
    learningRate,
    momentum,
    weightDecay,
    decayOnly,
    nesterov,
    rate,
    clipNorm,
    labelSmoothing,
    classWeights,
    ignoreLabel,
    freeze,
    trainOnly,
    classAxis,
  }
  const { loss, optimizer, batchSize, device, threads = 1, metric } = options
  const { seed, rungSteps, rungFactor, rungs, randomShare, against } = options
  const plain: unknown = JSON.parse(
    JSON.stringify({
      training: { loss, optimizer, ...voluntary, batchSize, device, threads },
      seed,
      rungs: { steps: rungSteps, factor: rungFactor, most: rungs },
      randomShare,
      objectives: { metric, against, limits: options.limit ?? {} },
      growth: { layers: options.grow, operations: options.ops, factors: options.factors },
    }),
  )
  const { success, data, error } = chosenSettings.safeParse(plain)
  if (success) return data
  const [issue] = error.issues
  throw usageError(`${issue!.path.join('.')} ${schemaMessage(issue!)}.`)
}

const chosenSettings = explorationSettings.omit({ format: true, model: true, data: true })
