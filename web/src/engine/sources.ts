/** Which model an address names: a sample (`sample:resnet`) or a file (`file:HASH:NAME`). */
import { keepFile, keptFile } from './files.ts'
import type { Source } from './protocol.ts'

export async function sourceOf(name: string): Promise<Source | undefined> {
  const [kind, key = '', ...rest] = name.split(':')
  if (kind === 'sample') return { kind: 'sample', id: key }
  if (kind === 'run') return await runModel(key, rest.join(':'))
  if (kind !== 'file') return undefined
  const file = await keptFile(key)
  return file && { kind: 'bytes', bytes: file.bytes, name: file.name }
}

/** The name that an address gives to a source, without looking for it. */
export function sourceTitle(name: string): string {
  const [kind, key = '', ...rest] = name.split(':')
  return kind === 'file' || kind === 'run' ? rest.join(':') || key : key
}

/** Do two names stand for the same bytes? */
export const sameFile = (a: string, b: string): boolean =>
  a.startsWith('file:') && a.split(':')[1] === b.split(':')[1] && b.startsWith('file:')

/** Keeps a dropped file in this browser and returns the address's name for it. */
export async function sourceFromFile(file: File): Promise<{ name: string; source: Source }> {
  const bytes = new Uint8Array(await file.arrayBuffer())
  const key = await keepFile(file.name, bytes)
  return {
    name: `file:${key}:${file.name.replaceAll(':', '_')}`,
    source: { kind: 'bytes', bytes, name: file.name },
  }
}

/** A trained arm of a local run, from the server that served this page. */
async function runModel(run: string, arm: string): Promise<Source | undefined> {
  const response = await fetch(
    `./api/runs/${encodeURIComponent(run)}/models/${encodeURIComponent(arm)}`,
  ).catch(() => undefined)
  if (!response?.ok) return undefined
  return { kind: 'bytes', bytes: new Uint8Array(await response.arrayBuffer()), name: `${arm}.onnx` }
}
