/**
 * What the Node and the web build of ONNX Runtime share: both speak the same JavaScript API.
 * API: https://onnxruntime.ai/docs/api/js/
 */
import type * as OrtApi from 'onnxruntime-node'
import { inputError, internalError, Net2NetError, usageError } from '../errors.ts'
import type { Dim } from '../model/model.ts'
import { type DType, dtypes } from '../tensor/dtype.ts'
import {
  allocate,
  isNumeric,
  type NumericDType,
  Tensor,
  type TypedArray,
} from '../tensor/tensor.ts'
import type {
  Feeds,
  InPlaceOptions,
  Runtime,
  Session,
  SessionOptions,
  SessionValue,
} from './runtime.ts'
import { forWebGpu } from './webgpu-nodes.ts'

/** The two classes of ONNX Runtime's API that we use. */
export type Ort = Pick<typeof OrtApi, 'InferenceSession' | 'Tensor'>
type NativeSession = OrtApi.InferenceSession
type NativeTensor = OrtApi.Tensor
export type NativeOptions = OrtApi.InferenceSession.SessionOptions

export interface OrtBuild {
  /** Name and version. */
  describe(): string
  readonly blockedImages?: true
  readonly copiesInPlaceOutputs?: true
  /** Loads the library, on first use. */
  load(): Promise<Ort>
  options(options: SessionOptions): NativeOptions
  /** The bytes of a model that is somewhere: a file, or an address. */
  read(where: string): Promise<Uint8Array>
  /** True where outputs that the caller allocated are not written by the library itself. */
  readonly copiesOutputs?: true
  /**
   * True where the library reads float16 from a Uint16Array alone. Engines that have Float16Array make
   * the constructor of its tensors insist on that, and its native part then finds no elements in it.
   */
  readonly halfFloatsAsBits?: true
  /** A sentence for a device that cannot be had; undefined if `reason` is about something else. */
  deviceHint(options: SessionOptions, reason: string): string | undefined
}

/**
 * What ONNX Runtime must not do to a graph. It takes zeros before a maximum pooling for the pooling's own pads, which no maximum sees, and makes pads of a pooling
 * that are as large as its window, which it then refuses.
 */
const leftOut = 'Pad_Fusion'

/** A runtime on one build of ONNX Runtime. */
export function ortRuntime(build: OrtBuild): Runtime {
  return {
    get description() {
      return build.describe()
    },
    ...(build.blockedImages && { blockedImages: true }),
    ...(build.copiesInPlaceOutputs && { copiesInPlaceOutputs: true }),
    async createSession(given, options = {}) {
      const ort = await build.load()
      const chosen = build.options(options)
      const native: NativeOptions = {
        ...chosen,
        ...keepOnDevice(options),
        extra: { ...chosen.extra, optimization: { disable_specified_optimizers: leftOut } },
      }
      let model = given
      if (options.device === 'webgpu') {
        const bytes = typeof given === 'string' ? await build.read(given) : given
        const { bytes: named, onProcessor: forceCpuNodeNames } = forWebGpu(bytes)
        model = named
        // The provider refuses an empty list.
        if (forceCpuNodeNames.length > 0)
          native.executionProviders = (native.executionProviders ?? []).map((provider) =>
            provider === 'webgpu' ? { name: provider, forceCpuNodeNames } : provider,
          )
      }
      let session: NativeSession
      try {
        // The two overloads differ in nothing else.
        session =
          typeof model === 'string'
            ? await ort.InferenceSession.create(model, native)
            : await ort.InferenceSession.create(unshared(model), native)
      } catch (cause) {
        const reason = shortReason(cause)
        const hint = build.deviceHint(options, reason)
        if (hint !== undefined)
          throw inputError(`The device ${options.device} is not available: ${reason}. ${hint}`, {
            cause,
          })
        const where = typeof given === 'string' ? given : undefined
        throw inputError(
          `ONNX Runtime cannot load ${where ?? 'the model'}: ${reason}.`,
          where === undefined ? { cause } : { where, cause },
        )
      }
      return new OrtSession(ort, session, build, options.refused)
    },
  }
}

/**
 * Why a build of ONNX Runtime cannot be loaded: its package is an optional peer of this one. (Where it is loaded, `import` stands
 * in a `try`, which bundlers take for leave to go on without the package.)
 */
