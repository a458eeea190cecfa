/** Folders of Hugging Face's transformers: read, grown, written. Node only. */
import fs from 'node:fs'
import path from 'node:path'
import * as kind from '../../arguments.ts'
import { checked, checkedAsync, flag, number, text as string } from '../../arguments.ts'
import { inputError, internalError, Net2NetError, refusedError, usageError } from '../../errors.ts'
import { AtomicFiles, type ReplaceOptions } from '../../files/atomic-files.ts'
import { errorCode, FileSource } from '../../files/file-source.ts'
import { makeFolder } from '../../files/make-folder.ts'
import { type FileContent, writeContent } from '../../files/write-whole.ts'
import type { GrowthPlan } from '../../growth/growth-plan.ts'
import type { WidenOptions } from '../../growth/plan/widen.ts'
import type { Solution } from '../../growth/solve/index.ts'
import type { Model } from '../../model/model.ts'
import { quote } from '../../model/quote.ts'
import type { LazyTensor } from '../../tensor/tensor.ts'
import { readSafetensors, safetensorsParts } from '../safetensors.ts'
import { readTorchFile, stateDictOf } from '../torch-file.ts'
import { architectureOf, parseMappings } from './architecture.ts'
import { architectures } from './architectures.ts'
import { type Checkpoint, fieldOf, mustFitConfig } from './config.ts'
import { type ConfigValue, withValues } from './config-text.ts'
import { type CheckpointGrowth, growCheckpoint, planCheckpoint } from './grow-checkpoint.ts'
import type { AddedLayers } from './layers.ts'
import type { WantedSizes } from './plan.ts'

export interface OpenHuggingFaceOptions {
  /** Mappings of architectures, as plain data: they come before those that are known. */
  readonly mapping?: unknown
  /** What messages call the mappings. */
  readonly mappingName?: string
}

/** A change of a field of config.json. */
export interface ConfigChange {
  readonly field: string
  readonly before: unknown
  readonly after: ConfigValue
}

/** A folder of transformers: config.json, weights, and what belongs to them. `using` closes its files. */
export interface HuggingFaceFolder extends Disposable {
  readonly folder: string
  readonly config: Readonly<Record<string, unknown>>
  /** Its entries; their numbers stay in the files until somebody reads them. */
  readonly entries: ReadonlyMap<string, LazyTensor>
  /**
   * A plan that gives all layers of a kind the wanted size.
   *
   * @param from the ONNX model that was exported from this network, or what has been solved of it
   * @throws Net2NetError (usage) for sizes that are none; (refused) for what the architecture or the network does not allow
   */
  plan(from: Model | Solution, wanted: WantedSizes, options?: WidenOptions): GrowthPlan
  /**
   * The folder after a growth.
   *
   * @throws Net2NetError (refused) where config.json cannot say what has grown, where tied entries would grow apart, where it
   *   is not clear which entry is which initializer, or where a layer cannot be added that adds nothing
   */
  grow(growth: CheckpointGrowth): GrownFolder
}

export interface SaveFolderOptions extends ReplaceOptions {
  /** Stops writing; nothing is left behind. */
  readonly signal?: AbortSignal | undefined
}

/** A folder that is grown and not yet written. */
export interface GrownFolder {
  readonly entries: ReadonlyMap<string, LazyTensor>
  readonly changes: readonly ConfigChange[]
  /** The new layers by name, and the layers that they are copies of. */
  readonly added: ReadonlyMap<string, string>
  /** The model after the same growth; undefined where none was given. */
  readonly model: Model | undefined
  /** Whether the model has the new layers, too: not where one of its blocks cannot be repeated. */
  readonly hasLayers: boolean
  /**
   * Writes config.json, the weights as safetensors, in files as large as they were, and copies of the tokenizer's and all other small
   * files: under temporary names, which are read back before they are published, all or none.
   *
   * @returns the names of the files, in order
   * @throws Net2NetError (usage) where one of them exists and `force` is not set, or where other weights are in the folder
   */
  save(folder: string, options?: SaveFolderOptions): Promise<readonly string[]>
}

/** What config.json and an index of weights may be long. */
const longestText = 2 ** 27
/** Files of weights that are read, in the order in which transformers looks for them. */
const weightFiles = [
  'model.safetensors',
  'model.safetensors.index.json',
  'pytorch_model.bin',
  'pytorch_model.bin.index.json',
]
/** What is copied: the tokenizer's files, the preprocessor's, the settings of generation, code, and texts. */
const copied =
  /\.(json|jsonl|txt|model|jinja|tiktoken|spm|vocab|bpe|py|md)$|^(LICENSE|NOTICE|README)$/i
/** Files that say something of other weights, or are weights. */
const notCopied = /^config\.json$|\.index\.json$/
const otherWeights = /\.(safetensors|bin)$|\.(safetensors|bin)\.index\.json$/

/**
 * Opens a folder as `save_pretrained` of transformers writes it.
 *
 * @throws Net2NetError (input) where it is broken, or its config and its weights do not belong together; (refused) for
 *   architectures that no mapping describes
 */
