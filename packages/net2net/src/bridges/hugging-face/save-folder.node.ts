/** Writes a folder of transformers: config, weights, and copies of all that belongs to a network whatever its size is. */
import fs from 'node:fs'
import path from 'node:path'
import { internalError, Net2NetError, usageError } from '../../errors.ts'
import { AtomicFiles, type ReplaceOptions } from '../../files/atomic-files.ts'
import { errorCode, FileSource } from '../../files/file-source.ts'
import { makeFolder } from '../../files/make-folder.ts'
import { type FileContent, writeContent } from '../../files/write-whole.ts'
import type { LazyTensor } from '../../tensor/tensor.ts'
import { readSafetensors, safetensorsParts } from '../safetensors.ts'
import type { Weights } from './folder-weights.node.ts'

export interface SaveFolderOptions extends ReplaceOptions {
  /** Stops writing; nothing is left behind. */
  readonly signal?: AbortSignal | undefined
}

/** What is copied: the tokenizer's files, the preprocessor's, the settings of generation, code, and texts. */
export const copied =
  /\.(json|jsonl|txt|model|jinja|tiktoken|spm|vocab|bpe|py|md)$|^(LICENSE|NOTICE|README)$/i

/** Files that say something of other weights, or are weights. */
const notCopied = /^config\.json$|\.index\.json$/

const otherWeights = /\.(safetensors|bin)$|\.(safetensors|bin)\.index\.json$/

export async function save(
  from: string,
  folder: string,
  { entries, config }: { entries: ReadonlyMap<string, LazyTensor>; config: string },
  weights: Weights,
  { force, signal }: SaveFolderOptions = {},
): Promise<readonly string[]> {
  if (fs.existsSync(folder) && fs.realpathSync(folder) === fs.realpathSync(from))
    throw usageError(`${folder} is the folder that is grown: give another one.`, { where: folder })
  const { shards, contents } = weightContents(entries, weights)
  const others = copiedFiles(from)
  const files = new Map<string, FileContent>([
    ...contents,
    ...others.map((name) => [name, contentOf(path.join(from, name))] as const),
    // The config comes last: it is there only if all the others are.
    ['config.json', config],
  ])
  mustHaveNoOtherWeights(folder, files)
  const made = makeFolder(folder)
  const atomic = new AtomicFiles({ force })
  try {
    for (const [name, content] of files) {
      if (signal?.aborted) throw interrupted(folder, signal.reason)
      const file = await atomic.create(path.join(folder, name))
      await writeContent(file, content)
      const meant = shards.get(name)
      if (meant) mustBeWritten(name, meant, await file.reader(sizeOf(content)))
    }
    await atomic.publish()
  } catch (cause) {
    await atomic.discard()
    if (made !== undefined) removeEmpty(folder, made)
    throw cause
  }
  return [...files.keys()]
}

/** The weights as safetensors: one file if they were in one, else as many as are no larger than the largest was. */
function weightContents(
  entries: ReadonlyMap<string, LazyTensor>,
  { largest = Number.POSITIVE_INFINITY, metadata, index }: Weights,
): {
  readonly shards: ReadonlyMap<string, ReadonlyMap<string, LazyTensor>>
  readonly contents: readonly (readonly [name: string, content: FileContent])[]
} {
  const groups: Map<string, LazyTensor>[] = []
  let size = Number.POSITIVE_INFINITY
  for (const [entry, tensor] of entries) {
    if (size + tensor.byteLength > largest || groups.length === 0) {
      groups.push(new Map())
      size = 0
    }
    groups.at(-1)!.set(entry, tensor)
    size += tensor.byteLength
  }
  const number = (value: number) => String(value).padStart(5, '0')
  const isOne = largest === Number.POSITIVE_INFINITY
  const names = groups.map((_, i) =>
    isOne ? 'model.safetensors' : `model-${number(i + 1)}-of-${number(groups.length)}.safetensors`,
  )
  const shards = new Map(groups.map((group, i) => [names[i]!, group]))
  const written = { format: 'pt', ...metadata }
  const contents = [...shards].map(
    ([name, group]) => [name, safetensorsParts(group, written)] as const,
  )
  if (isOne) return { shards, contents }
  const places = [...shards].flatMap(([name, group]) => [...group.keys()].map((key) => [key, name]))
  const total = [...entries.values()].reduce((sum, { byteLength }) => sum + byteLength, 0)
  // The number of parameters is the network's, which has become another.
  const { total_parameters: _, ...rest } = (index.metadata ?? {}) as Record<string, unknown>
  const table = {
    ...index,
    metadata: { ...rest, total_size: total },
    weight_map: Object.fromEntries(places.sort(([a], [b]) => (a! < b! ? -1 : 1))),
  }
  const text = `${JSON.stringify(table, null, 2)}\n`
  return { shards, contents: [...contents, ['model.safetensors.index.json', text]] }
}

