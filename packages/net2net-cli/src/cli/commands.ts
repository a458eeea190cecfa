/** The commands of net2net, and its general help: a start that asks for no more loads no more. */
import type { CliCommand } from './command.ts'

interface Entry {
  readonly name: string
  readonly summary: string
  readonly load: () => Promise<CliCommand>
}

export const commands: readonly Entry[] = [
  {
    name: 'mnist',
    summary: 'run the Net2Net experiments on MNIST: teacher, wider and deeper students',
    load: async () => (await import('./commands/mnist.ts')).mnist,
  },
  {
    name: 'inspect',
    summary: 'show the layers of a model, and what can be widened or deepened',
    load: async () => (await import('./commands/inspect.ts')).inspect,
  },
  {
    name: 'rank',
    summary: 'say which growth pays: what each would lower the loss, per parameter',
    load: async () => (await import('./commands/rank.ts')).rank,
  },
  {
    name: 'widen',
    summary: 'give layers more units without changing what the model computes',
    load: async () => (await import('./commands/widen.ts')).widen,
  },
  {
    name: 'deepen',
    summary: 'add layers without changing what the model computes',
    load: async () => (await import('./commands/deepen.ts')).deepen,
  },
  {
    name: 'extend',
    summary: 'add classes, tokens, positions or input channels; the old ones stay',
    load: async () => (await import('./commands/extend.ts')).extend,
  },
  {
    name: 'grow',
    summary: 'grow a model by a recipe of steps',
    load: async () => (await import('./commands/grow.ts')).grow,
  },
  {
    name: 'shrink',
    summary: 'take away units and layers that a model does not need for what it computes',
    load: async () => (await import('./commands/shrink.ts')).shrink,
  },
  {
    name: 'lora',
    summary: 'put low-rank adapters beside weights: train trains them alone',
    load: async () => (await import('./commands/lora.ts')).lora,
  },
  {
    name: 'merge',
    summary: 'make low-rank adapters part of the weights',
    load: async () => (await import('./commands/merge.ts')).merge,
  },
  {
    name: 'check',
    summary: 'compare two models: do they compute the same function?',
    load: async () => (await import('./commands/check.ts')).check,
  },
  {
    name: 'convert',
    summary: 'write a network of Keras as an ONNX file',
    load: async () => (await import('./commands/convert.ts')).convert,
  },
  {
    name: 'hf',
    summary: 'grow a folder of Hugging Face transformers: config, weights and tokenizer files',
    load: async () => (await import('./commands/hf.ts')).hf,
  },
  {
    name: 'data',
    summary: 'look at data: shapes, ranges, classes, missing values, what they fit',
    load: async () => (await import('./commands/data.ts')).data,
  },
  {
    name: 'train',
    summary: 'train a model on a data set, with checkpoints',
    load: async () => (await import('./commands/train.ts')).train,
  },
  {
    name: 'explore',
    summary: 'grow a model in many directions, and keep the best network of every size',
    load: async () => (await import('./commands/explore.ts')).explore,
  },
  {
    name: 'evaluate',
    summary: 'measure a model on data: loss, metrics with intervals, each class',
    load: async () => (await import('./commands/evaluate.ts')).evaluate,
  },
  {
    name: 'predict',
    summary: 'write what a model says of data: classes with probabilities, or values',
    load: async () => (await import('./commands/predict.ts')).predict,
  },
  {
    name: 'sweep',
    summary: 'run many trials with many seeds, on this machine or on many',
    load: async () => (await import('./commands/sweep.ts')).sweep,
  },
  {
    name: 'worker',
    summary: 'train what sweeps and explorations put into a queue',
    load: async () => (await import('./commands/worker.ts')).worker,
  },
  {
    name: 'report',
    summary: 'show runs as one self-contained page: table, curves, networks',
    load: async () => (await import('./commands/report.ts')).report,
  },
  {
    name: 'serve',
    summary: 'open the page where networks grow and train, on this machine only',
    load: async () => (await import('./commands/serve.ts')).serve,
  },
]

export const description = 'Grow trained neural networks (ONNX) without losing what they know.'

/** What `net2net --help` prints. */
export const generalHelp = (): string => `Usage: net2net [options] [command]

${description}

Options:
  -V, --version   output the version number
  -h, --help      display help for command

Commands:
${commands.map(({ name, summary }) => entry(name, summary)).join('\n')}
${entry('help [command]', 'display help for command')}

Run "net2net COMMAND --help" for the options of a command, with examples.
Exit codes: 0 done, 1 difference or failure, 2 usage, 3 refused, 4 bad input,
130 and 143 interrupted.
`

/** A name and what is said of it, in lines of at most 80 characters. */
function entry(name: string, summary: string): string {
  const lines = ['']
  for (const word of summary.split(' ')) {
    const line = `${lines.at(-1)} ${word}`.trimStart()
    if (line.length > 80 - column) lines.push(word)
    else lines[lines.length - 1] = line
  }
  return `  ${name}`.padEnd(column) + lines.join(`\n${' '.repeat(column)}`)
}

/** Where the summaries begin. */
const column = 18
