/**
 * All that a sweep found, as one small file without networks: from it the report can be written
 * again. Figures have 7 significant digits; one trial stands on one line.
 */
import { inputError } from '../../errors.ts'
import type { CurvePoint, SweepPlan, TrialFailure, TrialResult } from '../trial/trial.ts'
import type { SweepRecord } from './findings.ts'

type Environment = TrialResult['cost']['environment']

interface Row {
  readonly id: string
  readonly labels: SweepPlan['trials'][number]['labels']
  readonly keepState: boolean
  readonly spec: TrialResult['spec']
  /** Columns in place of points: shorter. */
  readonly curve?: { readonly [Field in keyof CurvePoint]: readonly number[] }
  readonly outcome?: Omit<TrialResult['outcome'], 'curve'>
  readonly cost?: Omit<TrialResult['cost'], 'environment'> & { readonly environment: number }
  readonly failure?: Pick<TrialFailure, 'kind' | 'message'>
}

interface ResultsFile {
  readonly format: 1
  readonly name: string
  readonly experiments: SweepPlan['experiments']
  /** Where the trials ran; they name them by number. */
  readonly environments: readonly Environment[]
  readonly trials: readonly Row[]
}

export function formatResults({ plan, results, failures }: SweepRecord): string {
  const environments = distinctEnvironments(plan.trials.flatMap(({ id }) => results.get(id) ?? []))
  const rows = plan.trials.map(({ id, labels, keepState, spec }): Row => {
    const head = { id, labels, keepState, spec }
    const result = results.get(id)
    const failure = failures.get(id)
    if (!result)
      return failure ? { ...head, failure: { kind: failure.kind, message: failure.message } } : head
    const { curve, ...outcome } = result.outcome
    const column = (field: keyof CurvePoint) => curve.map((point) => point[field])
    return {
      ...head,
      curve: {
        step: column('step'),
        epoch: column('epoch'),
        valLoss: column('valLoss'),
        valAccuracy: column('valAccuracy'),
      },
      outcome,
      cost: {
        ...result.cost,
        environment: environments.findIndex((each) => isSame(each, result.cost.environment)),
      },
    }
  })
  const line = (value: unknown) => JSON.stringify(value, shortNumbers)
  const list = (values: readonly unknown[]) => `[\n${values.map(line).join(',\n')}\n]`
  return `{
"format": 1,
"name": ${line(plan.name)},
"experiments": ${list(plan.experiments)},
"environments": ${list(environments)},
"trials": ${list(rows)}
}
`
}

/** Whether the text is such a file. */
export const isResults = (text: string): boolean => readResultsFile(text) !== undefined

function readResultsFile(text: string): ResultsFile | undefined {
  try {
    const found = JSON.parse(text) as ResultsFile | null
    if (found?.format === 1 && Array.isArray(found.trials) && Array.isArray(found.experiments))
      return found
  } catch {
    // No JSON: no such file either.
  }
  return undefined
}

/** @throws input where the text is no such file */
export function parseResults(text: string, file: string): SweepRecord {
  const found = readResultsFile(text)
  if (!found) throw inputError(`${file} holds no results of a sweep.`, { where: file })
  const { name, experiments, trials, environments } = found
  return {
    plan: {
      name,
      experiments,
      trials: trials.map(({ id, spec, labels, keepState }) => ({ id, spec, labels, keepState })),
    },
    results: new Map(trials.flatMap((row) => resultOf(row, environments))),
    failures: new Map(
      trials.flatMap(({ id, failure }) => (failure ? [[id, { id, ...failure }] as const] : [])),
    ),
  }
}

function resultOf(
  { id, spec, curve, outcome, cost }: Row,
  environments: readonly Environment[],
): readonly (readonly [string, TrialResult])[] {
  if (!curve || !outcome || !cost) return []
  const points = curve.step.map((step, i) => ({
    step,
    epoch: curve.epoch[i]!,
    valLoss: curve.valLoss[i]!,
    valAccuracy: curve.valAccuracy[i]!,
  }))
  const environment = environments[cost.environment] ?? {}
  return [
    [id, { id, spec, outcome: { ...outcome, curve: points }, cost: { ...cost, environment } }],
  ]
}

/** Every arm and seed as a row of figures, for other programs. */
export function resultsCsv({ plan, results }: SweepRecord): string {
  const rows = plan.trials.flatMap(({ id, labels }) => {
    const result = results.get(id)
    if (!result) return []
    const { outcome, cost, spec } = result
    const [first, last] = [outcome.curve[0], outcome.curve.at(-1)]
    return labels.map(({ experiment, arm, seed }) => [
      ...[experiment, arm, seed, id, outcome.parameters, spec.learningRate, outcome.steps],
      ...[first?.valLoss, last?.valLoss, last?.valAccuracy],
      ...[cost.processorSeconds.at(-1), cost.seconds.at(-1)],
    ])
  })
  const order = plan.experiments.map(({ name }) => name)
  rows.sort(([a], [b]) => order.indexOf(String(a)) - order.indexOf(String(b)))
  return `${[csvColumns, ...rows].map((row) => row.map(csvCell).join(',')).join('\n')}\n`
}

const csvColumns = [
  ...['experiment', 'arm', 'seed', 'trial', 'parameters', 'learningRate', 'steps'],
  ...['lossAtStart', 'finalLoss', 'finalAccuracy', 'processorSeconds', 'seconds'],
]

function csvCell(value: string | number | undefined): string {
  const text = value === undefined ? '' : String(shortNumbers('', value))
  return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

/** The environments of trials, each once. */
export function distinctEnvironments(results: readonly TrialResult[]): readonly Environment[] {
  const found: Environment[] = []
  for (const { cost } of results)
    if (!found.some((each) => isSame(each, cost.environment))) found.push(cost.environment)
  return found
}

const isSame = (a: Environment, b: Environment): boolean => JSON.stringify(a) === JSON.stringify(b)

const shortNumbers = (_: string, value: unknown): unknown =>
  typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(7)) : value
