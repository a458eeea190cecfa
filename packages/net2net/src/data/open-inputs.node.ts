/** The inputs of a model from files of any kind that we read, as they are needed. */
import { existsSync, statSync } from 'node:fs'
import { join, relative } from 'node:path'
import type { Readable } from 'node:stream'
import { inputError } from '../errors.ts'
import type { Model } from '../model/model.ts'
import { columnsOf } from '../model/output-meaning.ts'
import { type Preparation, preparationOf } from '../model/preparation.ts'
import { targetNames } from './arrays.ts'
import { type ChannelLayout, hasChannelsLast, streamWithChannelsLast } from './channel-layout.ts'
import { isA, list } from './image-folder.node.ts'
import type { InputStream } from './inputs.ts'
import { type LoadOptions, loadData, mustHaveArrays, pictureDimsOf } from './load-data.node.ts'
import { isDigitsFolder, loadFashionMnist, loadMnist } from './load-mnist.node.ts'
import { inputsOf } from './model-input.ts'
import { knownNormalization } from './normalize.ts'
import { arraysStream, type StoredArray, storedArrays } from './npz-stream.node.ts'
import { isPicture, type PictureDims } from './picture.node.ts'
import { PictureSet } from './picture-set.node.ts'
import type { SampleSet } from './samples.ts'
import { csvRows } from './table/csv-rows.node.ts'
import { isTable, openTable } from './table/open-table.node.ts'
import { tableStream } from './table-stream.node.ts'
import { textStream } from './text/load-text.node.ts'

export interface OpenOptions extends Pick<LoadOptions, 'cacheFolder' | 'signal' | 'onDownload'> {
  /** A column of a table that is no input: its name. */
  readonly target?: string | undefined
  /** Where the channels of arrays are, where that is not where the model has them: they are moved. */
  readonly layout?: ChannelLayout | undefined
  /** The table that `-` means. */
  readonly stdin?: Readable | undefined
}

/**
 * Opens the inputs of a model: a table (.csv or .tsv, packed or not), an .npz or .npy file, a picture or a
 * folder of pictures (however deep), a folder of IDX files, `mnist` or `fashion-mnist` (of these the test
 * part). Tables, arrays and pictures are read while they are iterated, in memory that does not depend
 * on their number.
 *
 * @throws input where it is missing, broken or of no kind that we know, or does not fit the model
 */
export async function openInputs(
  spec: string,
  model: Model,
  options: OpenOptions = {},
): Promise<InputStream> {
  const inputs = inputsOf(model)
  const preparation = preparationOf(model)
  const isLast = hasChannelsLast(inputs[0]?.sizes ?? [])
  const inModelLayout = (stream: InputStream) => (isLast ? streamWithChannelsLast(stream) : stream)
  const dims = pictureDimsOf(inputs[0]?.dims)
  mustHaveArrays(spec, options)
  const table = { columns: columnsOf(model), inputs, preparation, target: options.target }
  if (spec === '-' && options.stdin) {
    const { stdin } = options
    const source = 'The standard input'
    return tableStream(() => csvRows(stdin, source), table, source)
  }
  if (spec === 'mnist' || spec === 'fashion-mnist') {
    const load = spec === 'mnist' ? loadMnist : loadFashionMnist
    return inModelLayout(streamOf((await load(options)).test))
  }
  if (!existsSync(spec))
    throw inputError(
      `${spec} does not exist; data are mnist, fashion-mnist, a .csv, .tsv, .npz or .npy file, a picture, or a folder of pictures or IDX files.`,
      { where: spec },
    )
  if (statSync(spec).isDirectory()) {
    if (isDigitsFolder(spec)) {
      const { train, test } = await loadData(spec, options)
      return inModelLayout(streamOf(test ?? train))
    }
    const files = await picturesIn(spec)
    if (files.length === 0) throw inputError(`${spec} holds no pictures.`, { where: spec })
    return inModelLayout(
      picturesStream(spec, files, pictureDims(spec, dims), preparation, options.signal),
    )
  }
  const isOfText = preparation?.kind === 'text' && preparation.column === undefined
  if (isOfText && !isTable(spec)) return textStream(spec, model, options)
  if (isTable(spec)) return tableStream(() => openTable(spec), table, spec)
  if (/\.np[yz]$/i.test(spec)) {
    const names = inputs.map(({ name }) => name)
    return arraysStream(
      chosenArrays(await storedArrays(spec), names, spec),
      spec,
      knownNormalization(preparation),
      { layout: options.layout, inputs },
    )
  }
  if (isPicture(spec))
    return inModelLayout(
      picturesStream('', [spec], pictureDims(spec, dims), preparation, options.signal),
    )
  throw inputError(
    `${spec} is of no known kind: data files are .csv, .tsv, .npz, .npy or pictures.`,
    { where: spec },
  )
}