export function loadError(name: string, cause: unknown): Net2NetError {
  const isMissing = (cause as { readonly code?: unknown }).code === 'ERR_MODULE_NOT_FOUND'
  return inputError(
    isMissing
      ? `Running models needs ONNX Runtime: npm install ${name}.`
      : `ONNX Runtime (${name}) cannot be loaded: ${shortReason(cause)}.`,
    { cause },
  )
}

class OrtSession implements Session {
  readonly inputs: readonly SessionValue[]
  readonly outputs: readonly SessionValue[]
  readonly #ort: Ort
  readonly #session: NativeSession
  readonly #build: OrtBuild
  readonly #refused: InPlaceOptions['refused']
  /** A step is fed the same hundreds of tensors again and again. */
  readonly #natives = new WeakMap<Tensor, NativeTensor>()
  #released = false

  constructor(
    ort: Ort,
    session: NativeSession,
    build: OrtBuild,
    refused: InPlaceOptions['refused'],
  ) {
    this.#refused = refused
    this.#ort = ort
    this.#session = session
    this.#build = build
    this.inputs = session.inputMetadata.map(sessionValue)
    this.outputs = session.outputMetadata
      .filter(({ name }) => name !== refused?.output)
      .map(sessionValue)
  }

  async run(feeds: Feeds, outputs?: readonly string[] | Feeds): Promise<Record<string, Tensor>> {
    if (this.#released) throw internalError('This session has been released.')
    const nativeFeeds: Record<string, NativeTensor> = {}
    for (const { name } of this.inputs) {
      const tensor = feeds[name]
      // A missing input may be an initializer with a default; ONNX Runtime knows.
      if (tensor) nativeFeeds[name] = this.#toNative(name, tensor)
    }
    for (const name of Object.keys(feeds))
      if (!(name in nativeFeeds))
        throw usageError(`The model has no input ${name}; it has ${names(this.inputs)}.`)

    const preallocated = outputs !== undefined && !isNames(outputs) ? outputs : undefined
    const wanted = preallocated
      ? Object.keys(preallocated)
      : ((outputs as readonly string[] | undefined) ?? this.#session.outputNames)
    for (const name of wanted)
      if (!this.#session.outputNames.includes(name))
        throw usageError(`The model has no output ${name}; it has ${names(this.outputs)}.`)

    let results: OrtApi.InferenceSession.OnnxValueMapType
    try {
      if (preallocated && !this.#build.copiesOutputs) {
        const fetches: Record<string, NativeTensor | null> = {}
        if (this.#refused) fetches[this.#refused.output] = null
        for (const name of wanted) fetches[name] = this.#toNative(name, preallocated[name]!)
        await this.#session.run(nativeFeeds, fetches)
        return { ...preallocated }
      }
      results = await this.#session.run(nativeFeeds, wanted)
    } catch (cause) {
      if (cause instanceof Net2NetError) throw cause
      if (preallocated && cause instanceof Error && cause.message === this.#refused?.message)
        return { ...preallocated }
      throw inputError(`ONNX Runtime cannot run the model: ${shortReason(cause)}.`, { cause })
    }
    const outcome = wanted.map((name) => [name, fromNative(name, results[name]!)] as const)
    if (!preallocated) return Object.fromEntries(outcome)
    for (const [name, tensor] of outcome) {
      const { buffer, byteOffset, byteLength } = preallocated[name]!.data
      new Uint8Array(buffer, byteOffset, byteLength).set(tensor.read(0, tensor.byteLength))
    }
    return { ...preallocated }
  }

  async release(): Promise<void> {
    if (this.#released) return
    this.#released = true
    await this.#session.release()
  }

  #toNative(name: string, tensor: Tensor): NativeTensor {
    if (tensor instanceof DeviceTensor) return tensor.native
    const known = this.#natives.get(tensor)
    if (known) return known
    const { dtype, dims } = tensor
    if (dtype === 'bfloat16')
      throw usageError(`ONNX Runtime's JavaScript API takes no bfloat16 tensors (${name}).`)
    const elements = unshared(tensor.data)
    const data = dtype === 'float16' ? asHalfFloats(elements) : elements
    // The constructor is overloaded per type; dtype and array agree by Tensor's own type.
    const native = new this.#ort.Tensor(dtype as 'float32', data as Float32Array<ArrayBuffer>, [
      ...dims,
    ])
    if (data !== elements && this.#build.halfFloatsAsBits)
      Object.defineProperty(native, 'cpuData', { value: elements })
    // Of shared memory this is a copy, which would grow old.
    if (elements === tensor.data) this.#natives.set(tensor, native)
    return native
  }
}

/**
 * An output that stayed on the device: feed it to a later run, or dispose of it. Its elements
 * cannot be read.
 */
export class DeviceTensor extends Tensor {
  readonly native: NativeTensor

  constructor(dtype: NumericDType, dims: readonly number[], native: NativeTensor) {
    super(dtype, [0], allocate(dtype, 0))
    this.native = native
    Object.defineProperties(this, {
      dims: { value: dims },
      data: {
        get: () => {
          throw internalError('This tensor is on the device: its elements cannot be read here.')
        },
      },
    })
  }

  dispose(): void {
    this.native.dispose()
  }
}

function fromNative(name: string, value: OrtApi.OnnxValue): Tensor {
  const { type, dims } = value as { type?: string; dims?: readonly number[] }
  if (type === undefined || dims === undefined || !(type in dtypes) || !isNumeric(type as DType))
    throw inputError(`Output ${name} is not a numeric tensor (${type ?? 'a sequence or map'}).`)
  const dtype = type as NumericDType
  const native = value as NativeTensor
  if (native.location !== 'cpu') return new DeviceTensor(dtype, dims, native)
  const data = native.data as TypedArray
  return new Tensor(
    dtype,
    dims,
    dtype === 'float16' && !(data instanceof Uint16Array)
      ? new Uint16Array(data.buffer, data.byteOffset, data.length)
      : data,
  )
}

/** float16 bit patterns in the array type that this JavaScript engine's build of the API wants. */
function asHalfFloats(data: TypedArray): TypedArray {
  const Half = (globalThis as { Float16Array?: new (...args: unknown[]) => TypedArray })
    .Float16Array
  return Half === undefined ? data : new Half(data.buffer, data.byteOffset, data.length)
}

/** ONNX Runtime refuses shared memory: copy it. */
const unshared = <T extends TypedArray>(data: T): T =>
  typeof SharedArrayBuffer !== 'undefined' && data.buffer instanceof SharedArrayBuffer
    ? (data.slice() as T)
    : data

const isNames = (outputs: readonly string[] | Feeds): outputs is readonly string[] =>
  Array.isArray(outputs)

const names = (values: readonly SessionValue[]): string =>
  values.map((value) => value.name).join(', ')

function sessionValue(metadata: OrtApi.InferenceSession.ValueMetadata): SessionValue {
  if (!metadata.isTensor) return { name: metadata.name, dtype: undefined, shape: [] }
  return {
    name: metadata.name,
    dtype: metadata.type in dtypes ? (metadata.type as DType) : undefined,
    shape: metadata.shape.map(dimOf),
  }
}

/** A size without a name is an empty name in Node, and −1 in a browser, read as an unsigned number. */
const dimOf = (dim: number | string): Dim =>
  dim === '' || dim === -1 || dim === 2 ** 32 - 1 ? null : dim

function keepOnDevice({ keepOnDevice: kept, device }: SessionOptions): NativeOptions {
  if (kept === undefined || kept.length === 0 || device !== 'webgpu') return {}
  return {
    preferredOutputLocation: Object.fromEntries(kept.map((name) => [name, 'gpu-buffer' as const])),
  }
}

/**
 * The part of ONNX Runtime's message that a user can act on: without source paths, C++
 * signatures and status prefixes, on one line, at most 300 characters, without a final stop.
 */
export function shortReason(error: unknown): string {
  const text = (error instanceof Error ? error.message : String(error))
    .replace(/\[ONNXRuntimeError\] : \d+ : \w+ : /g, '')
    .replace(/\/\S*onnxruntime\S*\.(cc|h|cpp|hpp):\d+ /g, '')
    .replace(
      /^(onnxruntime::|void |static |virtual |common::|Ort)[^\n]*?\)(::<lambda\(\)>)? (const )?/,
      '',
    )
    .replace(/\s+/g, ' ')
    .trim()
    .replace(/\.+$/, '')
  return text.length > 300 ? `${text.slice(0, 297)}…` : text
}
