/**
 * PyTorch's `.pt`, `.pth` and `.bin` files: a zip archive with one pickle and the storages that it names.
 * Nothing in the pickle is executed. Tensors are lazy on the file. Tensors can be replaced, and the file written
 * again so that `torch.load(FILE, weights_only=True)` opens it.
 *
 * @see https://docs.pytorch.org/docs/stable/notes/serialization.html
 */

import { readZip, zipParts } from '../data/zip.ts'
import { inputError } from '../errors.ts'
import { quote } from '../model/quote.ts'
import type { BytePart, ByteSource } from '../tensor/bytes.ts'
import { byteLengthOf, type DType } from '../tensor/dtype.ts'
import { computedTensor } from '../tensor/lazy.ts'
import { bytesFrom, elementCount, type LazyTensor } from '../tensor/tensor.ts'
import {
  entryOf,
  PickleCall,
  PickleDict,
  PickleGlobal,
  PickleList,
  PicklePersistent,
  PickleTuple,
  type PickleValue,
} from './pickle.ts'
import { readPickle } from './pickle-read.ts'
import { writePickle } from './pickle-write.ts'

const storageTypes: Readonly<Record<string, DType>> = {
  DoubleStorage: 'float64',
  FloatStorage: 'float32',
  HalfStorage: 'float16',
  BFloat16Storage: 'bfloat16',
  LongStorage: 'int64',
  IntStorage: 'int32',
  ShortStorage: 'int16',
  CharStorage: 'int8',
  ByteStorage: 'uint8',
  BoolStorage: 'bool',
}
const storageOf = new Map(Object.entries(storageTypes).map(([name, dtype]) => [dtype, name]))

const rebuildTensor = 'torch._utils._rebuild_tensor_v2'
const rebuildParameter = 'torch._utils._rebuild_parameter'

/** A tensor larger than this has a storage as large as itself. */
const mostRepeated = 1 << 28

/** What state dicts, optimizer states and checkpoints of them are made of. */
const allowed = new Set([
  'collections.OrderedDict',
  'collections.defaultdict',
  '_codecs.encode',
  '__builtin__.set',
  'builtins.set',
  'torch.Size',
  'torch.device',
  'torch._utils._rebuild_parameter_with_state',
  rebuildTensor,
  rebuildParameter,
  ...Object.keys(storageTypes).map((name) => `torch.${name}`),
  ...['float64', 'float32', 'float16', 'bfloat16', 'int64', 'int32', 'bool'].map(
    (t) => `torch.${t}`,
  ),
])

export interface TorchFile {
  /** What the file holds: dicts, lists, numbers, and tensors as the calls that make them. */
  readonly value: PickleValue
  /** The tensor that a value of the file is, or undefined for anything else. */
  tensorOf(value: PickleValue | undefined): LazyTensor | undefined
  /** Where a tensor of the file lies: equal for those that are one tensor (tied weights). */
  placeOf?(tensor: LazyTensor): string | undefined
}

/**
 * Reads the pickle of a PyTorch file; the storages stay where they are.
 *
 * @throws Net2NetError (input) where the file is broken, is of PyTorch's old format, or names what is not allowed
 */
export function readTorchFile(source: ByteSource, name: string): TorchFile {
  const start = source.size >= 2 ? source.read(0, 2) : new Uint8Array(0)
  if (start[0] !== 0x50 || start[1] !== 0x4b)
    throw inputError(`${name} is not a zip archive, as PyTorch has written since version 1.6.`, {
      where: name,
      hint: `For an older file run in Python: torch.save(torch.load('${name}', weights_only=True), 'new.pt').`,
    })
  const members = readZip(source, name)
  const pickle = [...members.keys()].find((member) => /^[^/]+\/data\.pkl$/.test(member))
  if (pickle === undefined)
    throw inputError(`${name} holds no data.pkl: it is not a file that torch.save wrote.`, {
      where: name,
    })
  const folder = pickle.slice(0, -'data.pkl'.length)
  const order = members.get(`${folder}byteorder`)
  if (order && new TextDecoder().decode(order.read(0, Math.min(order.size, 16))) !== 'little')
    throw inputError(`${name} was written on a machine whose byte order is not little-endian.`, {
      where: name,
    })
  const text = members.get(pickle)!
  if (text.size > 1 << 28)
    throw inputError(`${name} has a pickle of ${text.size} bytes, which is no model's.`, {
      where: name,
    })
  const value = readPickle(text.read(0, text.size), (path) => allowed.has(path), name)
  const tensors = new Map<PickleCall, LazyTensor>()
  const places = new Map<LazyTensor, string>()
  return {
    value,
    placeOf: (tensor) => places.get(tensor),
    tensorOf(candidate) {
      const call = tensorCall(candidate)
      if (!call) return undefined
      const known = tensors.get(call)
      if (known) return known
      const tensor = readTensor(call, (key) => members.get(`${folder}data/${key}`), name)
      tensors.set(call, tensor)
      places.set(tensor, placeOf(call))
      return tensor
    },
  }
}

