/** Files of other formats are called by their names, and whole networks are read from Blobs. */
import { describe, expect, test } from 'vitest'
import { joined, kerasBytes, torchBytes } from '../../testing/framework-files.ts'
import { safetensorsParts } from '../bridges/safetensors.ts'
import { inspect, load } from '../index.browser.ts'
import { load as loadInNode } from '../index.ts'
import { dense, sequential } from '../layers/index.ts'
import { float32 } from '../tensor/tensor.ts'
import { encodeModel } from './encode.ts'

const weights = new Map([['a', float32([2], [1, 2])]])
const latin = (text: string) => Uint8Array.from(text, (letter) => letter.charCodeAt(0))
const file = (name: string, bytes: Uint8Array) =>
  Object.assign(new Blob([new Uint8Array(bytes)]), { name })

describe('a Blob', () => {
  test.each([
    ['net.onnx', encodeModel(sequential([dense(8, { name: 'hidden' })], { input: [6] }))],
    ['net.keras', kerasBytes()],
  ])('%s is a network, in browsers and in Node', async (name, bytes) => {
    for (const read of [load, loadInNode]) {
      const { layers } = inspect(await read(file(name, bytes)))
      expect(layers[0]).toMatchObject({ name: 'hidden', width: 8 })
    }
  })

  test.each([
    [
      'weights of safetensors',
      joined(safetensorsParts(weights)),
      /not an ONNX file: it holds weights/,
    ],
    ['weights of PyTorch', torchBytes(weights), /^file holds weights, and not the network/],
    ['a pickle', latin('\x80\x02\x8a\x0a'), /it is a pickle of Python, which is never executed/],
    ['GGUF', latin('GGUF\x03\0\0\0'), /it is a file of GGUF/],
    ['TensorFlow Lite', latin('\x1c\0\0\0TFL3\0\0'), /it is a model of TensorFlow Lite/],
    ['ONNX Runtime', latin('\x1c\0\0\0ORTM\0\0'), /it is a model in ONNX Runtime's own format/],
    ['an error page', latin('\n<!DOCTYPE html>'), /it is a text \(JSON, HTML or the like\)/],
    ['JSON', latin('{"a": 1}'), /it is a text/],
    ['notes', latin('What I know of the network:\n'), /it is a text/],
    ['a short note', latin('later'), /it is a text/],
    ['Chinese', new TextEncoder().encode('关于这个网络的笔记'), /it is a text/],
    ['nothing', new Uint8Array(0), /it is empty/],
    ['an archive of something else', latin('PK\x03\x04'), /^file is not a zip archive/],
  ])('that is %s is refused by its name, with what to do', async (_, bytes, message) => {
    const refused = load(file('file', bytes))
    await expect(refused).rejects.toMatchObject({
      kind: 'input',
      message: expect.stringMatching(message),
    })
  })
})
