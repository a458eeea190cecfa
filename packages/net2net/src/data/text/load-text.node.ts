/** Texts and token ids in files: next-token data for a model. */
import { createReadStream } from 'node:fs'
import { inputError, mustBeOneOf, usageError } from '../../errors.ts'
import { fileProblem } from '../../files/read-whole.ts'
import type { Model, Shape } from '../../model/model.ts'
import { type Preparation, preparationOf, type TextPreparation } from '../../model/preparation.ts'
import { mainOutput } from '../../model/tensor-outputs.ts'
import { dtypes } from '../../tensor/dtype.ts'
import { allocate, Tensor } from '../../tensor/tensor.ts'
import { fillRows } from '../dataset.ts'
import type { InputStream } from '../inputs.ts'
import { inputsOf, type ModelInput } from '../model-input.ts'
import { type Elements, elementsInMemory } from '../stored/elements.ts'
import { rangedNpy, rangedNumbers } from '../stored/stored-arrays.node.ts'
import type { StoredDataset } from '../stored/stored-dataset.ts'
import { textLength } from './ids-encoder.ts'
import { CharacterScan, type TextOptions, unitsOf } from './units.ts'
import { idRows, textWindows } from './windows.ts'

export const tokenTypes = ['uint16', 'uint32', 'int32', 'int64'] as const
export type TokenType = (typeof tokenTypes)[number]

export interface TextFileOptions extends TextOptions {
  /** The numbers of a .bin file. Default: uint16. */
  readonly tokens?: TokenType | undefined
  /** Units of a sample, where the model takes any number. */
  readonly length?: number | undefined
  /** Units from the beginning of a sample to that of the next. Default: those of a sample. */
  readonly stride?: number | undefined
}

/** Whether a name is that of a text or of token ids. */
export const isText = (spec: string): boolean => /\.(txt|md|bin|npy)$/i.test(spec)

/** Next-token samples of a file for a model: as long as its sequences. @throws input */
export async function loadText(
  path: string,
  model: Model,
  options: TextFileOptions & { readonly signal?: AbortSignal | undefined },
): Promise<StoredDataset> {
  const input = onlyInput(model, path)
  const known = preparationOf(model)
  const { preparation, ids, width } = await textIds(path, known, options)
  const predicts = outputShape(model)?.length === 2 ? 'last' : 'each'
  const dtype = dtypes[input.dtype].kind === 'integer' ? input.dtype : 'float32'
  mustKnowAll(preparation, model, path)
  if (width !== undefined) return idRows(ids, width, { predicts, dtype, preparation })
  const length = textLength(input, path, options.length)
  return textWindows(ids, {
    length,
    predicts,
    dtype,
    stride: options.stride,
    preparation,
    source: path,
  })
}

/** The ids that a file holds or its text becomes; `width` where they are rows of ids. */
export async function textIds(
  path: string,
  known: Preparation | undefined,
  options: TextFileOptions & { readonly signal?: AbortSignal | undefined },
): Promise<{
  readonly preparation: TextPreparation
  readonly ids: Elements
  readonly width?: number
}> {
  if (options.tokens !== undefined) mustBeOneOf('tokens', options.tokens, tokenTypes)
  const tokens: TextPreparation = { kind: 'text', units: 'tokens' }
  if (/\.bin$/i.test(path))
    return { preparation: tokens, ids: rangedNumbers(path, options.tokens ?? 'uint16').elements }
  if (/\.npy$/i.test(path)) {
    const array = rangedNpy(path)
    const width = array?.dims[1]
    if (!array || array.dims.length > 2 || dtypes[array.dtype].kind !== 'integer')
      throw inputError(
        `${path} should hold token ids: whole numbers, one after the other or in rows.`,
        { where: path },
      )
    const { elements: ids } = array
    return { preparation: tokens, ids, ...(width === undefined ? {} : { width }) }
  }
  const stored = known?.kind === 'text' && known.column === undefined ? known : undefined
  const units = stored?.units ?? options.text
  if (units === undefined)
    throw usageError(`${path} is text: say whether it is read in bytes or in characters.`, {
      where: path,
    })
  if (units === 'bytes')
    return { preparation: { kind: 'text', units }, ids: rangedNumbers(path, 'uint8').elements }
  const preparation: TextPreparation = stored ?? {
    kind: 'text',
    units: 'characters',
    vocabulary: await vocabularyOf(path, options.signal),
  }
  return { preparation, ids: await idsOf(path, preparation, options.signal) }
}