/** The storage, the offset, the sizes and the strides of a tensor that was read. */
function placeOf({ args }: PickleCall): string {
  const [persistent, offset, size, stride] = args.items
  const id = persistent instanceof PicklePersistent ? persistent.id : undefined
  const key = id instanceof PickleTuple ? id.items[2] : undefined
  return JSON.stringify([key, String(offset), countsOf(size), countsOf(stride)])
}

/** The call that makes the tensor itself, without the parameter around it. */
function tensorCall(value: PickleValue | undefined): PickleCall | undefined {
  const isParameter = value instanceof PickleCall && value.callee.path === rebuildParameter
  const call = isParameter ? value.args.items[0] : value
  return call instanceof PickleCall && call.callee.path === rebuildTensor ? call : undefined
}

function readTensor(
  { args }: PickleCall,
  storage: (key: string) => ByteSource | undefined,
  name: string,
): LazyTensor {
  const broken = (what: string) =>
    inputError(`${name} describes a tensor that cannot be read: ${what}.`, { where: name })
  const [persistent, offset, size, stride] = args.items
  const id = persistent instanceof PicklePersistent && persistent.id
  if (!(id instanceof PickleTuple)) throw broken('it has no storage')
  const [kind, type, key] = id.items
  const dtype = type instanceof PickleGlobal ? storageTypes[type.name] : undefined
  if (kind !== 'storage' || typeof key !== 'string' || dtype === undefined)
    throw broken('the type of its storage is unknown')
  const data = storage(key)
  if (!data) throw broken(`its storage ${quote(key)} is not in the file`)
  const dims = countsOf(size)
  const strides = countsOf(stride)
  const first = typeof offset === 'bigint' ? Number(offset) : Number.NaN
  if (
    !dims ||
    !strides ||
    dims.length !== strides.length ||
    !Number.isSafeInteger(first) ||
    first < 0
  )
    throw broken('its shape is none')
  const item = byteLengthOf(dtype, 1)
  const count = elementCount(dims)
  const last = dims.reduce((sum, length, axis) => sum + (length - 1) * strides[axis]!, first)
  if (count > 0 && (!Number.isSafeInteger(last) || (last + 1) * item > data.size))
    throw broken(`its storage ${quote(key)} is too short`)
  const byteLength = byteLengthOf(dtype, count)
  if (isContiguous(dims, strides))
    return { dtype, dims, byteLength, ...bytesFrom(data, first * item) }
  // Entries that several places share may be few in the file and many in memory.
  if (byteLength > Math.max(data.size, mostRepeated))
    throw broken(
      `it would take ${byteLength} bytes, and its storage ${quote(key)} has ${data.size}`,
    )
  return computedTensor(dtype, dims, byteLength, () => {
    const bytes = new Uint8Array(byteLength)
    if (byteLength === 0) return bytes
    const stored = data.read(first * item, (last - first + 1) * item)
    const index = dims.map(() => 0)
    for (let at = 0; at < byteLength; at += item) {
      const element = index.reduce((sum, i, axis) => sum + i * strides[axis]!, 0)
      for (let k = 0; k < item; k++) bytes[at + k] = stored[element * item + k]!
      for (let axis = dims.length - 1; axis >= 0 && ++index[axis]! === dims[axis]; axis--)
        index[axis] = 0
    }
    return bytes
  })
}

function isContiguous(dims: readonly number[], strides: readonly number[]): boolean {
  let expected = 1
  for (let axis = dims.length - 1; axis >= 0; axis--) {
    if (dims[axis] !== 1 && strides[axis] !== expected) return false
    expected *= dims[axis]!
  }
  return true
}

const contiguousStrides = (dims: readonly number[]): number[] =>
  dims.map((_, axis) => elementCount(dims.slice(axis + 1)))

/** Sizes as a tuple, or as a torch.Size of one. */
function countsOf(value: PickleValue | undefined): number[] | undefined {
  const tuple = value instanceof PickleCall ? value.args.items[0] : value
  if (!(tuple instanceof PickleTuple)) return undefined
  const counts = tuple.items.map((item) => (typeof item === 'bigint' ? Number(item) : Number.NaN))
  return counts.every((count) => Number.isSafeInteger(count) && count >= 0) ? counts : undefined
}

/**
 * The parts of a PyTorch file with the same content, but for tensors that `replace` has another for. Tensors that
 * shared a storage go on to share one, where they are replaced by one and the same tensor or not at all.
 *
 * @param folder the archive's folder, by habit the file's name without its ending
 */
