/** What widen, deepen and grow share: print the plan, prove the result, write it. */
import { existsSync } from 'node:fs'
import type { Command } from 'commander'
import { Net2NetError, usageError } from '../errors.ts'
import { applyPlan, type GrowthPlan, inspect } from '../growth/index.ts'
import type { Model } from '../model/model.ts'
import { load, save } from '../onnx/file.ts'
import { compare } from '../runtime/compare.ts'
import type { Comparison } from '../runtime/comparison.ts'
import { comparisonText, readInputs } from './check.ts'
import { type Io, printResult } from './command.ts'
import { seed } from './options.ts'
import { table } from './table.ts'

export interface GrowthOptions {
  readonly output?: string
  readonly seed: number
  readonly inputs?: string
  readonly dryRun?: true
  readonly force?: true
  readonly json?: true
}

/** The options that every growing command has. */
export const growthOptions = (command: Command): Command =>
  command
    .option('-o, --output <file>', 'the ONNX file to write')
    .option('--seed <n>', 'seed of maps, noise and random weights', seed, 0)
    .option('--inputs <file>', 'check on these inputs (.npz) instead of random ones')
    .option('--dry-run', 'print the plan, write nothing')
    .option('--force', 'replace the output file if it exists')
    .option('--json', 'print one JSON document')

export interface Growth {
  readonly input: string
  readonly options: GrowthOptions
  readonly plan: (model: Model) => GrowthPlan
  /** Whether the function must stay; false for the random baselines and the paper's noise. */
  readonly exact: boolean
}

/**
 * Plans, applies, compares with the input model in ONNX Runtime, and only then writes.
 *
 * @throws difference, with nothing written, where growth that should be exact is not
 */
export async function growModel(io: Io, { input, options, plan: planned, exact }: Growth) {
  const { output, force = false, json } = options
  if (output === undefined && !options.dryRun)
    throw usageError('Where to? Give the file to write with -o, or --dry-run.')
  if (output !== undefined && !options.dryRun && !force && existsSync(output))
    throw usageError(`${output} exists already; give another name, or replace it with --force.`, {
      where: output,
    })
  const model = await load(input)
  const plan = planned(model)
  const student = applyPlan(model, plan)
  const parameters = { before: inspect(model).parameters, after: inspect(student).parameters }
  if (options.dryRun || output === undefined) {
    printResult(io, json, { plan, parameters }, planText(plan, parameters))
    return
  }
  const inputs = options.inputs === undefined ? undefined : [await readInputs(options.inputs)]
  const check = await compare(model, student, { signal: io.signal, ...(inputs ? { inputs } : {}) })
  if (exact && !check.equal)
    throw new Net2NetError(
      'difference',
      `The grown model does not compute what ${input} computes (${worst(check)}), so nothing was written.`,
    )
  io.signal.throwIfAborted()
  await save(student, output, { force, signal: io.signal })
  printResult(
    io,
    json,
    { plan, parameters, check },
    [
      planText(plan, parameters),
      '',
      exact
        ? comparisonText(check)
        : `${comparisonText(check)}\nThis initialization does not keep the function, on purpose.`,
      `Written: ${output}`,
    ].join('\n'),
  )
}

const worst = ({ outputs }: Comparison): string =>
  outputs
    .map(
      ({ name, maxAbs, problem }) => `${name}: ${problem ?? `max |Δ| ${maxAbs.toExponential(2)}`}`,
    )
    .join(', ')

/** Widths, inserted layers and parameters, before and after. */
export function planText(
  plan: GrowthPlan,
  parameters: { readonly before: number; readonly after: number },
): string {
  const parts: string[] = []
  if (plan.units.length > 0)
    parts.push(
      table(
        ['units of', 'from', 'to', 'initialization'],
        plan.units.map(({ members, from, to, init }) => [members.join(', '), from, to, init]),
      ),
    )
  if (plan.insertions.length > 0)
    parts.push(
      table(
        ['new layer', 'after', 'nodes', 'initialization'],
        plan.insertions.map(({ name, after, layer, init }) => [
          name,
          after,
          layer.nodes.map((node) => node.opType).join(' + '),
          init,
        ]),
      ),
    )
  if (plan.parameters.length > 0)
    parts.push(
      table(
        ['parameter', 'before', 'after', ''],
        plan.parameters.map(({ name, to, before, after }) => [
          to,
          before.join('×'),
          after.join('×'),
          name === to ? '' : `a copy of ${name}`,
        ]),
      ),
    )
  const { before, after } = parameters
  parts.push(
    `Parameters: ${before.toLocaleString('en')} → ${after.toLocaleString('en')} (× ${(after / before).toFixed(2)})`,
  )
  return parts.join('\n\n')
}
