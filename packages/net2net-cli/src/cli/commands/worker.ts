/** net2net worker: trains what sweeps and explorations put into a queue. */
import type { Command } from 'commander'
import { loadWork } from '../../sweep/queue/load.ts'
import type { WorkEvent } from '../../sweep/queue/work.ts'
import { type CliCommand, examples, type Io, printResult } from '../command.ts'
import { number, parallel } from '../options.ts'

interface Options {
  readonly queue: string
  readonly queueName?: string
  readonly folder?: string
  readonly data?: string
  readonly jobs: number
  readonly idleExit?: number
  readonly lostAfter: number
  readonly json?: true
}

export const worker: CliCommand = {
  configure(command: Command, io: Io) {
    command
      .requiredOption('--queue <url>', 'the Redis of the queue: redis://HOST:PORT')
      .option('--queue-name <name>', 'the queue, where there are several')
      .option('--folder <dir>', 'the folder of the sweep or exploration, where all machines see it')
      .option('--data <dir>', 'the data on this machine: of a sweep, a folder with IDX files')
      .option('--jobs <n>', 'trials at a time', parallel, 1)
      .option(
        '--idle-exit <seconds>',
        'end after so long without any trial in the queue',
        number(0),
      )
      .option(
        '--lost-after <seconds>',
        'how long others wait for a worker that is silent',
        number(1),
        30,
      )
      .option('--json', 'print one JSON document at the end')
      .addHelpText(
        'after',
        examples(
          'worker --queue redis://queue.example:6379',
          'worker --queue redis://queue.example:6379 --jobs 4 --idle-exit 60',
        ),
      )
      .action((options: Options) => run(io, options))
  },
}

async function run(io: Io, options: Options): Promise<void> {
  const finished: string[] = []
  const failed: string[] = []
  const { work } = await loadWork()
  await work({
    url: options.queue,
    queue: options.queueName,
    folder: options.folder,
    dataFolder: options.data,
    idleSeconds: options.idleExit,
    jobs: options.jobs,
    lostAfterSeconds: options.lostAfter,
    signal: io.signal,
    onEvent: (event) => {
      if (event.kind === 'finish') finished.push(event.id)
      if (event.kind === 'fail') failed.push(event.id)
      io.err(`${sentence(event)}\n`)
    },
  })
  const text = `${finished.length} trials finished, ${failed.length} failed.`
  printResult(io, options.json, { finished, failed }, text)
}

function sentence(event: WorkEvent): string {
  switch (event.kind) {
    case 'ready':
      return 'Ready for trials.'
    case 'lost':
      return 'Redis is away; what runs goes on.'
    case 'back':
      return 'Redis is back.'
    case 'idle':
      return 'There is nothing left to do.'
    case 'start':
      return `${event.id} (${event.title}): started`
    case 'finish':
      return `${event.id} (${event.title}): finished`
    case 'known':
      return `${event.id} (${event.title}): was finished before`
    case 'released':
      return `${event.id} (${event.title}): given back`
    case 'fail':
      return `${event.id} (${event.title}): failed: ${event.message}`
  }
}
