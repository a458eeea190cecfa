/** The command line: finds the command, runs it, and turns what went wrong into an exit code. */

import { writeSync } from 'node:fs'
import { Command, CommanderError } from 'commander'
import { type ErrorKind, Net2NetError } from 'net2net'
import { inputError, internalError, usageError } from '../errors.ts'
import { version } from '../package-files.ts'
import { ExitCode, type Io } from './command.ts'
import { commands, description, generalHelp } from './commands.ts'
import { withHugePages } from './huge-pages.ts'

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
  process.env.GLIBC_TUNABLES = withHugePages(process.env.GLIBC_TUNABLES)
  const io = processIo()
  const json = args.includes('--json')
  try {
    await (await program(args, io)).parseAsync(args, { from: 'user' })
  } catch (error) {
    process.exitCode = report(error, io, json)
  }
  // Everything is done and said: what a library holds open (a connection that it tries to make
  // again, say) does not keep the program.
  setTimeout(() => process.exit(), LINGER).unref()
}

/** Milliseconds for output that is still on its way. */
const LINGER = 2000

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
    // Commander has said it already, where people read.
    if (json) io.out(errorDocument('usage', error.message.replace(/^error: /, '')))
    return exitCodes.usage
  }
  // Whatever broke because of an interruption is no news beside it.
  const said = error instanceof Net2NetError && error.kind === 'interrupted' && error.where
  const cause = knownError(io.signal.aborted && !said ? io.signal.reason : error)
  const { kind, message, hint } = cause
  io.err(`net2net: ${[message, hint].filter((part) => part !== undefined).join(' ')}\n`)
  if (json) io.out(errorDocument(kind, message, hint))
  if (kind === 'internal' && io.env.NET2NET_DEBUG) io.err(`${String(cause.cause ?? cause)}\n`)
  if (kind !== 'interrupted') return exitCodes[kind]
  const by = io.signal.aborted ? (io.signal.reason as Net2NetError).where : cause.where
  return by === 'SIGTERM' ? 143 : exitCodes.interrupted
}

const errorDocument = (kind: ErrorKind, message: string, hint?: string): string =>
  `${JSON.stringify({ error: { kind, message, ...(hint === undefined ? {} : { hint }) } })}\n`

/** Codes of refusals that do not always say of which file. */
const ofDisks: readonly string[] = ['ENOSPC', 'EDQUOT', 'EFBIG', 'EROFS', 'EIO', 'EMFILE', 'ENFILE']

/** What was thrown, as an error of ours: the system's refusals in words, all else as a fault of ours. */
function knownError(thrown: unknown): Net2NetError {
  if (thrown instanceof Net2NetError) return thrown
  const { code, syscall, path, message } = thrown as NodeJS.ErrnoException
  if (code !== undefined && ofDisks.includes(code) && path === undefined)
    return inputError(`A file cannot be written or read: the system refuses (${message}).`, {
      cause: thrown,
    })
  if (code !== undefined && syscall !== undefined && path !== undefined)
    return inputError(`${path}: the system refuses (${message}).`, { where: path, cause: thrown })
  return internalError(`internal error: ${thrown instanceof Error ? message : String(thrown)}.`, {
    hint: 'This is a fault of net2net, not of yours; with NET2NET_DEBUG=1 it says where it happened.',
    cause: thrown instanceof Error ? thrown.stack : thrown,
  })
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
  let isOutputGone = false
  const loseOutput = (error: NodeJS.ErrnoException): void => {
    // A reader that has seen enough (| head) is no error.
    if (!isOutputGone && error.code !== 'EPIPE') {
      process.exitCode = 1
      io.err(`net2net: the output cannot be written: ${error.message}.\n`)
    }
    isOutputGone = true
  }
  const io: Io = {
    out(text) {
      if (isOutputGone) return
      try {
        process.stdout.write(text)
      } catch (error) {
        // Files and devices are written at once, and fail so.
        loseOutput(error as NodeJS.ErrnoException)
      }
    },
    err(text) {
      // Not by the stream: Node opens it when it is first asked for, which takes a while, and a write that
      // Ctrl-C breaks off (see interruptible.ts) would leave it waiting for ever.
      const bytes = Buffer.from(text)
      try {
        for (let at = 0; at < bytes.length; ) at += writeSync(2, bytes, at)
      } catch {
        // A full disk, or a reader that is gone or too slow: work goes on where nobody reads its messages.
      }
    },
    env: process.env,
    get isTerminal() {
      return process.stderr.isTTY === true
    },
    signal: controller.signal,
  }
  process.stdout.on('error', loseOutput)
  // What nobody waited for has no better place to be said.
  process.on('uncaughtException', (error) => process.exit(report(error, io, false)))
  return io
}