export function openHuggingFace(
  folder: string,
  { mapping, mappingName = 'the mapping' }: OpenHuggingFaceOptions = {},
): HuggingFaceFolder {
  const sources: FileSource[] = []
  const open = (file: string) => {
    const source = new FileSource(path.join(folder, file))
    sources.push(source)
    return source
  }
  const close = () => {
    for (const source of sources) source.close()
  }
  try {
    const text = readText(folder, 'config.json')
    const config = parseTable(text, path.join(folder, 'config.json'))
    const own = mapping === undefined ? {} : parseMappings(mapping, mappingName)
    const weights = openWeights(folder, open)
    const checkpoint = checkpointOf(
      folder,
      config,
      { ...architectures, ...own },
      mappingName,
      weights,
    )
    mustFitConfig(checkpoint)
    return {
      folder,
      config,
      entries: weights.entries,
      plan: checked(
        'plan',
        (from: Model | Solution, wanted: WantedSizes, options?: WidenOptions) =>
          planCheckpoint(from, checkpoint, wanted, options),
        { from: kind.solvable, wanted: wantedKind, options: kind.optional(planOptions) },
      ),
      grow: checked('grow', (growth: CheckpointGrowth) => grow(growth), { growth: growthKind }),
      [Symbol.dispose]: close,
    }
    function grow(growth: CheckpointGrowth): GrownFolder {
      const { changes, ...grown } = growCheckpoint(checkpoint, growth)
      const written = { entries: grown.entries, config: withValues(text, changes) }
      return {
        ...grown,
        changes: [...changes].map(([field, after]) => ({
          field,
          before: fieldOf(config, field),
          after,
        })),
        save: checkedAsync(
          'save',
          (target: string, options?: SaveFolderOptions) =>
            save(folder, target, written, weights, options),
          { folder: string, options: kind.optional(saveOptions) },
        ),
      }
    }
  } catch (cause) {
    close()
    throw cause
  }
}

const size = kind.either('a size', number, string)
const wantedKind = kind.options<WantedSizes>({ ffn: size, heads: size, hidden: size })
const planOptions = kind.options<WidenOptions>({
  seed: number,
  init: string,
  noise: string,
  noiseSize: number,
  onMemory: kind.callback,
})
const growthKind = kind.options<CheckpointGrowth>({
  model: kind.model,
  plan: kind.plan,
  layers: kind.options<AddedLayers>({ last: number, repeat: kind.texts }),
  untie: flag,
})
const saveOptions = kind.options<SaveFolderOptions>({ force: flag, signal: kind.signal })

function checkpointOf(
  folder: string,
  config: Record<string, unknown>,
  table: Parameters<typeof architectureOf>[1],
  mappingName: string,
  { entries }: Weights,
): Checkpoint {
  const type = config.model_type
  if (typeof type !== 'string')
    throw inputError(`config.json of ${folder} names no model_type.`, { where: folder })
  if (config.quantization_config !== undefined && config.quantization_config !== null)
    throw refusedError(
      `${folder} holds quantized weights (quantization_config), which cannot be split or copied exactly.`,
      { where: folder, hint: 'Grow the network before it is quantized.' },
    )
  const architecture = architectureOf(type, table, mappingName)
  if (!architecture)
    throw refusedError(
      `Nothing is known of networks of the type ${quote(type)}, which ${folder} holds; known are ${Object.keys(table).join(', ')}.`,
      { where: folder, hint: 'Describe it in a mapping file (--mapping).' },
    )
  return { name: folder, config, architecture, entries }
}

interface Weights {
  readonly entries: ReadonlyMap<string, LazyTensor>
  /** Files are not made larger than the largest was; undefined where there was one file. */
  readonly largest: number | undefined
  readonly metadata: Readonly<Record<string, string>>
  /** What the index says beside the map. */
  readonly index: Readonly<Record<string, unknown>>
}

function openWeights(folder: string, open: (file: string) => FileSource): Weights {
  const file = weightFiles.find((name) => fs.existsSync(path.join(folder, name)))
  if (file === undefined)
    throw inputError(`${folder} has no weights: none of ${weightFiles.join(', ')} is there.`, {
      where: folder,
    })
  const read = (name: string): Pick<Weights, 'entries' | 'metadata'> => {
    const full = path.join(folder, name)
    if (!name.endsWith('.safetensors'))
      return { entries: stateDictOf(readTorchFile(open(name), full), full), metadata: {} }
    const { tensors, metadata } = readSafetensors(open(name), full)
    return { entries: tensors, metadata }
  }
  if (!file.endsWith('.json')) return { ...read(file), largest: undefined, index: {} }
  const full = path.join(folder, file)
  const broken = (what: string) =>
    inputError(`${full} is not an index of weights: ${what}.`, { where: full })
  const { weight_map: map, ...index } = parseTable(readText(folder, file), full)
  if (typeof map !== 'object' || map === null) throw broken('it has no weight_map')
  const ending = file.endsWith('.bin.index.json') ? '.bin' : '.safetensors'
  const names = [...new Set(Object.values(map))].map((part: unknown) => {
    if (typeof part !== 'string' || !/^[^/\\]+$/.test(part) || !part.endsWith(ending))
      throw broken(`it names ${quote(String(part))}, which is no ${ending} file beside it`)
    return part
  })
  const parts = names.map((name) => ({ name, ...read(name) }))
  for (const [entry, part] of Object.entries(map))
    if (!parts.find(({ name }) => name === part)!.entries.has(entry))
      throw broken(`${quote(entry)} is not in ${quote(String(part))}`)
  const size = ({ entries }: (typeof parts)[number]) =>
    [...entries.values()].reduce((sum, { byteLength }) => sum + byteLength, 0)
  return {
    entries: new Map(parts.flatMap(({ entries }) => [...entries])),
    largest: Math.max(...parts.map(size)),
    metadata: Object.assign({}, ...parts.map(({ metadata }) => metadata)),
    index,
  }
}

function readText(folder: string, name: string): string {
  const file = path.join(folder, name)
  const source = new FileSource(file, { keepOpen: false })
  if (source.size > longestText) throw inputError(`${file} is absurdly long.`, { where: file })
  return new TextDecoder().decode(source.read(0, source.size))
}

function parseTable(text: string, file: string): Record<string, unknown> {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw inputError(`${file} is not JSON.`, { where: file, cause })
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw inputError(`${file} is not a JSON object.`, { where: file })
  return value as Record<string, unknown>
}

async function save(
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
