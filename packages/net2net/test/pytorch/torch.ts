/** Runs Python scripts with PyTorch, where it is installed, and hands arrays to and fro. */
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { decodeNpz, encodeNpz } from '../../src/data/npy.ts'
import type { Tensor } from '../../src/tensor/tensor.ts'
import { quickExports } from '../../testing/python.ts'

// Loading PyTorch takes seconds: it is only found.
const finding = 'import importlib.util as u, sys; sys.exit(u.find_spec("torch") is None)'
const python = ['/usr/bin/python3', 'python3'].find(
  (command) => spawnSync(command, ['-c', finding]).status === 0,
)

export const hasTorch = python !== undefined

export interface TorchRun {
  /** The last line that the script printed, as JSON. */
  readonly printed: unknown
  /** What it wrote to `output.npz`. */
  readonly arrays: ReadonlyMap<string, Tensor>
  /** Other files that it wrote, by name. */
  file(name: string): Uint8Array
}

/**
 * Runs `test/pytorch/SCRIPT` in a temporary folder that holds `input.npz`, and calls `use` with
 * what came of it.
 *
 * @param command the Python to run it with; default: that of `hasTorch`
 */
export async function withTorch<T>(
  script: string,
  inputs: Readonly<Record<string, Tensor>>,
  args: readonly string[],
  use: (run: TorchRun) => Promise<T>,
  command = python,
): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'net2net-torch-'))
  try {
    writeFileSync(join(folder, 'input.npz'), encodeNpz(new Map(Object.entries(inputs))))
    const path = fileURLToPath(new URL(script, import.meta.url))
    const text = execFileSync(command!, [quickExports, path, ...args], {
      cwd: folder,
      encoding: 'utf8',
      maxBuffer: 1 << 28,
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const file = (name: string) => new Uint8Array(readFileSync(join(folder, name)))
    const arrays = await readArrays(file)
    const last = text.trim().split('\n').at(-1)
    return await use({ printed: last ? JSON.parse(last) : undefined, arrays, file })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

async function readArrays(file: (name: string) => Uint8Array) {
  try {
    return decodeNpz(file('output.npz'))
  } catch (error) {
    if ((error as { code?: string }).code === 'ENOENT') return new Map<string, Tensor>()
    throw error
  }
}
