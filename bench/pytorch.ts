/** PyTorch as a contestant, in a process of its own that waits while others run. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import path from 'node:path'
import readline from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Contestant, Run } from './measure.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
export type Format = 'contiguous' | 'channels_last'
export const formats: readonly Format[] = ['contiguous', 'channels_last']

export interface Python {
  readonly python: string
  /** PyTorch's. */
  readonly version: string
}

/**
 * A Python with a current PyTorch from PyPI: that of NET2NET_PYTHON, or of the repository's `.venv`, which is
 * made from requirements.txt where it is missing. A distribution's build, on a generic BLAS, would be
 * no contestant. Undefined where there is none and none can be installed.
 */
export function findPyTorch(): Python | undefined {
  const folder = path.join(root, '.venv')
  const own = path.join(folder, 'bin/python')
  const given = process.env.NET2NET_PYTHON
  const found = [...(given === undefined ? [] : [given]), own].flatMap((python) => {
    const version = versionOf(python)
    return version !== undefined && isCurrent(version) ? [{ python, version }] : []
  })[0]
  if (found) return found
  try {
    const requirements = path.join(root, 'bench/requirements.txt')
    process.stderr.write(`Installing PyTorch into ${folder} …\n`)
    execFileSync('python3', ['-m', 'venv', folder], { stdio: 'inherit' })
    execFileSync(own, ['-m', 'pip', 'install', '--quiet', '-r', requirements], { stdio: 'inherit' })
  } catch (cause) {
    process.stderr.write(`PyTorch cannot be installed: ${String(cause)}\n`)
    return undefined
  }
  const version = versionOf(own)
  return version === undefined ? undefined : { python: own, version }
}

function versionOf(python: string): string | undefined {
  try {
    return execFileSync(python, ['-c', 'import onnxscript, torch; print(torch.__version__)'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim()
  } catch {
    return undefined
  }
}

/** Version 2.13 or newer. */
function isCurrent(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  return major > 2 || (major === 2 && minor >= 13)
}

/** Writes networks of networks.py as ONNX files, with the exporter that people use. */
export function exportNetworks(
  python: string,
  folder: string,
  names: readonly string[],
): ReadonlyMap<string, string> {
  const script = path.join(root, 'bench/networks.py')
  const printed = execFileSync(python, [script, folder, ...names], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  if (!printed.includes('exported')) throw new Error('The networks could not be exported.')
  return new Map(names.map((name) => [name, path.join(folder, `${name}.onnx`)]))
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
      /** One of networks.py. */
      readonly network: string
      readonly batch: number
      readonly format: Format
      readonly optimizer: 'sgd' | 'adamw'
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
