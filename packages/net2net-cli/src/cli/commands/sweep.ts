/** net2net sweep: many trials, here or on many machines. */

import { join } from 'node:path'
import type { Command } from 'commander'
import { Net2NetError } from 'net2net'
import { readWhole } from 'net2net/files'
import { summarize } from '../../sweep/analysis/analysis.ts'
import { readSweep } from '../../sweep/file/sweep-plan.ts'
import { loadSubmit } from '../../sweep/queue/load.ts'
import { armTable } from '../../sweep/report/report.ts'
import { readSweepRecord, writeSweepReport } from '../../sweep/report/write-report.ts'
import type { SweepEvent } from '../../sweep/schedule/events.ts'
import { runSweep } from '../../sweep/schedule/run-sweep.ts'
import { verifyData } from '../../sweep/trial/sweep-data.ts'
import { SweepFolder } from '../../sweep/trial/sweep-folder.ts'
import { type SweepPlan, trialTitle } from '../../sweep/trial/trial.ts'
import { type CliCommand, ExitCode, examples, type Io, printResult } from '../command.ts'
import { number, parallel } from '../options.ts'
import { duration, measuredText, progress, type Task } from '../progress.ts'
import { table } from '../table.ts'

interface Options {
  readonly output?: string
  readonly jobs?: number
  readonly data?: string
  readonly checkpointEvery: number
  readonly queue?: string
  readonly queueName?: string
  readonly commonFolder?: true
  readonly dryRun?: true
  readonly json?: true
}

export const sweep: CliCommand = {
  configure(command: Command, io: Io) {
    command
      .argument('<file>', 'the sweep: a YAML file (see docs/guides/sweeps.md)')
      .option(
        '-o, --output <dir>',
        'folder of the sweep (default: runs/NAME); resumes what is there',
      )
      .option('--jobs <n>', 'trials at a time, here (default: cores / threads per trial)', parallel)
      .option('--data <dir>', 'folder with the IDX files of the data set')
      .option('--checkpoint-every <seconds>', 'time between checkpoints of a trial', number(0), 30)
      .option('--queue <url>', 'give the trials to workers over Redis: redis://HOST:PORT')
      .option('--queue-name <name>', 'the queue, where workers listen to several')
      .option(
        '--common-folder',
        'the workers see the folder of the sweep (net2net worker --folder)',
      )
      .option('--dry-run', 'check the file and list its trials')
      .option('--json', 'print one JSON document')
      .addHelpText(
        'after',
        examples(
          'sweep study.yaml',
          'sweep study.yaml -o runs/study --jobs 2',
          'sweep study.yaml --queue redis://localhost:6379',
        ),
      )
      .action((file: string, options: Options) => run(io, file, options))
  },
}

