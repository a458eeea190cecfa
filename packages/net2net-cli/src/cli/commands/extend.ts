/** net2net extend: new entries of outputs, inputs, vocabularies and position tables, behind the old ones; other sizes of inputs. */

import type { Command } from 'commander'
import type { ExtendOptions, Extension } from 'net2net'
import { usageError } from '../../errors.ts'
import { type CliCommand, examples, headings, type Io } from '../command.ts'
import { type GrowthOptions, growModel, growthOptions } from '../grow-model.ts'
import { list } from '../options.ts'

interface Options extends Omit<GrowthOptions, 'output'> {
  /** The file to write. */
  readonly o?: string
  readonly output?: readonly string[]
  readonly input?: readonly string[]
  readonly vocabulary?: readonly string[]
  readonly positions?: readonly string[]
  readonly size?: readonly string[]
  readonly start?: NonNullable<ExtendOptions['start']>
  readonly unlikely?: boolean
  readonly parameterNames?: readonly string[]
}

/** An option that may be given several times. */
const repeated = (value: string, before: readonly string[] = []): readonly string[] => [
  ...before,
  value,
]

export const extend: CliCommand = {
  configure(command: Command, io: Io) {
    growthOptions(
      command
        .argument('<model>', 'an ONNX file')
        .optionsGroup(headings.growth)
        .option('--output <name=+n>', 'classes or values more of an output', repeated)
        .option('--input <name=+n>', 'channels or features more of an input', repeated)
        .option('--vocabulary <+n>', 'tokens more: rows of the table, and logits', repeated)
        .option('--positions <+n>', 'positions more of a learned table', repeated)
        .option('--size <name=hxw>', 'other sizes of an input: no weight changes', repeated)
        .option(
          '--start <kind>',
          'how new entries start: zero, random, mean, or like:INDEX as an old one',
        )
        .option('--unlikely', 'start so low that a softmax gives the old entries what it gave')
        .option('--no-unlikely', 'start as --start says although the model has a softmax')
        .option(
          '--names <a,b>',
          'names of the new classes, where the model names its classes',
          list,
        ),
      { output: '-o', names: '--parameter-names' },
    )
      .addHelpText(
        'after',
        `${examples(
          'extend digits.onnx --output probabilities=+5 --names a,b,c,d,e -o more.onnx',
          'extend gpt.onnx --vocabulary +256 -o more.onnx',
          'extend unet.onnx --input image=+1 --output mask=+2 -o more.onnx',
          'extend bert.onnx --positions +512 --dry-run',
          'extend unet.onnx --size image=256x256 -o larger.onnx',
        )}
New entries lie behind the old ones, which compute what they did. --vocabulary and --positions take
the table's layer where there are several: wte=+256. Behind a softmax new classes start so unlikely
that the old probabilities stay. New channels are read with weights of zero, whatever they hold.
--size is a step of its own, checked at the old sizes, and run at the new ones.`,
      )
      .action((input: string, options: Options) => {
        const {
          o: file,
          output: _,
          seed,
          start,
          unlikely,
          names,
          parameterNames,
          ...others
        } = options
        const extension = extensionOf(options)
        return growModel(io, {
          input,
          options: {
            ...others,
            seed,
            ...(file !== undefined && { output: file }),
            ...(parameterNames && { names: parameterNames }),
          },
          steps: [
            {
              extend: extension,
              seed,
              ...(start !== undefined && { start }),
              ...(unlikely !== undefined && { unlikely }),
              ...(names && { classes: names }),
            },
          ],
        })
      })
  },
}

function extensionOf({ output, input, vocabulary, positions, size }: Options): Extension {
  return {
    ...(output && { outputs: byName('--output', output) }),
    ...(input && { inputs: byName('--input', input) }),
    ...(vocabulary && { vocabulary: oneOrByName('--vocabulary', vocabulary) }),
    ...(positions && { positions: oneOrByName('--positions', positions) }),
    ...(size && { sizes: byName('--size', size, 'HxW', 'image=256x256') }),
  }
}

/** `+256`, or `wte=+256` for each table. */
const oneOrByName = (option: string, given: readonly string[]) =>
  given.length === 1 && !given[0]!.includes('=') ? given[0]! : byName(option, given)

/** `logits=+5`; the name itself may hold further `=`. */
function byName(
  option: string,
  given: readonly string[],
  form = '+N',
  example = 'logits=+5',
): Record<string, string> {
  const found = new Map<string, string>()
  for (const text of given) {
    const at = text.lastIndexOf('=')
    if (at <= 0 || at === text.length - 1)
      throw usageError(
        `"${text}" is not NAME=${form}; write for example ${option} ${example}.`,
        option === '--output' ? { hint: 'The file to write is given with -o.' } : {},
      )
    const name = text.slice(0, at)
    if (found.has(name)) throw usageError(`${option} is given twice for ${name}.`)
    found.set(name, text.slice(at + 1))
  }
  return Object.fromEntries(found)
}
