/**
 * Files of Keras: the `.keras` archive of Keras 3 and the older `.h5`. Weights are lazy on the file; what is not
 * understood is kept, so that a file can be changed and written again.
 *
 * @see https://keras.io/api/models/model_saving_apis/model_saving_and_loading/
 */

import { inMemory } from '../../data/bytes.ts'
import { readZip, zipParts } from '../../data/zip.ts'
import { inputError } from '../../errors.ts'
import { weightsAlone } from '../../onnx/other-format.ts'
import type { BytePart, ByteSource } from '../../tensor/bytes.ts'
import type { LazyTensor } from '../../tensor/tensor.ts'
import {
  type Hdf5Group,
  type Hdf5Object,
  type Hdf5Value,
  readHdf5,
  textOf,
  textsOf,
} from '../hdf5-read.ts'
import { hdf5Parts } from '../hdf5-write.ts'
import { isObject, type JsonObject, jsonText, parseJson } from './json.ts'

export interface KerasFile {
  readonly format: 'keras' | 'h5'
  /** What the file is called in messages. */
  readonly name: string
  /** The model: its class and config. */
  readonly model: JsonObject
  /** How it was compiled: loss, optimizer, metrics; undefined where it was not. */
  readonly compiled: JsonObject | undefined
  /** The HDF5 file with the weights. */
  readonly weights: Hdf5Group
  /** All numbers of that file by their path (`layers/dense/vars/0`). */
  readonly tensors: ReadonlyMap<string, LazyTensor>
  /** Other members of the archive. */
  readonly others: ReadonlyMap<string, ByteSource>
}

/** Longer configs are no model's. */
const longestConfig = 1 << 27

/**
 * Opens a file of Keras; only what describes the weights is read.
 *
 * @throws Net2NetError (input) where it is none, or is broken
 */
export function readKerasFile(source: ByteSource, name: string): KerasFile {
  const start = source.read(0, Math.min(4, source.size))
  return start[0] === 0x50 && start[1] === 0x4b
    ? readArchive(source, name)
    : readLegacy(source, name)
}

function readArchive(source: ByteSource, name: string): KerasFile {
  const members = new Map(readZip(source, name))
  if ([...members.keys()].some((member) => member.endsWith('/data.pkl')))
    throw inputError(`${name} ${weightsAlone.what}.`, { where: name, hint: weightsAlone.hint })
  const take = (member: string): ByteSource => {
    const found = members.get(member)
    if (!found)
      throw inputError(`${name} has no ${member}: it is not a file that Keras 3 saved.`, {
        where: name,
        hint: 'Save one: model.save("model.keras").',
      })
    members.delete(member)
    return found
  }
  if ([...members.keys()].some((member) => /^model\.weights_|\.weights\.json$/.test(member)))
    throw inputError(`${name} has its weights in several parts, which is not supported.`, {
      where: name,
      hint: 'Save it without max_shard_size.',
    })
  const config = jsonOf(take('config.json'), `config.json of ${name}`)
  const weights = readHdf5(take('model.weights.h5'), `model.weights.h5 of ${name}`)
  const { compile_config: compiled } = config
  return {
    format: 'keras',
    name,
    model: config,
    compiled: isObject(compiled) && Object.keys(compiled).length > 0 ? compiled : undefined,
    weights,
    tensors: tensorsIn(weights),
    others: members,
  }
}

function readLegacy(source: ByteSource, name: string): KerasFile {
  const weights = readHdf5(source, name)
  const attribute = (key: string) => {
    const text = textOf(weights.attributes.get(key))
    return text === undefined ? undefined : parseJson(text, `${key} of ${name}`)
  }
  const model = attribute('model_config')
  if (!model)
    throw inputError(`${name} holds no model: it has no attribute model_config.`, {
      where: name,
      hint: 'Weights alone say nothing of the network: save the whole model (model.save).',
    })
  const training = attribute('training_config')
  const optimizer = training?.optimizer_config ?? training?.optimizer
  return {
    format: 'h5',
    name,
    model,
    compiled: training && optimizer !== undefined ? { ...training, optimizer } : training,
    weights,
    tensors: tensorsIn(weights),
    others: new Map(),
  }
}

/** The file with other tensors at some paths. */
export const withTensors = (file: KerasFile, tensors: ReadonlyMap<string, LazyTensor>): KerasFile =>
  withWeights(file, replaced(file.weights, tensors, ''))

/** The file with other groups. */
export const withWeights = (file: KerasFile, weights: Hdf5Group): KerasFile => ({
  ...file,
  weights,
  tensors: tensorsIn(weights),
})

