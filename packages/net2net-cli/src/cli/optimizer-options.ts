/** Options of the optimizer, and of which parameters it changes. */
import { type Command, InvalidArgumentError, Option } from 'commander'
import {
  accumulated,
  adafactor,
  adagrad,
  adam,
  adamw,
  averaged,
  type LearningRate,
  lion,
  muon,
  type Optimizer,
  rmsprop,
  sgd,
} from 'net2net/training'
import { integer, list, number } from './options.ts'
import { scheduleOf } from './schedule.ts'

export interface OptimizerOptions {
  readonly optimizer: keyof typeof kinds
  readonly learningRate?: number
  readonly schedule: string
  readonly warmUp: number
  readonly momentum?: number
  readonly nesterov?: true
  readonly momentumRule?: 'keras' | 'pytorch'
  readonly weightDecay?: number
  /** `true` for those with at least two axes. */
  readonly decayOnly?: readonly string[] | true
  readonly rate?: Readonly<Record<string, number>>
  readonly clipNorm?: number
  readonly accumulate?: number
  readonly ema?: number
  readonly freeze?: readonly string[]
  readonly trainOnly?: readonly string[]
}

export const optimizerOptions = (command: Command): Command =>
  command
    .addOption(new Option('--optimizer <name>').choices(Object.keys(kinds)).default('sgd'))
    .option(
      '--learning-rate <x>',
      'default: 0.001 for adam, adamw and muon, 0.0001 for lion, 0.01 for the others',
      number(0),
    )
    .option('--schedule <name>', 'of the learning rate: see below', 'constant')
    .option('--warm-up <steps>', 'steps over which the learning rate rises from 0', integer(0), 0)
    .option('--momentum <x>', 'for sgd (default 0.9), rmsprop (0) and muon (0.95)', number(0))
    .option('--nesterov', "Nesterov's momentum, for sgd")
    .addOption(
      new Option(
        '--momentum-rule <name>',
        'for sgd: whether velocity holds the learning rate (keras) or not; they differ where it changes',
      ).choices(['keras', 'pytorch']),
    )
    .option(
      '--weight-decay <x>',
      'default: 0.01 for adamw, 0.1 for muon, 0 for the others',
      number(0),
    )
    .option(
      '--decay-only [patterns]',
      'weight decay for these alone: fc*; without patterns, for all but biases and norms',
      list,
    )
    .option(
      '--rate <pattern=factor>',
      'factor on the learning rate of some parameters or layers: conv*=0.1; of the units that growth added: new=1, old=0.1; may be repeated',
      rates,
    )
    .option('--clip-norm <x>', 'scale gradients to this norm at most', number(0))
    .option('--accumulate <n>', 'batches whose gradients make one update', integer(1))
    .option('--ema <decay>', 'also average the weights, into averaged.onnx: 0.999', number(0))
    .option('--freeze <patterns>', 'parameters or layers that stay as they are: conv1,fc*', list)
    .option(
      '--train-only <patterns>',
      'parameters, layers or other constants that are trained, and nothing else: head*',
      list,
    )

/** What makes an optimizer: its options, and the learning rate over time. */
type Settings = Omit<OptimizerOptions, 'learningRate'> & { readonly learningRate: LearningRate }

const kinds = {
  sgd: {
    rate: 0.01,
    make: ({
      learningRate,
      momentum = 0.9,
      weightDecay = 0,
      nesterov,
      momentumRule: rule,
    }: Settings) => sgd({ learningRate, momentum, weightDecay, nesterov: nesterov === true, rule }),
  },
  adam: {
    rate: 0.001,
    make: ({ learningRate, weightDecay = 0 }: Settings) => adam({ learningRate, weightDecay }),
  },
  adamw: {
    rate: 0.001,
    make: ({ learningRate, weightDecay = 0.01 }: Settings) => adamw({ learningRate, weightDecay }),
  },
  rmsprop: {
    rate: 0.01,
    make: ({ learningRate, momentum, weightDecay }: Settings) =>
      rmsprop({ learningRate, momentum, weightDecay }),
  },
  lion: {
    rate: 0.0001,
    make: ({ learningRate, weightDecay }: Settings) => lion({ learningRate, weightDecay }),
  },
  adagrad: {
    rate: 0.01,
    make: ({ learningRate, weightDecay }: Settings) => adagrad({ learningRate, weightDecay }),
  },
  adafactor: {
    rate: 0.01,
    make: ({ learningRate, weightDecay }: Settings) => adafactor({ learningRate, weightDecay }),
  },
  muon: {
    rate: 0.001,
    make: ({ learningRate, momentum, weightDecay }: Settings) =>
      muon({ learningRate, momentum, weightDecay }),
  },
} satisfies Record<string, { readonly rate: number; make(settings: Settings): Optimizer }>

/** The optimizer with its learning rate over `epochs`. @throws usage for a schedule that there is not */
export function optimizerOf(options: OptimizerOptions & { readonly epochs: number }): Optimizer {
  const { rate, make } = kinds[options.optimizer]
  const learningRate = scheduleOf(options.schedule, {
    rate: options.learningRate ?? rate,
    epochs: options.epochs,
    warmUpSteps: options.warmUp,
  })
  const optimizer = make({ ...options, learningRate })
  const { ema, accumulate } = options
  const averaging = ema === undefined ? optimizer : averaged(optimizer, ema)
  return accumulate === undefined ? averaging : accumulated(averaging, accumulate)
}

/** `conv*=0.1,fc1=2`, after those that were given before. */
function rates(
  text: string,
  before: Readonly<Record<string, number>> = {},
): Readonly<Record<string, number>> {
  const given = list(text).map((part) => {
    const at = part.lastIndexOf('=')
    if (at < 1) throw new InvalidArgumentError('It must be a name or pattern, = and a factor.')
    return [part.slice(0, at), number(0)(part.slice(at + 1))] as const
  })
  return { ...before, ...Object.fromEntries(given) }
}
