/** What widen, deepen and grow share: print the plan, prove the result, write it. */

import { freemem } from 'node:os'
import { getHeapStatistics } from 'node:v8'
import type { Command } from 'commander'
import {
  type Comparison,
  countMultiplyAdds,
  countParameters,
  describePlan,
  type GrownModel,
  type GrowthPlan,
  type GrowthStep,
  grow,
  load,
  type Model,
  Net2NetError,
  type StagedModel,
  stage,
} from 'net2net'
import type { GrowStateOptions } from 'net2net/bridges'
import { type FileContent, refuseExisting } from 'net2net/files'
import { usageError } from '../errors.ts'
import { changesSizes, checkGrown } from './check-grown.ts'
import { headings, type Io, printResult } from './command.ts'
import { comparisonText, readInputs } from './commands/check.ts'
import { interruptible } from './interruptible.ts'
import { list, seed } from './options.ts'
import { type Progress, progress, type Task } from './progress.ts'
import { type SamplingOptions, samplingFor } from './sampling.ts'
import { grouped } from './table.ts'

export interface GrowthOptions {
  readonly output?: string
  readonly seed: number
  readonly inputs?: string
  readonly dryRun?: true
  readonly externalData?: true
  readonly force?: true
  readonly json?: true
  readonly weights?: string
  readonly optimizer?: string
  readonly names?: readonly string[]
  readonly untie?: true
  readonly weightsDiffer?: true
}

/** The options that every growing command has; where a command has its own --output and --names, under other names. */
export const growthOptions = (
  command: Command,
  { output = '-o, --output', names = '--names' } = {},
): Command =>
  command
    .optionsGroup(headings.growth)
    .option('--seed <n>', 'seed of maps, noise and random weights', seed, 0)
    .option('--untie', 'let a tensor that two layers share become two')
    .option('--inputs <file>', 'check on these inputs (.npz) instead of random ones')
    .optionsGroup(headings.grownAlong)
    .option('--weights <file>', 'grow this state dict of PyTorch along (.safetensors, .pt, .bin)')
    .option('--optimizer <file>', "grow this state of PyTorch's optimizer along (.pt)")
    .option(`${names} <a,b>`, "names of the parameters in the optimizer's order", list)
    .option('--weights-differ', 'take entries by their names although their numbers differ')
    .optionsGroup(headings.output)
    .option(`${output} <file>`, 'the file to write: .onnx, or .keras or .h5 from such a file')
    .option('--dry-run', 'print the plan, write nothing')
    .option('--external-data', 'write the weights to a file of their own (automatic above 2 GiB)')
    .option('--force', 'replace the output file if it exists')
    .option('--json', 'print one JSON document')

export interface Growth {
  readonly input: string
  readonly options: GrowthOptions
  readonly steps: readonly GrowthStep[]
  /** Of the steps that have none; default that of the options. */
  readonly seed?: number
  /** Data on which the model is measured, for what starts by the gradient. */
  readonly sampling?: SamplingOptions
  /** A file that appears together with the model. */
  readonly beside?: { readonly name: string; readonly content: (grown: GrownModel) => string }
}

/**
 * Whether a step keeps the function: the random baselines, the paper's noise, and classes that take probability from the
 * old ones do not.
 */
const isExact = (step: GrowthStep): boolean => {
  if ('widen' in step) return step.init !== 'random-pad' && step.noise !== 'paper'
  if ('extend' in step) return step.unlikely !== false
  return !('deepen' in step) || step.init !== 'random-init'
}

/**
 * Plans, applies, writes under a temporary name, compares what is written with the input model in
 * ONNX Runtime, and only then gives it its name.
 *
 * @throws difference, with nothing left behind, where growth that should be exact is not
 */
