/** The weights of a folder of transformers, and its texts. */
import fs from 'node:fs'
import path from 'node:path'
import { inputError } from '../../errors.ts'
import { FileSource } from '../../files/file-source.ts'
import { quote } from '../../model/quote.ts'
import type { LazyTensor } from '../../tensor/tensor.ts'
import { readSafetensors } from '../safetensors.ts'
import { readTorchFile, stateDictOf } from '../torch-file.ts'

/** What config.json and an index of weights may be long. */
const longestText = 2 ** 27

/** Files of weights that are read, in the order in which transformers looks for them. */
const weightFiles = [
  'model.safetensors',
  'model.safetensors.index.json',
  'pytorch_model.bin',
  'pytorch_model.bin.index.json',
]

export interface Weights {
  readonly entries: ReadonlyMap<string, LazyTensor>
  /** Files are not made larger than the largest was; undefined where there was one file. */
  readonly largest: number | undefined
  readonly metadata: Readonly<Record<string, string>>
  /** What the index says beside the map. */
  readonly index: Readonly<Record<string, unknown>>
}

export function openWeights(folder: string, open: (file: string) => FileSource): Weights {
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
      throw broken(`it names ${quote(part)}, which is no ${ending} file beside it`)
    return part
  })
  const parts = names.map((name) => ({ name, ...read(name) }))
  for (const [entry, part] of Object.entries(map))
    if (!parts.find(({ name }) => name === part)!.entries.has(entry))
      throw broken(`${quote(entry)} is not in ${quote(part)}`)
  const size = ({ entries }: (typeof parts)[number]) =>
    [...entries.values()].reduce((sum, { byteLength }) => sum + byteLength, 0)
  return {
    entries: new Map(parts.flatMap(({ entries }) => [...entries])),
    largest: Math.max(...parts.map(size)),
    metadata: Object.assign({}, ...parts.map(({ metadata }) => metadata)),
    index,
  }
}

export function readText(folder: string, name: string): string {
  const file = path.join(folder, name)
  const source = new FileSource(file, { keepOpen: false })
  if (source.size > longestText) throw inputError(`${file} is absurdly long.`, { where: file })
  return new TextDecoder().decode(source.read(0, source.size))
}

export function parseTable(text: string, file: string): Record<string, unknown> {
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