async function run(io: Io, file: string, options: Options): Promise<void> {
  const source = new TextDecoder().decode(await readWhole(file))
  const plan = readSweep(source, file)
  const { json } = options
  if (options.dryRun) return printPlan(io, json, plan)
  const folder = SweepFolder.create(options.output ?? join('runs', plan.name))
  const view = reporter(io)
  const started = Date.now()
  let outcome: Awaited<ReturnType<typeof runSweep>>
  try {
    const shared = {
      checkpointSeconds: options.checkpointEvery,
      signal: io.signal,
      onEvent: view.event,
    }
    if (options.queue === undefined) {
      await verifyData(plan, options.data, {
        signal: io.signal,
        onDownload: (url) => view.event({ kind: 'note', message: `Downloading ${url}` }),
      })
      await folder.savePlan(plan, source)
      outcome = await runSweep(plan, folder, {
        ...shared,
        jobs: options.jobs,
        dataFolder: options.data,
      })
    } else {
      await folder.savePlan(plan, source)
      const { submitSweep } = await loadSubmit()
      outcome = await submitSweep(plan, folder, {
        ...shared,
        url: options.queue,
        queue: options.queueName,
        commonFolder: options.commonFolder === true,
      })
    }
  } catch (error) {
    if (!(io.signal.aborted && io.signal.reason instanceof Net2NetError)) throw error
    const after =
      options.queue === undefined
        ? `What was done is in ${folder.path}; the same command goes on from there.`
        : 'The workers go on; the same command follows again.'
    throw new Net2NetError('interrupted', `${io.signal.reason.message} ${after}`, {
      where: io.signal.reason.where ?? 'SIGINT',
    })
  } finally {
    view.stop()
  }
  const report = join(folder.path, 'report.html')
  await writeSweepReport(folder.path, report, { force: true })
  const summary = summarize(await readSweepRecord(folder.path))
  const tables = summary.experiments.flatMap((experiment) => {
    const { header, rows } = armTable(experiment)
    return [
      '',
      experiment.name,
      table(header, rows),
      ...experiment.comparisons.map((c) => c.sentence),
    ]
  })
  printResult(
    io,
    json,
    { ...outcome, directory: folder.path, report, summary },
    [
      ...tables,
      '',
      `${outcome.finished.length} of ${plan.trials.length} trials finished in ${duration((Date.now() - started) / 1000)}. Report: ${report}`,
    ].join('\n'),
  )
  if (outcome.failed.length > 0) throw new ExitCode(1)
}

function printPlan(io: Io, json: true | undefined, plan: SweepPlan): void {
  const rows = plan.trials.map(({ id, spec, labels }) => [
    id,
    labels.map(({ experiment, arm }) => `${experiment}/${arm}`).join(', '),
    String(spec.seed),
    spec.parent ?? '',
    String(spec.epochs),
    String(spec.learningRate),
  ])
  const header = ['trial', 'arm', 'seed', 'starts from', 'epochs', 'learning rate']
  printResult(io, json, plan, `${table(header, rows)}\n\n${rows.length} trials.`)
}

/** A bar for the sweep and one for each trial that runs; lines where there is no terminal. */
function reporter(io: Io) {
  const view = progress(io)
  const running = new Map<string, Task>()
  let whole: Task | undefined
  let [done, failed, total] = [0, 0, 0]
  const ended = (id: string) => {
    running.get(id)?.stop()
    running.delete(id)
    done++
    whole?.update(done, failed > 0 ? `${failed} failed` : '')
  }
  const event = (happened: SweepEvent): void => {
    switch (happened.kind) {
      case 'plan': {
        const { trials, finished, jobs } = happened
        total = trials.length
        done = finished
        const before = finished > 0 ? `, ${finished} of them finished before` : ''
        const many = jobs === undefined ? '' : `; ${jobs} at a time`
        view.line(`${total} trials${before}${many}`)
        whole = view.task('all trials', total)
        whole.update(done)
        break
      }
      case 'start':
        view.line(`${trialTitle(happened.trial)}: started`)
        break
      case 'progress': {
        const { trial, progress: made } = happened
        const { batchSize } = trial.spec
        let task = running.get(trial.id)
        if (!task) {
          task = view.task(trialTitle(trial), made.steps * batchSize, { unit: 'samples' })
          running.set(trial.id, task)
        }
        task.update(made.step * batchSize, measuredText(made.loss, made.accuracy))
        break
      }
      case 'finish': {
        const last = happened.result.outcome.curve.at(-1)
        ended(happened.trial.id)
        view.line(
          `${trialTitle(happened.trial)}: finished (${done} of ${total}), validation loss ${last?.valLoss.toFixed(4)}`,
        )
        break
      }
      case 'fail':
        failed++
        ended(happened.trial.id)
        view.line(`${trialTitle(happened.trial)}: failed: ${happened.failure.message}`)
        break
      case 'block':
        ended(happened.trial.id)
        view.line(`${trialTitle(happened.trial)}: left out, for ${trialTitle(happened.by)} failed`)
        break
      case 'note':
        view.line(happened.message)
        break
    }
  }
  return { event, stop: () => view.stop() }
}