export function torchFileParts(
  file: TorchFile,
  replace: (tensor: LazyTensor) => LazyTensor | undefined,
  folder: string,
): readonly BytePart[] {
  const storages = new Map<LazyTensor, string>()
  const mapped = new Map<object, PickleValue>()
  const storageFor = (tensor: LazyTensor): PicklePersistent => {
    const key = storages.get(tensor) ?? `${storages.size}`
    storages.set(tensor, key)
    const type = storageOf.get(tensor.dtype)
    if (type === undefined)
      throw inputError(`PyTorch files have no storage for tensors of type ${tensor.dtype}.`)
    return new PicklePersistent(
      new PickleTuple([
        'storage',
        new PickleGlobal('torch', type),
        key,
        'cpu',
        BigInt(elementCount(tensor.dims)),
      ]),
    )
  }
  const integers = (values: readonly number[]) => new PickleTuple(values.map(BigInt))
  const map = (value: PickleValue, depth = 0): PickleValue => {
    if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value
    if (value instanceof PickleGlobal) return value
    if (depth > 200) throw inputError('The file nests values more than 200 deep.')
    const known = mapped.get(value)
    if (known !== undefined) return known
    const tensor = value === tensorCall(value) ? file.tensorOf(value) : undefined
    if (tensor && value instanceof PickleCall) {
      const next = replace(tensor) ?? tensor
      const [, , , , ...rest] = value.args.items
      const args = [
        storageFor(next),
        0n,
        integers(next.dims),
        integers(contiguousStrides(next.dims)),
        ...rest.map((part) => map(part, depth + 1)),
      ]
      const call = new PickleCall(value.callee, new PickleTuple(args))
      mapped.set(value, call)
      return call
    }
    if (value instanceof PickleTuple) {
      const tuple = new PickleTuple(value.items.map((item) => map(item, depth + 1)))
      mapped.set(value, tuple)
      return tuple
    }
    if (value instanceof PickleCall) {
      const call = new PickleCall(value.callee, map(value.args, depth + 1) as PickleTuple)
      mapped.set(value, call)
      call.items.push(...value.items.map((item) => map(item, depth + 1)))
      for (const [key, item] of value.entries)
        call.entries.push([map(key, depth + 1), map(item, depth + 1)])
      if (value.state !== undefined) call.state = map(value.state, depth + 1)
      return call
    }
    if (value instanceof PickleDict) {
      const dict = new PickleDict()
      mapped.set(value, dict)
      for (const [key, item] of value.entries)
        dict.entries.push([map(key, depth + 1), map(item, depth + 1)])
      return dict
    }
    if (value instanceof PickleList) {
      const list = new PickleList()
      mapped.set(value, list)
      for (const item of value.items) list.items.push(map(item, depth + 1))
      return list
    }
    return value
  }
  const pickle = writePickle(map(file.value), folder)
  const bytes = (content: string | Uint8Array): BytePart => {
    const data = typeof content === 'string' ? new TextEncoder().encode(content) : content
    return { byteLength: data.length, read: (at, length) => data.subarray(at, at + length) }
  }
  return zipParts([
    { name: `${folder}/data.pkl`, data: bytes(pickle) },
    { name: `${folder}/byteorder`, data: bytes('little') },
    ...[...storages].map(([tensor, key]) => ({ name: `${folder}/data/${key}`, data: tensor })),
    { name: `${folder}/version`, data: bytes('3\n') },
  ])
}

/** Names under which checkpoints keep a state dict. */
const stateDictKeys = ['state_dict', 'model_state_dict', 'model', 'module', 'net', 'params']

/**
 * The entries of the state dict that a file holds: itself, or in a checkpoint under a usual name.
 *
 * @throws Net2NetError (input) where there is none
 */
export function stateDictOf(file: TorchFile, name: string): ReadonlyMap<string, LazyTensor> {
  const entriesOf = (value: PickleValue | undefined) => {
    if (!(value instanceof PickleDict || value instanceof PickleCall)) return undefined
    const entries = value.entries.flatMap(([key, item]) => {
      const tensor = file.tensorOf(item)
      return typeof key === 'string' && tensor ? [[key, tensor] as const] : []
    })
    return entries.length > 0 && entries.length === value.entries.length
      ? new Map(entries)
      : undefined
  }
  for (const candidate of [file.value, ...stateDictKeys.map((key) => entryOf(file.value, key))]) {
    const entries = entriesOf(candidate)
    if (entries) return entries
  }
  throw inputError(`${name} holds no state dict: no table of tensors by name.`, {
    where: name,
    hint: 'Save one: torch.save(model.state_dict(), FILE).',
  })
}
