/** net2net serve: the page, on loopback. */

import { stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { Command } from 'commander'
import { inputError } from '../../errors.ts'
import { packageFile } from '../../package-files.ts'
import { Runs } from '../../server/runs.ts'
import { startPageServer } from '../../server/server.ts'
import { type CliCommand, examples, type Io } from '../command.ts'
import { integer } from '../options.ts'

interface Options {
  readonly port: number
  readonly runs?: string
}

/** The built page; the compiled file and the source lie equally deep. */
const pageFolder = packageFile('page/dist')

export const serve: CliCommand = {
  configure(command: Command, io: Io) {
    command
      .option('--port <n>', 'port on 127.0.0.1; 0 takes any free one', integer(0, 65_535), 7227)
      .option('--runs <dir>', 'folder whose runs are shown (default: runs)')
      .addHelpText(
        'after',
        `${examples('serve', 'serve --port 0 --runs results')}
The page grows and compares models and trains in the browser; nothing is uploaded. It is answered
on this machine only. Ctrl-C ends it, and any run that was started from it.`,
      )
      .action((options: Options) => run(io, options))
  },
}

async function run(io: Io, { port, runs: given }: Options): Promise<void> {
  const folder = resolve(given ?? 'runs')
  if (given !== undefined && !(await isFolder(folder)))
    throw inputError(`There is no folder ${given}.`, {
      where: '--runs',
      hint: 'Give the folder that holds the folders of your runs.',
    })
  const runs = new Runs(folder)
  const server = await startPageServer({
    root: pageFolder,
    port,
    api: runs.api,
  })
  io.out(`net2net is at ${server.url} (runs: ${folder})\nCtrl-C ends it.\n`)
  await new Promise<void>((done) => {
    if (io.signal.aborted) done()
    io.signal.addEventListener('abort', () => done(), { once: true })
  })
  await runs.close()
  await server.close()
}

const isFolder = (path: string): Promise<boolean> =>
  stat(path).then(
    (facts) => facts.isDirectory(),
    () => false,
  )