/** The files beside config and weights that belong to a network whatever its size is. */
const copiedFiles = (folder: string): readonly string[] =>
  fs
    .readdirSync(folder)
    .filter((name) => copied.test(name) && !notCopied.test(name) && !name.startsWith('.'))
    .filter((name) => fs.statSync(path.join(folder, name), { throwIfNoEntry: false })?.isFile())
    .sort()

function contentOf(file: string): FileContent {
  const source = new FileSource(file, { keepOpen: false })
  return [{ byteLength: source.size, read: (at, length) => source.read(at, length) }]
}

const sizeOf = (content: FileContent): number =>
  typeof content === 'string' || content instanceof Uint8Array
    ? content.length
    : content.reduce((sum, { byteLength }) => sum + byteLength, 0)

/** Weights that are there already would be read instead of those that are written, or beside them. */
function mustHaveNoOtherWeights(folder: string, files: ReadonlyMap<string, FileContent>): void {
  let names: string[]
  try {
    names = fs.readdirSync(folder)
  } catch (cause) {
    if (errorCode(cause) === 'ENOENT') return
    throw usageError(`${folder} is not a folder.`, { where: folder, cause })
  }
  const other = names.find((name) => otherWeights.test(name) && !files.has(name))
  if (other !== undefined)
    throw usageError(
      `${folder} holds other weights (${other}), which would be taken for those of this network: remove them, or give another folder.`,
      { where: folder },
    )
}

/** Bytes that are compared at a time. */
const piece = 2 ** 22

/** What was written is what was meant. */
function mustBeWritten(
  name: string,
  meant: ReadonlyMap<string, LazyTensor>,
  source: FileSource,
): void {
  try {
    const { tensors } = readSafetensors(source, name)
    for (const [entry, tensor] of meant) {
      const written = tensors.get(entry)
      if (!written || !isSame(tensor, written))
        throw internalError(`The entry ${entry} was not written as it should be.`)
    }
  } finally {
    source.close()
  }
}

function isSame(meant: LazyTensor, written: LazyTensor): boolean {
  if (meant.dtype !== written.dtype || String(meant.dims) !== String(written.dims)) return false
  for (let at = 0; at < meant.byteLength; at += piece) {
    const length = Math.min(piece, meant.byteLength - at)
    if (Buffer.compare(meant.read(at, length), written.read(at, length)) !== 0) return false
  }
  return true
}

const interrupted = (folder: string, cause: unknown) =>
  new Net2NetError('interrupted', `${folder}: was not written, for it was interrupted.`, {
    where: folder,
    cause,
  })

/** Removes folders that were made for files that did not come, from the inner one outwards. */
function removeEmpty(folder: string, outermost: string): void {
  for (let at = path.resolve(folder); at.startsWith(path.resolve(outermost)); at = path.dirname(at))
    try {
      fs.rmdirSync(at)
    } catch {
      // Something is in it: it stays.
      return
    }
}
