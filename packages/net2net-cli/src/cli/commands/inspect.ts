/** net2net inspect: the layers of a model, and what can be grown. */

import type { Command } from 'commander'
import { inspect as inspectModel, load, whyNoLayers } from 'net2net'
import { type CliCommand, examples, type Io, printResult } from '../command.ts'
import { interruptible } from '../interruptible.ts'
import { grouped, table } from '../table.ts'

export const inspect: CliCommand = {
  configure(command: Command, io: Io) {
    command
      .argument('<model>', 'an ONNX file')
      .option('--json', 'print one JSON document')
      .addHelpText('after', examples('inspect model.onnx', 'inspect model.onnx --json'))
      .action(async (file: string, options: { readonly json?: true }) => {
        const model = await interruptible(io.signal, () => load(file))
        const report = await interruptible(io.signal, () => inspectModel(model))
        const sizes = `${sizesText(report)}\n\n`
        const layers = report.layers.length > 0 ? layersText(report) : whyNoLayers(model)
        const rest = attentionsText(report) + parametersText(report)
        printResult(io, options.json, report, sizes + layers + rest)
      })
  },
}

type Report = ReturnType<typeof inspectModel>

function sizesText({ inputs, outputs, parameters, opset, classes }: Report): string {
  const value = ({ name, dtype, shape }: Report['inputs'][number]) =>
    `${name} ${dtype ?? '?'}${shape ? ` [${shape.map((dim) => dim ?? '?').join(', ')}]` : ''}`
  return [
    `Inputs: ${inputs.map(value).join('; ')}`,
    `Outputs: ${outputs.map(value).join('; ')}`,
    `Parameters: ${grouped(parameters)}; operator set ${opset}`,
    ...(classes ? [`Classes: ${classes.join(', ')}`] : []),
  ].join('\n')
}

function layersText({ layers }: Report): string {
  const rows = layers.map(({ name, op, width, widen, deepen, group }) => [
    name,
    op,
    width ?? '?',
    widen === true ? 'yes' : 'no',
    deepen === true ? 'yes' : 'no',
    someOf(group.filter((member) => member !== name)),
  ])
  const reasons = layers.flatMap(({ name, widen, deepen }) => [
    ...(widen === true ? [] : [`${name} cannot be widened: ${widen}`]),
    ...(deepen === true ? [] : [`${name} cannot be deepened: ${deepen}`]),
  ])
  return [
    table(['layer', 'operator', 'width', 'widen', 'deepen', 'grows with'], rows),
    ...(reasons.length > 0 ? ['', ...reasons] : []),
  ].join('\n')
}

/** The steps of a recurrent network are layers of one group: all their names would hide the table. */
const MOST_NAMES = 8
const someOf = (names: readonly string[]): string =>
  names.length <= MOST_NAMES
    ? names.join(', ')
    : `${names.slice(0, MOST_NAMES - 1).join(', ')} and ${names.length - MOST_NAMES + 1} more`

function attentionsText({ attentions }: Report): string {
  if (attentions.length === 0) return ''
  const measures = {
    heads: 'heads',
    keyValueHeads: 'key-value-heads',
    headSize: 'head-size',
  } as const
  const keys = Object.keys(measures) as (keyof typeof measures)[]
  const rows = attentions.map((each) => [
    each.name,
    each.heads ?? '?',
    each.keyValueHeads ?? '?',
    each.headSize ?? '?',
    keys.flatMap((key) => (each.widen[key] === true ? [measures[key]] : [])).join(', '),
  ])
  const reasons = attentions.flatMap(({ name, widen }) =>
    keys.flatMap((key) =>
      widen[key] === true ? [] : [`${name}.${measures[key]} cannot be widened: ${widen[key]}`],
    ),
  )
  const head = ['attention', 'heads', 'of keys and values', 'head size', 'widen']
  return ['', '', table(head, rows), ...(reasons.length > 0 ? ['', ...reasons] : [])].join('\n')
}

function parametersText({ trainable, untrained }: Report): string {
  const rows = trainable.map(({ name, shape, readBy }) => [name, shape.join(' × '), someOf(readBy)])
  return [
    ...(rows.length > 0 ? ['', '', table(['parameter', 'shape', 'read by'], rows)] : []),
    ...(untrained.length > 0 ? [''] : []),
    ...untrained.map(({ name, reason }) => `${name} is not trained: ${reason}`),
  ].join('\n')
}
