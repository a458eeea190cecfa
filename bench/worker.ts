/** Contestants in a process of their own, which waits while others run. */
import { type ChildProcess, spawn } from 'node:child_process'
import readline from 'node:readline'
import type { Contestant, Run } from './measure.ts'

/** The program reads one JSON question a line and answers with one JSON line: first what to train, then who makes how many steps. */
export class Worker {
  readonly #child: ChildProcess
  readonly #lines: AsyncIterator<string>

  private constructor(child: ChildProcess) {
    this.#child = child
    this.#lines = readline.createInterface({ input: child.stdout! })[Symbol.asyncIterator]()
  }

  /** A started process that has answered the first question, and its answer. */
  static async start<Answer>(
    [program, ...parameters]: readonly [string, ...string[]],
    question: object,
    environment: Readonly<Record<string, string>> = {},
  ): Promise<{ readonly worker: Worker; readonly answer: Answer }> {
    const child = spawn(program, parameters, {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { ...process.env, ...environment },
    })
    const worker = new Worker(child)
    return { worker, answer: await worker.#ask<Answer>(question) }
  }

  async #ask<Answer>(question: object): Promise<Answer> {
    this.#child.stdin!.write(`${JSON.stringify(question)}\n`)
    const { value, done } = await this.#lines.next()
    if (done) throw new Error(`The process of ${this.#child.spawnargs.join(' ')} ended.`)
    return JSON.parse(value) as Answer
  }

  contestant(name: string): Contestant {
    return {
      name,
      run: async (steps) =>
        (await this.#ask<{ readonly runs: readonly Run[] }>({ contestant: name, steps })).runs,
    }
  }

  stop(): void {
    this.#child.stdin!.end()
  }
}