export async function growModel(io: Io, growth: Growth): Promise<void> {
  const { input, options, steps, seed = options.seed, beside } = growth
  const { output, force, externalData, json } = options
  const exact = steps.every(isExact)
  if (output === undefined && !options.dryRun)
    throw usageError('Where to? Give the file to write with -o, or --dry-run.')
  if (output !== undefined && !options.dryRun)
    for (const file of [output, ...(beside ? [beside.name] : [])]) await refuseExisting(file, force)
  const keras = output !== undefined && isKeras(output)
  if (keras) mustSuitKeras(input, output, options)
  using network = keras ? (await import('net2net/bridges')).openKeras(input) : undefined
  const model = network?.model ?? (await interruptible(io.signal, () => load(input)))
  const onMemory = (bytes: number) => mustFitIntoMemory(io, bytes)
  const spec = growth.sampling?.data
  const grown =
    growth.sampling && spec !== undefined
      ? await growSampled(io, model, { ...growth, sampling: growth.sampling }, spec, seed)
      : await interruptible(io.signal, () => grow(model, steps, { seed, onMemory }))
  const { plans, model: student, parameters } = grown
  // A recipe has several plans, in the order of its steps.
  const plan = plans.length === 1 ? plans[0] : plans
  const planTexts = plans.map((plan) => describePlan(plan).join('\n') || 'Nothing changes.')
  const text = [...planTexts, sizesText(model, student)].join('\n\n')
  if (options.dryRun || output === undefined) {
    printResult(io, json, { plan, parameters }, text)
    return
  }
  const inputs = options.inputs === undefined ? {} : { inputs: [await readInputs(options.inputs)] }
  const { signal } = io
  const view = progress(io)
  const show = sharesOf(view, 'Writing and checking')
  const state = await stateBeside(model, plans, output, options)
  for (const file of state.keys()) await refuseExisting(file, force)
  const others = new Map([
    ...(beside ? [[beside.name, beside.content(grown)] as const] : []),
    ...state,
  ])
  const staged = network
    ? await network.grow(plans).stage(output, { force, beside: others })
    : await stage(student, output, {
        force,
        externalData,
        beside: others,
        signal,
        onProgress: (bytes, total) => show({ written: bytes / total }),
      })
  let check: Comparison
  try {
    const onProgress = (checked: number) => show({ checked })
    check = await checkGrown(model, plans, staged.model, { signal, onProgress, ...inputs })
    if (exact && check.equal === false)
      throw new Net2NetError(
        'difference',
        `The grown model does not compute what ${input} computes (${worst(check)}), so nothing was written.`,
      )
    await mustHoldState(staged.beside, student, output, options)
    await staged.publish()
  } finally {
    await staged.discard()
    view.stop()
  }
  const note = [
    ...(exact ? [] : ['\nThis initialization does not keep the function, on purpose.']),
    ...(changesSizes(plans)
      ? [
          '\nThat is with the old sizes of the inputs restored; at the new ones, what was written runs.',
        ]
      : []),
  ].join('')
  const written = [output, ...others.keys()].join(' and ')
  printResult(
    io,
    json,
    { plan, parameters, check },
    `${text}\n\n${comparisonText(check)}${note}\nWritten: ${written}`,
  )
}

/** Grows a model that is measured on data before each step. */
async function growSampled(
  { signal }: Io,
  model: Model,
  { sampling, steps }: Growth & { readonly sampling: SamplingOptions },
  spec: string,
  seed: number,
): Promise<GrownModel> {
  // Of these commands, --weights is a file of parameters and none of the data.
  const options = { ...sampling, weights: undefined }
  const { samples, loss, session } = await samplingFor(model, spec, options, signal)
  const { growMeasured } = await import('net2net/growing')
  const { nodeRuntime } = await import('net2net/runtime')
  return growMeasured(model, steps, { samples, loss, session, runtime: nodeRuntime, seed, signal })
}

const isKeras = (file: string): boolean => /\.(keras|h5|hdf5)$/i.test(file)

/** What a file of Keras cannot be written with is said before anything is read. */
function mustSuitKeras(input: string, output: string, options: GrowthOptions): void {
  if (!isKeras(input))
    throw usageError(
      `${output} would be a file of Keras, and ${input} is none: a file of Keras is written from one only. Give a name that ends with .onnx.`,
      { where: output },
    )
  const format = (file: string) => (/\.keras$/i.test(file) ? '.keras' : '.h5')
  if (format(input) !== format(output))
    throw usageError(
      `${output} would be another format of Keras than ${input}: give a name that ends with ${format(input)}.`,
      { where: output },
    )
  if (options.weights !== undefined || options.externalData)
    throw usageError(
      `${options.weights === undefined ? '--external-data' : '--weights'} goes with ONNX files, and ${output} is a file of Keras.`,
    )
}

/** Reads the state dict and the optimizer state that were written, before they are in place. */
async function mustHoldState(
  written: StagedModel['beside'],
  student: Model,
  output: string,
  options: GrowthOptions,
): Promise<void> {
  const given = stateOptions(options)
  if (!given) return
  const { mustHoldState } = await import('net2net/bridges')
  mustHoldState((file) => written.get(file)!, student, stemOf(output), given)
}

const stemOf = (output: string): string => output.replace(/\.onnx$/i, '')

/** What the plans make of the state dict and the optimizer state of PyTorch, beside the output. */
async function stateBeside(
  model: Model,
  plans: readonly GrowthPlan[],
  output: string,
  options: GrowthOptions,
): Promise<ReadonlyMap<string, FileContent>> {
  const given = stateOptions(options)
  if (!given) return new Map()
  const { growState } = await import('net2net/bridges')
  return growState(model, plans, stemOf(output), given)
}

function stateOptions({
  weights,
  optimizer,
  names,
  untie,
  weightsDiffer,
}: GrowthOptions): GrowStateOptions | undefined {
  if (weights === undefined) {
    if (optimizer !== undefined || names || untie || weightsDiffer)
      throw usageError(
        '--optimizer, --names, --untie and --weights-differ say how --weights grow: give these, too.',
      )
    return undefined
  }
  return {
    weights,
    optimizer,
    names,
    untie,
    weightsDiffer,
  }
}

/** Less than this is taken without a word. */
const MUCH_MEMORY = 2 ** 28

/** Says how much memory planning will take, or that there is not so much. */
export function mustFitIntoMemory(io: Io, bytes: number): void {
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

export const worst = ({ outputs }: Comparison): string =>
  outputs
    .map(
      ({ name, maxAbs, problem }) => `${name}: ${problem ?? `max |Δ| ${maxAbs.toExponential(2)}`}`,
    )
    .join(', ')

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
