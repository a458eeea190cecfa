/**
 * npm run bench [-- --quick] [-- --only SECTION,… | all] [-- --networks NAME,…] [-- --threads N] [-- --output FOLDER]
 *
 * Runs the benchmarks (without --only all but the experiments) and writes benchmarks.md and
 * benchmarks.json into docs/. Sections and networks that are not run, or that fail, keep what an earlier run on
 * the same machine found; where one fails, the others are run all the same and the exit code is 1.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { channelBlock } from '../packages/net2net/src/runtime/channel-block.ts'
import { nodeRuntime } from '../packages/net2net/src/runtime/onnxruntime.node.ts'
import { benchmarkBrowser } from './browser.ts'
import { benchmarkCommandLine } from './command-line.ts'
import { benchmarkEvaluation } from './evaluation.ts'
import { benchmarkExperiments } from './experiments.ts'
import { benchmarkGrowth } from './growth.ts'
import { busyProcessors } from './measure.ts'
import { benchmarkNetworks } from './networks.ts'
import { benchmarkPlanning } from './planning.ts'
import { findPyTorch } from './pytorch.ts'
import { markdown, type Report, type Row, type Section } from './report.ts'
import type { Settings } from './settings.ts'
import { benchmarkSteps } from './steps.ts'

const sections: Readonly<Record<string, (settings: Settings) => Promise<Section>>> = {
  steps: benchmarkSteps,
  networks: benchmarkNetworks,
  browser: benchmarkBrowser,
  evaluation: benchmarkEvaluation,
  growth: benchmarkGrowth,
  planning: benchmarkPlanning,
  'command-line': benchmarkCommandLine,
  experiments: benchmarkExperiments,
}

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    only: { type: 'string' },
    networks: { type: 'string' },
    threads: { type: 'string', default: `${os.availableParallelism()}` },
    output: { type: 'string', default: fileURLToPath(new URL('../docs', import.meta.url)) },
  },
})
/** The experiments take minutes: on request. */
const chosen =
  values.only === 'all'
    ? Object.keys(sections)
    : (values.only?.split(',') ?? Object.keys(sections).filter((name) => name !== 'experiments'))
const unknown = chosen.filter((name) => !(name in sections))
if (unknown.length > 0)
  throw new Error(
    `No section ${unknown.join(', ')}; there are ${Object.keys(sections).join(', ')}.`,
  )

const torch = findPyTorch()
const threads = Number(values.threads)
const machine = {
  processor: os.cpus()[0]?.model ?? 'unknown',
  cores: os.availableParallelism(),
  threads,
  memory: `${(os.totalmem() / 2 ** 30).toFixed(0)} GiB`,
  Node: process.version,
  'ONNX Runtime': `${nodeRuntime.description}, ${await channelBlock(nodeRuntime)} channels a block`,
  PyTorch: torch?.version ?? 'not installed',
}
const file = path.join(values.output, 'benchmarks.json')
const earlier: Record<string, Section> = {}
if (existsSync(file)) {
  const found = JSON.parse(readFileSync(file, 'utf8')) as {
    machine: typeof machine
    results: Record<string, Section>
  }
  if (JSON.stringify(found.machine) === JSON.stringify(machine))
    Object.assign(earlier, found.results)
}
const results = earlier

/** The rows of an earlier run, with those that were measured anew in their places. */
function amended(earlier: Section | undefined, { rows }: Section): readonly Row[] {
  const found = new Map(rows.map((row) => [row.figure, row]))
  const kept = (earlier?.rows ?? []).map((row) => found.get(row.figure) ?? row)
  return [...kept, ...rows.filter((row) => !kept.includes(row))]
}

for (const name of chosen) {
  process.stderr.write(`${name} …\n`)
  const started = performance.now()
  const load = await busyProcessors()
  const busy = load > 0.2
  let section: Section
  try {
    section = await sections[name]!({
      quick: values.quick,
      threads,
      python: torch?.python,
      networks: values.networks?.split(','),
      busy,
    })
  } catch (cause) {
    console.error(`${name}: failed.`, cause)
    process.exitCode = 1
    continue
  }
  const circumstances = [
    ...(busy
      ? [
          `**Others used the machine** (${load.toFixed(1)} processors busy before the start): rough figures. PyTorch waited passively (OMP_WAIT_POLICY) where steps are compared.`,
        ]
      : []),
    ...(values.quick ? ['A quick run: few rounds, small sizes.'] : []),
  ]
  const rows = values.networks === undefined ? section.rows : amended(results[name], section)
  results[name] = { ...section, rows, notes: [...(section.notes ?? []), ...circumstances] }
  process.stderr.write(`${name}: ${((performance.now() - started) / 1000).toFixed(0)} s\n`)
  const report: Report = {
    date: new Date().toISOString().slice(0, 10),
    quick: values.quick,
    machine,
    sections: Object.keys(sections).flatMap((known) => results[known] ?? []),
  }
  mkdirSync(values.output, { recursive: true })
  writeFileSync(file, `${JSON.stringify({ ...report, sections: undefined, results }, null, 2)}\n`)
  writeFileSync(path.join(values.output, 'benchmarks.md'), markdown(report))
}