async function vocabularyOf(path: string, signal: AbortSignal | undefined) {
  const scan = new CharacterScan()
  for await (const text of textOf(path, signal)) scan.add(text)
  return scan.vocabulary('text')
}

async function idsOf(
  path: string,
  preparation: TextPreparation,
  signal: AbortSignal | undefined,
): Promise<Elements> {
  const units = unitsOf(preparation)
  // Most texts have few different characters: then two bytes, or one, hold each of them.
  const few = (units.count ?? 0) <= 2 ** 8
  const parts: (Uint8Array | Int32Array)[] = []
  for await (const text of textOf(path, signal)) {
    const ids = units.ids(text, path)
    parts.push(few ? Uint8Array.from(ids) : Int32Array.from(ids))
  }
  const length = parts.reduce((sum, part) => sum + part.length, 0)
  const all = few ? new Uint8Array(length) : new Int32Array(length)
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.length
  }
  return elementsInMemory(few ? 'uint8' : 'int32', all)
}

/** A text file, piece by piece. @throws input where it cannot be read */
export async function* textOf(
  path: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<string> {
  try {
    // Node cuts between characters, never within one.
    for await (const text of createReadStream(path, { encoding: 'utf8' })) {
      signal?.throwIfAborted()
      yield text as string
    }
  } catch (cause) {
    if (signal?.aborted) throw cause
    throw inputError(`${path} ${fileProblem(cause)}.`, { where: path, cause })
  }
}

export function onlyInput(model: Model, source: string): ModelInput {
  const [input, ...others] = inputsOf(model)
  if (input && others.length === 0) return input
  throw inputError(`${source} is text, but the model takes several inputs.`, { where: source })
}

const outputShape = (model: Model): Shape | undefined => {
  const main = mainOutput(model)
  const type = model.graph.outputs.find(({ name }) => name === main)?.type
  return type?.kind === 'tensor' ? type.shape : undefined
}

/** What the model tells apart must be all that occurs. */
function mustKnowAll({ vocabulary }: TextPreparation, model: Model, path: string): void {
  const classes = outputShape(model)?.at(-1)
  if (!vocabulary || typeof classes !== 'number' || vocabulary.length <= classes) return
  throw inputError(
    `${path} has ${vocabulary.length} different characters, but the model tells ${classes} apart.`,
    { where: path },
  )
}

/**
 * A text as inputs of a model that was trained on one: pieces as long as its sequences, one behind the other. The last one ends with the
 * text, and begins in the piece before where that is not full.
 *
 * @throws input where the text is shorter than one piece
 */
export async function textStream(
  path: string,
  model: Model,
  options: { readonly signal?: AbortSignal | undefined } = {},
): Promise<InputStream> {
  const input = onlyInput(model, path)
  const { ids, preparation } = await textIds(path, preparationOf(model), options)
  const length = textLength(input, path)
  if (ids.length < length)
    throw inputError(
      `${path} has ${ids.length} ${preparation.units}, but the model reads ${length} at once.`,
      { where: path },
    )
  const count = Math.ceil(ids.length / length)
  const dtype = dtypes[input.dtype].kind === 'integer' ? input.dtype : 'float32'
  return {
    length: count,
    async *batches(size) {
      for (let at = 0; at < count; at += size) {
        const samples = Math.min(size, count - at)
        const from = Math.min(at * length, ids.length - length)
        const to = Math.min((at + samples) * length, ids.length)
        const pieces = Int32Array.from(ids.read(from, to - from), Number)
        const data = new Int32Array(samples * length)
        for (let i = 0; i < samples; i++) {
          const start = Math.min((at + i) * length, ids.length - length) - from
          data.set(pieces.subarray(start, start + length), i * length)
        }
        const tensor = new Tensor(dtype, [samples, length], allocate(dtype, data.length))
        fillRows({ dtype, dims: [length], data }, tensor, undefined, 0, 'input')
        yield { inputs: { input: tensor } }
      }
    },
  }
}
