/** What widen, deepen and grow share: print the plan, prove the result, write it. */

import { freemem } from 'node:os'
import { getHeapStatistics } from 'node:v8'
import type { Command } from 'commander'
import {
  type Comparison,
  compare,
  countMultiplyAdds,
  countParameters,
  type GrowthPlan,
  load,
  type Model,
  Net2NetError,
  type PlanningContext,
  stage,
} from 'net2net'
import { refuseExisting } from 'net2net/files'
import { usageError } from '../errors.ts'
import { type Io, printResult } from './command.ts'
import { comparisonText, readInputs } from './commands/check.ts'
import { interruptible } from './interruptible.ts'
import { seed } from './options.ts'
import { type Progress, progress, type Task } from './progress.ts'
import { grouped, table } from './table.ts'

export interface GrowthOptions {
  readonly output?: string
  readonly seed: number
  readonly inputs?: string
  readonly dryRun?: true
  readonly externalData?: true
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
    .option('--external-data', 'write the weights to a file of their own (automatic above 2 GiB)')
    .option('--force', 'replace the output file if it exists')
    .option('--json', 'print one JSON document')

export interface Growth {
  readonly input: string
  readonly options: GrowthOptions
  readonly grow: (
    model: Model,
    context: PlanningContext,
  ) => { readonly plans: readonly GrowthPlan[]; readonly model: Model }
  /** Whether the function must stay; false for the random baselines and the paper's noise. */
  readonly exact: boolean
  /** Files that appear together with the model: their names are known before it is grown. */
  readonly beside?: {
    readonly names: readonly string[]
    readonly contents: () => ReadonlyMap<string, string>
  }
}

/**
 * Plans, applies, writes under a temporary name, compares what is written with the input model in
 * ONNX Runtime, and only then gives it its name.
 *
 * @throws difference, with nothing left behind, where growth that should be exact is not
 */
export async function growModel(io: Io, growth: Growth): Promise<void> {
  const { input, options, exact, beside } = growth
  const { output, force, externalData, json } = options
  if (output === undefined && !options.dryRun)
    throw usageError('Where to? Give the file to write with -o, or --dry-run.')
  if (output !== undefined && !options.dryRun)
    for (const file of [output, ...(beside?.names ?? [])]) await refuseExisting(file, force)
  const model = await interruptible(io.signal, () => load(input))
  const onMemory = (bytes: number) => mustFitIntoMemory(io, bytes)
  const { plans, model: student } = await interruptible(io.signal, () =>
    growth.grow(model, { onMemory }),
  )
  // A recipe has several plans, in the order of its steps.
  const plan = plans.length === 1 ? plans[0] : plans
  const parameters = { before: countParameters(model), after: countParameters(student) }
  const text = [...plans.map(planText), sizesText(model, student)].join('\n\n')
  if (options.dryRun || output === undefined) {
    printResult(io, json, { plan, parameters }, text)
    return
  }
  const inputs = options.inputs === undefined ? {} : { inputs: [await readInputs(options.inputs)] }
  const { signal } = io
  const view = progress(io)
  const show = sharesOf(view, 'Writing and checking')
  const staged = await stage(student, output, {
    force,
    externalData,
    beside: beside?.contents(),
    signal,
    onProgress: (bytes, total) => show({ written: bytes / total }),
  })
  let check: Comparison
  try {
    const onProgress = (checked: number) => show({ checked })
    check = await compare(model, staged.model, { signal, onProgress, ...inputs })
    if (exact && check.equal === false)
      throw new Net2NetError(
        'difference',
        `The grown model does not compute what ${input} computes (${worst(check)}), so nothing was written.`,
      )
    await staged.publish()
  } finally {
    await staged.discard()
    view.stop()
  }
  const note = exact ? '' : '\nThis initialization does not keep the function, on purpose.'
  const written = [output, ...(beside?.names ?? [])].join(' and ')
  printResult(
    io,
    json,
    { plan, parameters, check },
    `${text}\n\n${comparisonText(check)}${note}\nWritten: ${written}`,
  )
}

/** Less than this is taken without a word. */
const MUCH_MEMORY = 2 ** 28

/** Says how much memory planning will take, or that there is not so much. */
function mustFitIntoMemory(io: Io, bytes: number): void {
  if (bytes < MUCH_MEMORY) return
  const { heap_size_limit: limit, used_heap_size: used } = getHeapStatistics()
  const available = Math.min(limit - used, freemem())
  const size = (value: number) => `${(value / 1e9).toFixed(1)} GB`
  if (bytes > available)
    throw usageError(
      `Planning this growth takes about ${size(bytes)} of memory, and ${size(available)} may be used here.`,
      {
        hint: 'Give smaller widths, or allow Node more: NODE_OPTIONS=--max-old-space-size=MEGABYTES.',
      },
    )
  io.err(`Planning takes about ${size(bytes)} of memory.\n`)
}

/** Shows how much of both is done, which overlap, if they take more than a moment. */
function sharesOf(view: Progress, title: string) {
  const start = performance.now()
  const shares = { written: 0, checked: 0 }
  let task: Task | undefined
  return (news: Partial<typeof shares>): void => {
    Object.assign(shares, news)
    if (!task && performance.now() - start < 500) return
    task ??= view.task(title, 100)
    task.update(Math.floor(50 * (shares.written + shares.checked)))
  }
}

const worst = ({ outputs }: Comparison): string =>
  outputs
    .map(
      ({ name, maxAbs, problem }) => `${name}: ${problem ?? `max |Δ| ${maxAbs.toExponential(2)}`}`,
    )
    .join(', ')

/** Widths, inserted layers and the shapes of parameters, before and after. */
function planText(plan: GrowthPlan): string {
  const parts: string[] = []
  if (plan.units.length > 0)
    parts.push(
      table(
        ['units of', 'from', 'to', 'initialization'],
        plan.units.map(({ members, from, to, init }) => [members.join(', '), from, to, init]),
      ),
    )
  if (plan.inserted.length > 0)
    parts.push(
      table(
        ['new layer', 'after', 'nodes', 'initialization'],
        plan.inserted.map(({ name, after, layer, init }) => [
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
  return parts.join('\n\n')
}

function sizesText(before: Model, after: Model): string {
  const line = (what: string, a: number | null, b: number | null) =>
    a === null || b === null || a === 0
      ? []
      : [`${what}: ${grouped(a)} → ${grouped(b)} (× ${(b / a).toFixed(2)})`]
  return [
    ...line('Parameters', countParameters(before), countParameters(after)),
    ...line('Multiply-adds per sample', countMultiplyAdds(before), countMultiplyAdds(after)),
  ].join('\n')
}
