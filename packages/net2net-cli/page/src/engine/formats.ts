/**
 * The formats of opened files: ONNX, alone or with weights of PyTorch beside it, and Keras. What grows is written again in the
 * format that it came in.
 */
import {
  type ByteSource,
  decodeModel,
  encodeModel,
  type GrowthPlan,
  type Model,
  memorySource,
  Net2NetError,
} from 'net2net'
import { inputError } from '../../../src/errors.ts'
import { externalDataIn } from './external.ts'
import { outputName, outputStem } from './output-name.ts'
import type { NamedBytes } from './protocol.ts'

/** A network that was opened, with what came beside it. */
export interface Network {
  readonly model: Model
  /** Files of PyTorch that grow along. */
  readonly weights?: string
  readonly optimizer?: string
  /** Parameters of which the weights hold no numbers: growth that changes them cannot be written into these. */
  readonly unbound: readonly string[]
  /** @throws refused where what has grown cannot be written in the format that it came in */
  mustBeWritable(plans: readonly GrowthPlan[]): void
  /** The model after growth, as its file will hold it. */
  afterGrowth(plans: readonly GrowthPlan[], grown: Model): Promise<Model>
  /** The files after growth; each was read again. The network's own comes first. */
  write(plans: readonly GrowthPlan[], grown: Model): Promise<readonly NamedBytes[]>
}

/**
 * Opens a network.
 *
 * @param data files that were opened together with it: external data, weights of PyTorch, the state of an optimizer
 */
export async function openNetwork(
  { name, bytes }: NamedBytes,
  data: readonly NamedBytes[],
): Promise<Network> {
  const bridges = () => import('net2net/bridges')
  if (looksZippedOrHdf(bytes)) {
    const { beginsAsKeras, readKeras } = await bridges()
    if (beginsAsKeras(bytes)) {
      const network = readKeras(memorySource(bytes), name)
      return {
        model: network.model,
        unbound: [],
        mustBeWritable(plans) {
          network.grow(plans)
        },
        // New layers are none of the file's: the network is shown all the same.
        afterGrowth: async (plans, grown) =>
          plans.some(({ inserted }) => inserted.length > 0) ? grown : network.grow(plans).model,
        async write(plans) {
          const output = outputName(name)
          const written = joined(network.grow(plans).parts())
          readKeras(memorySource(written), output)
          return [{ name: output, bytes: written }]
        },
      }
    }
  }
  const used = new Set<string>()
  const model = decodeModel(bytes, { name, openExternal: externalDataIn(data, used) })
  const beside = data.filter((file) => !used.has(file.name))
  const state = beside.length > 0 ? await stateAmong(beside) : {}
  const grown =
    state.weights === undefined
      ? undefined
      : await grownState(beside, model, state, outputStem(name))
  // Broken files are told at once, and not when what has grown is written.
  grown?.after([])
  return {
    model,
    ...state,
    unbound: grown?.unbound() ?? [],
    mustBeWritable(plans) {
      grown?.after(plans)
    },
    afterGrowth: async (_, model) => model,
    async write(plans, model) {
      const own = { name: outputName(name), bytes: new Uint8Array(encodeModel(model)) }
      if (grown === undefined) return [own]
      const files = [
        own,
        ...[...grown.after(plans)].map(([file, content]) => ({
          name: file,
          bytes: bytesOf(content),
        })),
      ]
      grown.mustBeIn(files, model)
      return files
    },
  }
}

/** Files of PyTorch beside a network, and what growth makes of them. */
async function grownState(
  files: readonly NamedBytes[],
  model: Model,
  { weights = '', ...rest }: State,
  stem: string,
) {
  const { growStateIn, mustHoldState, unboundParameters } = await import('net2net/bridges')
  const options = { weights, ...rest }
  return {
    unbound: () => unboundParameters(opener(files), model, options),
    after: (plans: readonly GrowthPlan[]) =>
      growStateIn(opener(files), model, plans, stem, options),
    /** What was written is read again. */
    mustBeIn(written: readonly NamedBytes[], grown: Model) {
      mustHoldState(opener(written), grown, stem, options)
    },
  }
}

interface State {
  readonly weights?: string
  readonly optimizer?: string
}

const bytesOf = (
  content: string | Uint8Array | Parameters<typeof joined>[0],
): Uint8Array<ArrayBuffer> =>
  typeof content === 'string'
    ? new TextEncoder().encode(content)
    : content instanceof Uint8Array
      ? new Uint8Array(content)
      : joined(content)

/** Zip archives and files of HDF5 begin with these bytes; only then is it worth to load what reads them. */
const looksZippedOrHdf = ([first]: Uint8Array): boolean => first === 0x50 || first === 0x89

const opener =
  (files: readonly { readonly name: string; readonly bytes: Uint8Array }[]) =>
  (wanted: string): ByteSource => {
    const file = files.find(({ name }) => name === wanted)
    if (!file)
      throw inputError(`${wanted} is not among the files that were opened together.`, {
        where: wanted,
        hint: `Drop all of them at once, ${wanted} too.`,
      })
    return memorySource(file.bytes)
  }

/** Which of the files are the weights, and which is the state of the optimizer. */
async function stateAmong(files: readonly NamedBytes[]): Promise<State> {
  const { isOptimizerState, readTorchFile } = await import('net2net/bridges')
  const isTorch = ({ bytes }: NamedBytes) => looksZippedOrHdf(bytes)
  const optimizers = files.filter(
    (file) => isTorch(file) && isOptimizerState(readTorchFile(memorySource(file.bytes), file.name)),
  )
  const rest = files.filter((file) => !optimizers.includes(file))
  // An index names the others.
  const index = rest.find(({ name }) => /\.index\.json$/i.test(name))
  const weights = index ? [index] : rest
  const [first, second] = weights
  const [optimizer, another] = optimizers
  const twice = second ?? another
  if (twice)
    throw inputError(`${twice.name} is one file too many beside the network.`, {
      where: twice.name,
      hint: 'Drop the network, its weights (several of them with their index) and the state of one optimizer.',
    })
  if (!first && optimizer)
    throw inputError(`${optimizer.name} is the state of an optimizer, whose weights are missing.`, {
      where: optimizer.name,
      hint: 'Drop the weights, too.',
    })
  if (first && !index && !isTorch(first) && !/\.safetensors$/i.test(first.name))
    throw inputError(`${first.name} is neither data nor weights of the network beside it.`, {
      where: first.name,
      hint: 'Weights of PyTorch end with .safetensors, .pt, .pth or .bin.',
    })
  return {
    ...(first && { weights: first.name }),
    ...(optimizer && { optimizer: optimizer.name }),
  }
}

/** Bytes that are read a piece at a time. */
const piece = 1 << 24

function joined(
  parts: readonly {
    readonly byteLength: number
    read(offset: number, length: number): Uint8Array
  }[],
): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, { byteLength }) => sum + byteLength, 0))
  let at = 0
  for (const part of parts)
    for (let from = 0; from < part.byteLength; from += piece) {
      const read = part.read(from, Math.min(piece, part.byteLength - from))
      whole.set(read, at)
      at += read.length
    }
  return whole
}

/** The same error, naming the file that it is about. */
export function namingFile(error: unknown, name: string): unknown {
  if (!(error instanceof Net2NetError) || error.kind !== 'input' || error.where !== undefined)
    return error
  const { message, hint } = error
  return inputError(`${name}: ${message}`, { where: name, ...(hint !== undefined && { hint }) })
}
