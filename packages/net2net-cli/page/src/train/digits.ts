/** The page's part of MNIST, or of what has its form: labels, then images, one byte each, packed by the build. */

import { Tensor } from 'net2net'
import { type ArrayDataset, digitsDataset, mnistSource } from 'net2net/data'
import { inputError } from '../../../src/errors.ts'

const pixels = 28 * 28
const folder = new URL(import.meta.env.DEV ? '/data/' : '../data/', import.meta.url)

export interface Digits {
  readonly labels: Uint8Array
  readonly images: Uint8Array
}

async function digits(part: 'train' | 'test', dataset: string): Promise<Digits> {
  const name = `${dataset}-${part}.bin`
  const response = await fetch(new URL(name, folder))
  if (!response.ok)
    throw inputError(`${name} is not part of this page's build.`, {
      where: name,
      hint: 'Drop the four files of the data set here: images and labels, of training and of test.',
    })
  let bytes = new Uint8Array(await response.arrayBuffer())
  // Some servers say that the file is packed, and then the browser has unpacked it.
  if (bytes[0] === 0x1f && bytes[1] === 0x8b) {
    const unpacked = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'))
    bytes = new Uint8Array(await new Response(unpacked).arrayBuffer())
  }
  const count = bytes.length / (pixels + 1)
  if (!Number.isInteger(count)) throw inputError(`${name} is damaged.`, { where: name })
  return { labels: bytes.subarray(0, count), images: bytes.subarray(count) }
}

const kept = new Map<string, Promise<Digits>>()
export function loadDigits(part: 'train' | 'test', dataset = 'mnist'): Promise<Digits> {
  const key = `${dataset} ${part}`
  const found = kept.get(key) ?? digits(part, dataset)
  kept.set(key, found)
  return found
}

/** The first `count` of them as a data set. */
export async function digitsData(part: 'train' | 'test', count: number): Promise<ArrayDataset> {
  const { labels, images } = await loadDigits(part)
  const n = Math.min(count, labels.length)
  return digitsDataset(
    new Tensor('uint8', [n, 28, 28], images.subarray(0, n * pixels)),
    new Tensor('uint8', [n], labels.subarray(0, n)),
    mnistSource,
  )
}