/** Samples in memory. */
const streamOf = (samples: SampleSet): InputStream => ({
  length: samples.length,
  async *batches(size) {
    yield* samples.batches(size)
  },
})

/** Those that are called like the model's inputs, or the one that can be meant. */
function chosenArrays(
  arrays: ReadonlyMap<string, StoredArray>,
  inputs: readonly string[],
  source: string,
): ReadonlyMap<string, StoredArray> {
  const named = inputs.flatMap((name) => {
    const array = [name, `${name}_test`].map((one) => arrays.get(one)).find((one) => one)
    return array ? [[name, array] as const] : []
  })
  if (named.length === inputs.length) return new Map(named)
  if (inputs.length === 1) {
    const others = [...arrays].filter(
      ([name]) => !targetNames.includes(name.replace(/_(train|test|val)$/, '')),
    )
    const usual = ['x', 'x_test', 'x_val'].map((name) => arrays.get(name)).find((array) => array)
    const only = usual ?? (others.length === 1 ? others[0]![1] : undefined)
    if (only) return new Map([[inputs[0]!, only]])
  }
  throw inputError(
    `${source} must have ${inputs.length === 1 ? 'an array' : 'arrays'} ${inputs.join(', ')}, as the model's inputs are called; it has ${[...arrays.keys()].join(', ') || 'none'}.`,
    { where: source },
  )
}

function pictureDims(spec: string, dims: readonly number[] | undefined): PictureDims {
  const [channels, height, width] = dims ?? []
  if (dims?.length === 3 && (channels === 1 || channels === 3)) return [channels, height!, width!]
  throw inputError(
    `${spec} holds pictures, but the model's input is not an image of 1 or 3 channels and a fixed size.`,
    { where: spec },
  )
}

/** Pictures as the input `input`, made ready as those of the training were, named by their path in the folder. */
function picturesStream(
  folder: string,
  paths: readonly string[],
  dims: PictureDims,
  preparation: Preparation | undefined,
  signal: AbortSignal | undefined,
): InputStream {
  const fit = preparation?.kind === 'pictures' ? preparation.fit : 'resize'
  const normalization = knownNormalization(preparation)
  const input = {
    dtype: 'float32' as const,
    dims,
    divisor: 255,
    ...(normalization ? { normalization } : {}),
  }
  const target = { dtype: 'int32' as const, dims: [], data: new Int32Array(paths.length) }
  const pictures = new PictureSet(
    paths.map((path) => ({ path })),
    { input, fit, target },
  )
  return {
    length: paths.length,
    async *batches(size) {
      let at = 0
      for await (const { inputs } of pictures.batches(size)) {
        signal?.throwIfAborted()
        const some = paths.slice(at, at + size)
        at += some.length
        const names = some.map((path) => (folder === '' ? path : relative(folder, path)))
        yield { inputs, names }
      }
    },
  }
}

/** All pictures in a folder and the folders inside it, in alphabetical order. Links to folders are not followed. */
async function picturesIn(folder: string): Promise<readonly string[]> {
  const paths: string[] = []
  for (const entry of await list(folder)) {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) paths.push(...(await picturesIn(path)))
    else if (isPicture(entry.name) && (await isA('isFile', folder, entry))) paths.push(path)
  }
  return paths
}
