/** The command line: finds the command, runs it, and turns what went wrong into an exit code. */

import { Command, CommanderError } from 'commander'
import { type ErrorKind, Net2NetError } from 'net2net'
import { usageError } from '../errors.ts'
import { version } from '../package-files.ts'
import { ExitCode, type Io } from './command.ts'
import { commands, description, generalHelp } from './commands.ts'

const exitCodes: Readonly<Record<ErrorKind, number>> = {
  difference: 1,
  internal: 1,
  usage: 2,
  refused: 3,
  input: 4,
  interrupted: 130,
}

/** Runs the command line and sets the process's exit code. */
export async function run(args: readonly string[]): Promise<void> {
  const io = processIo()
  const json = args.includes('--json')
  try {
    await (await program(args, io)).parseAsync(args, { from: 'user' })
  } catch (error) {
    process.exitCode = report(error, io, json)
  }
}

async function program(args: readonly string[], io: Io): Promise<Command> {
  const root = new Command('net2net')
    .description(description)
    .version(version(), '-V, --version')
    .showHelpAfterError('Run "net2net --help" for help.')
  const called = calledCommand(args)
  for (const { name, summary, load } of commands) {
    const command = root.command(name).description(summary)
    prepare(command)
    command.showHelpAfterError(`Run "net2net ${name} --help" for help.`)
    if (name === called) (await load()).configure(command, io)
  }
  prepare(root)
  root.helpInformation = generalHelp
  return root

  function prepare(command: Command): void {
    command.exitOverride().configureOutput({
      writeOut: (text) => io.out(text),
      writeErr: (text) => io.err(text),
      outputError: (text, write) => write(text.replace(/^error: /, 'net2net: ')),
    })
  }
}

/** The command that is called, or that help is asked for, if any. */
function calledCommand(args: readonly string[]): string | undefined {
  const [first, ...rest] = args
  const called = first === 'help' ? rest.find((arg) => !arg.startsWith('-')) : first
  if (called === undefined || called === 'help' || called.startsWith('-')) return undefined
  const names = commands.map(({ name }) => name)
  if (!names.includes(called))
    throw usageError(
      `There is no command ${JSON.stringify(called)}; there are ${names.join(', ')} and help.`,
      { hint: 'Run "net2net --help" for what they do.' },
    )
  return called
}

/** Says what went wrong, and returns the exit code. */
function report(error: unknown, io: Io, json: boolean): number {
  if (error instanceof ExitCode) return error.code
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return 0
    if (json) io.out(`${JSON.stringify({ error: { kind: 'usage', message: error.message } })}\n`)
    return exitCodes.usage
  }
  // Whatever broke because of an interruption is no news beside it.
  const said = error instanceof Net2NetError && error.kind === 'interrupted' && error.where
  const reason = io.signal.aborted && !said ? io.signal.reason : error
  if (reason instanceof Net2NetError) {
    const hint = reason.hint === undefined ? '' : ` ${reason.hint}`
    io.err(`net2net: ${reason.message}${hint}\n`)
    if (json)
      io.out(`${JSON.stringify({ error: { kind: reason.kind, message: reason.message } })}\n`)
    return reason.kind === 'interrupted' && reason.where === 'SIGTERM'
      ? 143
      : exitCodes[reason.kind]
  }
  const message = reason instanceof Error ? reason.message : String(reason)
  io.err(`net2net: internal error: ${message}\n`)
  if (json) io.out(`${JSON.stringify({ error: { kind: 'internal', message } })}\n`)
  if (io.env.NET2NET_DEBUG && reason instanceof Error) io.err(`${reason.stack}\n`)
  return exitCodes.internal
}

function processIo(): Io {
  const controller = new AbortController()
  let interrupted = false
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.on(signal, () => {
      // Whoever insists gets out at once.
      if (interrupted) process.exit(signal === 'SIGINT' ? 130 : 143)
      interrupted = true
      controller.abort(
        new Net2NetError('interrupted', `Interrupted by ${signal}.`, { where: signal }),
      )
    })
  // A reader that has seen enough (| head) is no error.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0)
    throw error
  })
  let hasMessages = false
  return {
    out: (text) => void process.stdout.write(text),
    err: (text) => {
      // Node opens the stream when it is first asked for, which takes a while: not where nothing is written to it.
      if (!hasMessages)
        process.stderr.on('error', (error: NodeJS.ErrnoException) => {
          // Work goes on where nobody reads its messages any more.
          if (error.code !== 'EPIPE') throw error
        })
      hasMessages = true
      process.stderr.write(text)
    },
    env: process.env,
    get isTerminal() {
      return process.stderr.isTTY === true
    },
    signal: controller.signal,
  }
}
