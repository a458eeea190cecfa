/** net2net hf: folders of Hugging Face's transformers, grown by plans on an export of the same network. */
import type { Command } from 'commander'
import { type Comparison, compare, describePlan, load, Net2NetError, planWiden } from 'net2net'
import type { ConfigChange, WantedSizes } from 'net2net/bridges'
import { readWhole } from 'net2net/files'
import { inputError, usageError } from '../../errors.ts'
import { type CliCommand, examples, type Io, printResult } from '../command.ts'
import { mustFitIntoMemory, worst } from '../grow-model.ts'
import { interruptible } from '../interruptible.ts'
import { list, seed } from '../options.ts'
import { grouped, table } from '../table.ts'
import { comparisonText, readInputs } from './check.ts'
import { parseWidths } from './widen.ts'

interface Options extends WantedSizes {
  readonly output?: string
  readonly onnx?: string
  readonly layers?: number
  readonly repeat?: readonly string[]
  readonly untie?: true
  readonly mapping?: string
  readonly seed: number
  readonly inputs?: string
  readonly dryRun?: true
  readonly force?: true
  readonly json?: true
}

export const hf: CliCommand = {
  configure(command: Command, io: Io) {
    command
      .argument('<folder>', 'a folder that save_pretrained of transformers wrote')
      .argument('[layer=width...]', 'layers of the export and their new widths, instead of sizes')
      .option('-o, --output <folder>', 'the folder to write')
      .option('--onnx <file>', 'an export of the same network, on which the growth is planned')
      .option('--ffn <size>', 'width of the feed-forwards: a number, or a factor as x2')
      .option('--heads <number>', 'number of attention heads: a number, or a factor as x2')
      .option('--hidden <size>', 'width of the residual stream: a number, or a factor as x2')
      .option(
        '--layers <+n>',
        'so many layers more behind the last one, which add nothing yet',
        added,
      )
      .option('--repeat <a,b>', 'one layer more behind each of these: h.3', list)
      .option('--untie', 'let tied embeddings become two tensors')
      .option('--mapping <file>', 'architectures that net2net does not know (.json, .yaml)')
      .option('--seed <n>', 'seed of maps and noise', seed, 0)
      .option('--inputs <file>', 'check on these inputs (.npz) instead of random ones')
      .option('--dry-run', 'print the plan, write nothing')
      .option('--force', 'replace files that exist')
      .option('--json', 'print one JSON document')
      .addHelpText(
        'after',
        `${examples(
          'hf gpt2 --onnx gpt2.onnx --ffn x2 -o gpt2-wide',
          'hf llama --onnx llama.onnx --hidden x2 --ffn x2 -o llama-wide',
          'hf gpt2 --onnx gpt2.onnx --hidden x2 --heads x2 --untie -o gpt2-large',
          'hf llama --layers +2 -o llama-deep',
        )}
The new folder has config.json with the new sizes, the weights as safetensors, and copies of the
tokenizer's and the other small files; from_pretrained opens it. One number in config.json holds for
all layers, so that all of a kind grow.`,
      )
      .action((folder: string, pairs: readonly string[], options: Options) =>
        run(io, folder, pairs, options),
      )
  },
}

/** `+2` */
function added(text: string): number {
  if (/^\+?[1-9]\d{0,3}$/.test(text)) return Number(text)
  throw usageError(`--layers says how many more there shall be, as in --layers +2, not "${text}".`)
}

