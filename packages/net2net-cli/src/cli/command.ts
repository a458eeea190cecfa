/** What a command is, and what it may touch of the process. */
import type { Command } from 'commander'

/** The process, as commands see it; tests put their own in its place. */
export interface Io {
  /** Results; with --json exactly one JSON document. */
  out(text: string): void
  /** Messages and progress. */
  err(text: string): void
  readonly env: Readonly<Record<string, string | undefined>>
  /** Whether `err` goes to a terminal: then progress is a bar, otherwise it is lines. */
  readonly isTerminal: boolean
  /** Aborted by SIGINT and SIGTERM; the reason is a Net2NetError of kind `interrupted`. */
  readonly signal: AbortSignal
}

/** One command: each has a file of its own, loaded only when it is called. */
export interface CliCommand {
  /** Adds arguments, options and examples. The action does the work, and throws what went wrong. */
  configure(command: Command, io: Io): void
}

/** Thrown by an action whose exit code is not 0 although everything has been said. */
export class ExitCode extends Error {
  readonly code: number
  constructor(code: number) {
    super(`exit ${code}`)
    this.code = code
  }
}

/** Prints a result: as one JSON document, or as text. */
export function printResult(io: Io, json: boolean | undefined, value: unknown, text: string): void {
  io.out(json ? `${JSON.stringify(value, null, 2)}\n` : `${text}\n`)
}

/** The groups of options in a command's help. Commands of few options have none. */
export const headings = {
  data: 'Data:',
  loss: 'Loss and metrics:',
  optimizer: 'Optimizer:',
  training: 'Training:',
  exploration: 'Exploration:',
  growth: 'Growth:',
  grownAlong: "PyTorch's state, which grows along:",
  measuring: 'Measuring:',
  output: 'Output:',
} as const

/** The examples at the end of a command's help. */
export const examples = (...lines: readonly string[]): string =>
  `\nExamples:\n${lines.map((line) => `  $ net2net ${line}`).join('\n')}\n`
