/** PyTorch as a contestant, in a process of its own that waits while others run. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import readline from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Contestant, Run } from './measure.ts'

const candidates = ['/usr/bin/python3', 'python3']
export type Kind = 'teacher' | 'wider' | 'deeper'
export type Format = 'contiguous' | 'channels_last'

/** A Python with PyTorch, and its version; undefined where there is none. */
export function findPyTorch(): { readonly python: string; readonly version: string } | undefined {
  for (const python of candidates)
    try {
      const version = execFileSync(python, ['-c', 'import torch; print(torch.__version__)'], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      }).trim()
      return { python, version }
    } catch {}
  return undefined
}

export class PyTorch {
  readonly #child: ChildProcess
  readonly #lines: AsyncIterator<string>

  private constructor(python: string, busy: boolean) {
    const script = fileURLToPath(new URL('./pytorch.py', import.meta.url))
    this.#child = spawn(python, [script], {
      stdio: ['pipe', 'pipe', 'inherit'],
      // Where cores are shared, threads that spin while they wait would take minutes.
      env: { ...process.env, ...(busy && { OMP_WAIT_POLICY: 'PASSIVE' }) },
    })
    this.#lines = readline.createInterface({ input: this.#child.stdout! })[Symbol.asyncIterator]()
  }

  static async start(
    python: string,
    settings: {
      readonly kind: Kind
      readonly batch: number
      readonly format: Format
      readonly threads: number
      readonly busy: boolean
    },
  ): Promise<PyTorch> {
    const { busy, ...network } = settings
    const worker = new PyTorch(python, busy)
    await worker.#ask(network)
    return worker
  }

  async #ask(command: object): Promise<Record<string, unknown>> {
    this.#child.stdin!.write(`${JSON.stringify(command)}\n`)
    const { value, done } = await this.#lines.next()
    if (done) throw new Error('The PyTorch process ended.')
    return JSON.parse(value) as Record<string, unknown>
  }

  contestant(name: string): Contestant {
    return {
      name,
      run: async (steps) => (await this.#ask({ steps })).runs as readonly Run[],
    }
  }

  stop(): void {
    this.#child.stdin!.end()
  }
}
