/**
 * Which model an address names: a sample (`sample:resnet`), a file (`file:HASH:NAME`), a trained arm of a run
 * (`run:RUN:ARM`), of the server or of this browser (`browser:RUN:ARM`), or a network of an exploration at the end of a rung
 * (`exploration:NAME:NETWORK:RUNG`).
 */

import { keptModel } from '../runs/kept-runs.ts'
import { t } from '../text/text.ts'
import { keepFile, keptFile } from './files.ts'
import type { Failure, NamedBytes, Source } from './protocol.ts'

export async function sourceOf(name: string): Promise<Source | undefined> {
  const [kind, key = '', ...rest] = name.split(':')
  if (kind === 'sample') return { kind: 'sample', id: key }
  if (kind === 'run')
    return await fromServer(
      `runs/${escaped(key, 'models', rest.join(':'))}`,
      `${rest.join(':')}.onnx`,
    )
  if (kind === 'exploration') {
    const [network = '', rung = ''] = rest
    return await fromServer(
      `explorations/${escaped(key, 'networks', network, rung)}`,
      `network-${network}-rung-${rung}.onnx`,
    )
  }
  if (kind === 'browser') {
    const bytes = await keptModel(key, rest.join(':'))
    return bytes && { kind: 'bytes', bytes, name: `${rest.join(':')}.onnx` }
  }
  if (kind !== 'file') return undefined
  const file = await keptFile(key)
  return file && { kind: 'bytes', bytes: file.bytes, name: file.name, data: file.data }
}

/** The name that an address gives to a source, without looking for it. */
export function sourceTitle(name: string): string {
  const [kind, key = '', ...rest] = name.split(':')
  if (kind === 'sample') return key
  if (kind === 'run' || kind === 'browser') return t('{0} of {1}', rest.join(':'), key)
  if (kind === 'exploration') {
    const [network = '', rung = ''] = rest
    return t('network {0}, rung {1} of {2}', network, rung, key)
  }
  return kind === 'file' ? rest.join(':') || key : name
}

/** Why an address's model is not there; `hint` says what to do about a file. */
export function missingSource(name: string, hint: string): Failure {
  const [kind] = name.split(':')
  const title = sourceTitle(name)
  if (kind === 'file')
    return {
      kind: 'input',
      message: t(
        'This link is about {0}, and a link does not carry the file: nothing is uploaded.',
        title,
      ),
      hint,
    }
  if (kind === 'run' || kind === 'browser' || kind === 'exploration')
    return {
      kind: 'input',
      message: t('This link is about {0}, and there is no such network here.', title),
      hint: t('The Runs tab lists what there is on this machine and in this browser.'),
    }
  return {
    kind: 'input',
    message: t('This link is about a network "{0}", and there is none called that.', title),
    hint: t('Open a file, or choose one of the sample networks.'),
  }
}

/** Do two names stand for the same bytes? */
export const sameFile = (a: string, b: string): boolean =>
  a.startsWith('file:') && a.split(':')[1] === b.split(':')[1] && b.startsWith('file:')

/** What was opened together: the networks, and files with data or weights of theirs. */
export function modelsAmong(files: readonly File[]): {
  readonly models: readonly File[]
  readonly data: readonly File[]
} {
  const named = files.filter(({ name }) => /\.(onnx|keras|h5|hdf5)$/i.test(name))
  const models = named.length > 0 ? named : files.slice(0, 1)
  return { models, data: files.filter((file) => !models.includes(file)) }
}

/** Keeps an opened model in this browser and returns the address's name for it. */
export async function sourceFromFiles(
  model: File,
  data: readonly File[],
): Promise<{ name: string; source: Source }> {
  const file = await contentOf(model)
  const beside = await Promise.all(data.map(contentOf))
  const key = await keepFile(file, beside)
  return {
    name: `file:${key}:${file.name.replaceAll(':', '_')}`,
    source: { kind: 'bytes', ...file, data: beside },
  }
}

export async function contentOf(file: File): Promise<NamedBytes> {
  try {
    return { name: file.name, bytes: new Uint8Array(await file.arrayBuffer()) }
  } catch (cause) {
    throw new Error(
      t(
        '{0} cannot be read: it is a folder (drop the files in it), too large for the browser, or changed meanwhile.',
        file.name,
      ),
      { cause },
    )
  }
}

const escaped = (...names: readonly string[]): string => names.map(encodeURIComponent).join('/')

/** A network that the server which served this page has. */
async function fromServer(path: string, name: string): Promise<Source | undefined> {
  const response = await fetch(`./api/${path}`).catch(() => undefined)
  if (!response?.ok) return undefined
  return { kind: 'bytes', bytes: new Uint8Array(await response.arrayBuffer()), name }
}
