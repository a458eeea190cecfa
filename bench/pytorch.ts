/** PyTorch as a contestant, in a process of its own that waits while others run. */
import { execFileSync } from 'node:child_process'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { Worker } from './worker.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
/** Memory formats of images. */
export const formats: readonly string[] = ['contiguous', 'channels_last']

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

/** PyTorch's training steps as a worker, with a contestant for each of the formats. */
export async function startPyTorch(
  python: string,
  {
    busy,
    ...question
  }: {
    /** One of networks.py. */
    readonly network: string
    readonly batch: number
    readonly optimizer: 'sgd' | 'adamw'
    readonly threads: number
    readonly busy: boolean
  },
): Promise<Worker> {
  const script = path.join(root, 'bench/pytorch.py')
  // Where cores are shared, threads that spin while they wait would take minutes.
  const environment = busy ? { OMP_WAIT_POLICY: 'PASSIVE' } : {}
  return (await Worker.start([python, script], question, environment)).worker
}
