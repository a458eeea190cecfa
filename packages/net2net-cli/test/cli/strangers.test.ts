/** Files that are none, or are broken: every command says in one sentence what is wrong and what to do, and exits with 4. */
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { save } from 'net2net'
import { dense, sequential } from 'net2net/layers'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { safetensorsParts } from '../../../net2net/src/bridges/safetensors.ts'
import { joined, kerasBytes, torchBytes } from '../../../net2net/testing/framework-files.ts'
import { net2net, temporaryFolder } from './net2net.ts'

describe('files of strangers', () => {
  const folder = temporaryFolder()
  const at = (name: string) => join(folder, name)
  const model = sequential([dense(8, { name: 'a' }), dense(3, { name: 'b' })], { input: [4] })
  const entries = new Map(
    [...model.graph.initializers].map(([name, { tensor }]) => [name, tensor] as const),
  )
  beforeAll(async () => {
    await save(model, at('net.onnx'))
    const weights = joined(safetensorsParts(entries))
    const files: Readonly<Record<string, Uint8Array | string>> = {
      'weights.safetensors': weights,
      'weights.pt': torchBytes(entries),
      'cut.safetensors': weights.slice(0, -8),
      'cut.pt': torchBytes(entries).slice(0, -100),
      'cut.keras': kerasBytes().slice(0, -100),
    }
    for (const [name, content] of Object.entries(files)) writeFileSync(at(name), content)
    mkdirSync(at('folder'))
  })
  afterAll(() => rmSync(folder, { recursive: true }))

  test.each([
    [
      'folder',
      /folder is a folder, and a network is a file\. Networks are read from files of ONNX \(\.onnx\) and of Keras/,
    ],
    [
      'weights.safetensors',
      /it holds weights, and not the network that they belong to\. Export the network in Python/,
    ],
    ['weights.pt', /weights\.pt holds weights, and not the network/],
    ['cut.keras', /cut\.keras is not a zip archive that can be read/],
    ['missing.keras', /missing\.keras: there is no such file/],
  ] as const)(
    '%s is no network',
    async (name, message) => {
      const { code, err, out } = await net2net(['inspect', at(name)])
      expect(code, err).toBe(4)
      expect(err).toMatch(message)
      expect(err.trim().split('\n')).toHaveLength(1)
      expect(out).toBe('')
    },
    60_000,
  )

  test.each([
    ['cut.safetensors', /cut\.safetensors is not a safetensors file that can be read/],
    ['cut.pt', /cut\.pt is not a zip archive that can be read/],
    ['net.onnx', /net\.onnx is not a zip archive, as PyTorch has written/],
  ] as const)(
    '%s are no weights, and nothing is written',
    async (name, message) => {
      const widen = ['widen', at('net.onnx'), 'a=x2', '-o', at('wider.onnx')]
      const { code, err } = await net2net([...widen, '--weights', at(name)])
      expect(code, err).toBe(4)
      expect(err).toMatch(message)
      expect(readdirSync(folder).filter((file) => /wider|out/.test(file))).toEqual([])
    },
    60_000,
  )
})
