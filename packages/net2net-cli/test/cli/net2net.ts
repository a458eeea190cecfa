/** Runs the command line as a user does: in a process of its own. */

import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { save } from 'net2net'
import { conv2d, dense, flatten, maxPool2d, sequential } from 'net2net/layers'

/** Node's arguments that run the command line as users have it, in any folder: `testing/build-program.ts` has built it. */
export const commandLine: readonly string[] = [
  fileURLToPath(new URL('../../bin/net2net.js', import.meta.url)),
]

export interface Outcome {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>
  /** The largest file that it may write. */
  readonly fileKibibytes?: number
  /** Gets the process and what it has said so far, whenever it says something. */
  readonly onOutput?: (child: ChildProcess, err: string) => void
}

export function net2net(args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const command = [process.execPath, ...commandLine, ...args]
    // The signal of the limit is ignored, so that writes fail as they do on a full disk.
    const limit = `trap '' XFSZ; ulimit -f ${options.fileKibibytes}; exec "$@"`
    const [file, ...rest] =
      options.fileKibibytes === undefined ? command : ['bash', '-c', limit, 'bash', ...command]
    const child = spawn(file!, rest, {
      env: { ...process.env, ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let [out, err] = ['', '']
    child.stdout.on('data', (data) => {
      out += data
    })
    child.stderr.on('data', (data) => {
      err += data
      options.onOutput?.(child, err)
    })
    child.on('error', reject)
    child.on('close', (code) => resolve({ code, out, err }))
  })
}

export const temporaryFolder = (): string => mkdtempSync(join(tmpdir(), 'net2net-'))

/** A small teacher as a file, with images that are not square. */
export async function teacherFile(folder: string): Promise<string> {
  const file = join(folder, 'teacher.onnx')
  await save(
    sequential(
      [
        conv2d(6, 3, { padding: 'same', name: 'conv1' }),
        maxPool2d(2, { name: 'pool1' }),
        conv2d(5, 3, { padding: 'same', activation: 'relu', name: 'conv2' }),
        flatten({ name: 'flatten' }),
        dense(7, { activation: 'relu', name: 'fc1' }),
        dense(3, { activation: 'softmax', name: 'fc2' }),
      ],
      { input: [2, 8, 10], seed: 1 },
    ),
    file,
  )
  return file
}