/** The parts of a file of the same format, to be written one after the other. */
export function kerasParts({ format, model, weights, others }: KerasFile): readonly BytePart[] {
  if (format === 'h5') {
    const attributes = new Map(weights.attributes)
    attributes.set('model_config', { kind: 'texts', dims: [], texts: [jsonText(model)] })
    return hdf5Parts({ ...weights, attributes })
  }
  const metadata = others.get('metadata.json')
  return zipParts([
    ...(metadata ? [{ name: 'metadata.json', data: wholeOf(metadata) }] : []),
    { name: 'config.json', data: inMemory(new TextEncoder().encode(jsonText(model))) },
    { name: 'model.weights.h5', data: joined(hdf5Parts(weights)) },
    ...[...others]
      .filter(([member]) => member !== 'metadata.json')
      .map(([member, bytes]) => ({ name: member, data: wholeOf(bytes) })),
  ])
}

function replaced(
  group: Hdf5Group,
  tensors: ReadonlyMap<string, LazyTensor>,
  path: string,
): Hdf5Group {
  const children = [...group.children].map(([name, child]): [string, Hdf5Object] => {
    const place = `${path}${name}`
    if (child.kind === 'group') return [name, replaced(child, tensors, `${place}/`)]
    const tensor = tensors.get(place)
    const value: Hdf5Value = tensor ? { kind: 'numbers', tensor } : child.value
    return [name, { ...child, value }]
  })
  return { ...group, children: new Map(children) }
}

function tensorsIn(root: Hdf5Group): ReadonlyMap<string, LazyTensor> {
  const found = new Map<string, LazyTensor>()
  const walk = (group: Hdf5Group, path: string): void => {
    for (const [name, child] of group.children)
      if (child.kind === 'group') walk(child, `${path}${name}/`)
      else if (child.value.kind === 'numbers') found.set(`${path}${name}`, child.value.tensor)
  }
  walk(root, '')
  return found
}

/** The group at a path, or undefined. */
export function groupAt(root: Hdf5Group, path: string): Hdf5Group | undefined {
  let group: Hdf5Object | undefined = root
  for (const step of path.split('/').filter(Boolean))
    group = group?.kind === 'group' ? group.children.get(step) : undefined
  return group?.kind === 'group' ? group : undefined
}

/** Names of weights that an older file lists for a layer; long lists lie in several attributes. */
export function listedWeights({ attributes }: Hdf5Group): readonly string[] {
  const whole = textsOf(attributes.get('weight_names'))
  if (whole) return whole
  const parts: string[] = []
  for (let k = 0; ; k++) {
    const part = textsOf(attributes.get(`weight_names${k}`))
    if (!part) return parts
    parts.push(...part)
  }
}

/** The group with another list of names. */
export function withNames(group: Hdf5Group, key: string, texts: readonly string[]): Hdf5Group {
  const kept = [...group.attributes].filter(([name]) => !new RegExp(`^${key}\\d*$`).test(name))
  const value: Hdf5Value = { kind: 'texts', dims: [texts.length], texts }
  return { ...group, attributes: new Map([...kept, [key, value]]) }
}

/** A tree of groups in which another group stands at a path. */
export function withGroup(root: Hdf5Group, path: string, group: Hdf5Group): Hdf5Group {
  const [step, ...further] = path.split('/').filter(Boolean)
  if (step === undefined) return group
  const child = root.children.get(step)
  const inner: Hdf5Group =
    child?.kind === 'group' ? child : { kind: 'group', attributes: new Map(), children: new Map() }
  const children = new Map(root.children)
  children.set(step, withGroup(inner, further.join('/'), group))
  return { ...root, children }
}

function jsonOf(bytes: ByteSource, what: string): JsonObject {
  if (bytes.size > longestConfig) throw inputError(`${what} is absurdly long.`)
  return parseJson(new TextDecoder().decode(bytes.read(0, bytes.size)), what)
}

const wholeOf = (bytes: ByteSource): BytePart => ({ byteLength: bytes.size, ...bytes })

/** Parts that lie one after the other, as one. */
function joined(parts: readonly BytePart[]): BytePart {
  let byteLength = 0
  const places = parts.map((part) => {
    const from = byteLength
    byteLength += part.byteLength
    return { from, part }
  })
  return {
    byteLength,
    read(offset, length) {
      const bytes = new Uint8Array(length)
      for (const { from, part } of places) {
        const start = Math.max(offset, from)
        const end = Math.min(offset + length, from + part.byteLength)
        if (start < end) bytes.set(part.read(start - from, end - start), start - offset)
      }
      return bytes
    },
  }
}
