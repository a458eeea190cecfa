/** The data that a network of the user is trained on, in a worker: the page's own, or dropped files. */

import type { Model } from 'net2net'
import { Tensor } from 'net2net'
import {
  ArrayDataset,
  datasetOfArrays,
  decodeIdx,
  decodeNpz,
  digitsDataset,
  fashionMnistSource,
  mnistSource,
  parseCsv,
  split,
} from 'net2net/data'
import { classesOf, inferShapes, requiredInputs, withClasses } from 'net2net/model'
import type { LossName } from 'net2net/training'
import { inputError, internalError } from '../../../../src/errors.ts'
import { isView } from '../../engine/is-view.ts'
import type { NamedBytes } from '../../engine/protocol.ts'
import { loadDigits } from '../digits.ts'
import type { OwnSettings } from './protocol.ts'

export interface OwnData {
  readonly train: ArrayDataset
  readonly validation: ArrayDataset
}

/** A share of data without a test part is held back. */
const heldBack = 0.1

/** @throws input where the files hold no data, or none of the kind that they say */
export async function ownData(
  { data, samples, seed }: OwnSettings,
  files: readonly NamedBytes[],
  model: Model,
): Promise<OwnData> {
  const { train, test } = data === 'files' ? await fromFiles(files) : await fromPage(data)
  const [learnt, validation] = test ? [train, test] : withPartHeldBack(train, seed)
  const fewer = samples < learnt.length ? learnt.slice(0, samples) : learnt
  return { train: inShapeOf(model, fewer), validation: inShapeOf(model, validation) }
}

function withPartHeldBack(data: ArrayDataset, seed: number): readonly [ArrayDataset, ArrayDataset] {
  const { train, test } = split(data, heldBack, seed)
  // Of arrays in memory the parts are such arrays, too.
  if (train instanceof ArrayDataset && test instanceof ArrayDataset) return [train, test]
  throw internalError('Data in memory were split into something else.')
}

interface Parts {
  readonly train: ArrayDataset
  readonly test?: ArrayDataset
}

async function fromPage(name: 'mnist' | 'fashion-mnist'): Promise<Parts> {
  const source = name === 'mnist' ? mnistSource : fashionMnistSource
  const part = async (which: 'train' | 'test') => {
    const { labels, images } = await loadDigits(which, name)
    const count = labels.length
    return digitsDataset(
      new Tensor('uint8', [count, 28, 28], images),
      new Tensor('uint8', [count], labels),
      source,
    )
  }
  return { train: await part('train'), test: await part('test') }
}

async function fromFiles(files: readonly NamedBytes[]): Promise<Parts> {
  const unpacked = await Promise.all(files.map(unzipped))
  const images = unpacked.filter(({ name }) => /images.*idx3|idx3.*images/i.test(name))
  if (images.length > 0) return fromIdx(unpacked)
  const [first, second] = unpacked
  if (!first) throw inputError('No data are chosen.', { hint: 'Drop a .csv, .tsv or .npz file.' })
  const read = ({ name, bytes }: NamedBytes): Parts => {
    if (/\.npz$/i.test(name)) return datasetOfArrays(decodeNpz(bytes, name), name)
    if (/\.(csv|tsv|txt)$/i.test(name))
      return { train: parseCsv(new TextDecoder().decode(bytes), {}, name) }
    throw inputError(`${name} is of no kind that is read here.`, {
      where: name,
      hint: 'Data are .csv, .tsv or .npz files, or the four files of MNIST’s form.',
    })
  }
  // Of two files the one that says so is the test part.
  if (second) {
    const test = /test|val/i.test(first.name) ? first : second
    return { train: read(test === first ? second : first).train, test: read(test).train }
  }
  return read(first)
}

/** Files of MNIST's form: images and labels, of training and perhaps of test. */
function fromIdx(files: readonly NamedBytes[]): Parts {
  const part = (isTest: boolean) => {
    const own = files.filter(({ name }) => /t10k|test/i.test(name) === isTest)
    const images = own.find(({ name }) => /images/i.test(name))
    const labels = own.find(({ name }) => /labels/i.test(name))
    if (!images && !labels) return undefined
    if (!images || !labels)
      throw inputError(`${(images ?? labels)!.name} is one of two files: images and labels.`, {
        hint: 'Drop both together.',
      })
    return digitsDataset(
      decodeIdx(images.bytes, images.name),
      decodeIdx(labels.bytes, labels.name),
      {
        title: images.name,
      },
    )
  }
  const [train, test] = [part(false), part(true)]
  if (!train) throw inputError('There are test images, and none to learn from.')
  return test ? { train, test } : { train }
}

async function unzipped({ name, bytes }: NamedBytes): Promise<NamedBytes> {
  if (!/\.gz$/i.test(name)) return { name, bytes }
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'))
  const unpacked = await new Response(stream).arrayBuffer().catch(() => {
    throw inputError(`${name} is packed, but cannot be unpacked: it is truncated or damaged.`, {
      where: name,
    })
  })
  return { name: name.replace(/\.gz$/i, ''), bytes: new Uint8Array(unpacked) }
}

function inShapeOf(model: Model, data: ArrayDataset): ArrayDataset {
  const [input, another] = requiredInputs(model.graph)
  const [name, other] = Object.keys(data.inputs)
  if (!input || another || name === undefined || other !== undefined) return data
  const shape = inferShapes(model).get(input.name)?.shape?.slice(1)
  const column = data.inputs[name]!
  const isSame = String(shape) === String(column.dims)
  if (!shape?.every((size) => typeof size === 'number') || isSame) return data
  const dims = shape.map(Number)
  return isView(column.dims, dims)
    ? new ArrayDataset({ [name]: { ...column, dims } }, data.target, data.classes)
    : data
}

/**
 * The network for the classes of the data. Where these are as many as it tells apart and are called otherwise, as clothes instead of
 * digits, it is trained for them, and has their names from then on.
 */
export function forClassesOf({ train }: OwnData, model: Model): Model {
  const [known, given] = [classesOf(model), train.classes]
  const isOther = known?.length === given?.length && String(known) !== String(given)
  return given && isOther ? withClasses(model, given) : model
}

/** The output that the loss is of: the chosen one, or else the first whose predictions could be of these targets. */
export function outputFor({ output }: OwnSettings, data: OwnData, model: Model): string {
  const names = model.graph.outputs.map(({ name }) => name)
  const shapes = inferShapes(model)
  const mayFit = (name: string) => {
    const shape = shapes.get(name)?.shape?.slice(1)
    return shape === undefined || fitsTargets(shape, data)
  }
  return names.find((name) => name === output) ?? names.find(mayFit) ?? names[0]!
}

/** Scores of as many classes, or as many values. */
function fitsTargets(shape: readonly unknown[], { train: { target, classes } }: OwnData): boolean {
  if (target.dtype !== 'int32') {
    const values = target.dims.reduce((a, b) => a * b, 1)
    return shape.reduce<number>((count, size) => count * Number(size), 1) === values
  }
  const labels = Array.from(classes ? [] : target.data, Number)
  const count = classes?.length ?? labels.reduce((most, label) => Math.max(most, label), 0) + 1
  return (
    shape.length === target.dims.length + 1 &&
    shape.some((size) => typeof size !== 'number' || size >= count)
  )
}

/** The loss that the data ask for, unless one is chosen. */
export function lossFor({ loss }: OwnSettings, { train }: OwnData): LossName {
  if (loss !== 'auto') return loss
  return train.target.dtype === 'int32' ? 'softmax-cross-entropy' : 'mse'
}