async function run(
  io: Io,
  folder: string,
  pairs: readonly string[],
  options: Options,
): Promise<void> {
  const { output, layers, repeat, untie, force, onnx } = options
  if (output === undefined && !options.dryRun)
    throw usageError('Where to? Give the folder to write with -o, or --dry-run.')
  const { ffn, heads, hidden } = options
  const hasSizes = ffn !== undefined || heads !== undefined || hidden !== undefined
  if (hasSizes && pairs.length > 0)
    throw usageError('Sizes (--ffn, --heads, --hidden) and single layers are not given together.')
  const isWider = hasSizes || pairs.length > 0
  const isDeeper = layers !== undefined || repeat !== undefined
  if (!isWider && !isDeeper)
    throw usageError('Nothing to grow was given: --ffn, --heads, --hidden, --layers or --repeat.')
  if (isWider && onnx === undefined)
    throw usageError(
      'On what shall the growth be planned? Give an export of the network: --onnx FILE.',
    )
  const mapping = options.mapping === undefined ? {} : await readMapping(options.mapping)
  const { openHuggingFace } = await import('net2net/bridges')
  using opened = openHuggingFace(folder, mapping)
  using model = onnx === undefined ? undefined : await interruptible(io.signal, () => load(onnx))
  const onMemory = (bytes: number) => mustFitIntoMemory(io, bytes)
  const context = { seed: options.seed, onMemory }
  const plan =
    isWider && model
      ? hasSizes
        ? opened.plan(model, { ffn, heads, hidden }, context)
        : planWiden(model, parseWidths(pairs), context)
      : undefined
  const grown = opened.grow({ model, plan, layers: { last: layers, repeat }, untie })
  const parameters = {
    before: countElements(opened.entries.values()),
    after: countElements(grown.entries.values()),
  }
  const text = [
    plan ? describePlan(plan).join('\n') : '',
    changesText(grown.changes),
    layersText(grown.added),
    `Parameters: ${grouped(parameters.before)} → ${grouped(parameters.after)} (× ${(parameters.after / parameters.before).toFixed(2)})`,
  ].filter((part) => part !== '')
  const facts = {
    plan,
    config: grown.changes,
    layers: Object.fromEntries(grown.added),
    parameters,
  }
  if (options.dryRun || output === undefined) {
    printResult(io, options.json, facts, text.join('\n\n'))
    return
  }
  let check: Comparison | undefined
  if (model && grown.model && (plan || grown.hasLayers)) {
    const inputs =
      options.inputs === undefined ? {} : { inputs: [await readInputs(options.inputs)] }
    check = await compare(model, grown.model, { signal: io.signal, ...inputs })
    if (check.equal === false)
      throw new Net2NetError(
        'difference',
        `The grown model does not compute what ${onnx} computes (${worst(check)}), so nothing was written.`,
      )
    text.push(comparisonText(check))
  }
  if (isDeeper && !grown.hasLayers)
    text.push(
      `The new layers end in zeros, so that they add nothing. No model with them was run here: ${
        model ? 'their blocks in the export cannot be repeated' : 'there is no export (--onnx)'
      }.`,
    )
  const files = await grown.save(output, { force, signal: io.signal })
  printResult(
    io,
    options.json,
    { ...facts, check, files },
    [...text, `Written: ${output} (${files.join(', ')})`].join('\n\n'),
  )
}

async function readMapping(file: string) {
  const text = new TextDecoder().decode(await readWhole(file))
  const { parseLocated } = await import('net2net/recipe')
  const { value, problems } = parseLocated(text)
  const [problem] = problems
  if (problem)
    throw inputError(`${file}:${problem.line}:${problem.column}: ${problem.message}`, {
      where: file,
    })
  return { mapping: value, mappingName: file }
}

const countElements = (tensors: Iterable<{ readonly dims: readonly number[] }>): number =>
  [...tensors].reduce((sum, { dims }) => sum + dims.reduce((a, b) => a * b, 1), 0)

function changesText(changes: readonly ConfigChange[]): string {
  const short = (value: unknown) => {
    if (Array.isArray(value)) return `${value.length} items`
    return typeof value === 'string' ? value : JSON.stringify(value)
  }
  return table(
    ['config.json', 'before', 'after'],
    changes.map(({ field, before, after }) => [field, short(before ?? 'not set'), short(after)]),
  )
}

const layersText = (added: ReadonlyMap<string, string>): string =>
  added.size === 0
    ? ''
    : table(
        ['new layer', 'a copy of'],
        [...added].map(([name, origin]) => [name, origin]),
      )
