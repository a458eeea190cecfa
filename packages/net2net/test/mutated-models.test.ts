/** Random damage to models: each is read, or refused with an error of ours; nothing else. */
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Net2NetError } from '../src/errors.ts'
import type { Model } from '../src/model/model.ts'
import { decodeModel } from '../src/onnx/decode.ts'
import { encodeModel } from '../src/onnx/encode.ts'
import { type RandomStream, randomStream } from '../src/tensor/random.ts'
import { plain } from '../testing/plain.ts'
import { randomModel } from '../testing/random-model.ts'
import { testSeed } from '../testing/seed.ts'

function mutate(bytes: Uint8Array, random: RandomStream): Uint8Array {
  let result = Uint8Array.from(bytes)
  for (let i = random.below(3); i >= 0 && result.length > 0; i--) {
    const at = random.below(result.length)
    const length = 1 + random.below(Math.min(16, result.length - at))
    switch (random.below(5)) {
      case 0:
        result[at]! ^= 1 << random.below(8)
        break
      case 1:
        result[at] = [0, 1, 0x7f, 0x80, 0xff][random.below(5)]!
        break
      case 2: // removed
        result = Buffer.concat([result.subarray(0, at), result.subarray(at + length)])
        break
      case 3: // repeated
        result = Buffer.concat([result.subarray(0, at + length), result.subarray(at)])
        break
      case 4: // cut off
        result = result.slice(0, at)
        break
    }
  }
  return result
}

/** Decodes; what is accepted must be a model that can be written and read again. */
function outcome(bytes: Uint8Array): 'accepted' | 'refused' {
  let model: Model
  try {
    model = decodeModel(bytes)
  } catch (error) {
    if (error instanceof Net2NetError && error.kind === 'input') return 'refused'
    throw error
  }
  expect(plain(decodeModel(encodeModel(model)))).toEqual(plain(model))
  return 'accepted'
}

function attack(models: readonly Uint8Array[], rounds: number, name: string) {
  const counts = { accepted: 0, refused: 0 }
  for (let round = 0; round < rounds; round++) {
    const random = randomStream(testSeed, name, round)
    const bytes = mutate(models[random.below(models.length)]!, random)
    // Processor time: other work of the machine does not count.
    const start = process.cpuUsage()
    try {
      counts[outcome(bytes)]++
      const { user, system } = process.cpuUsage(start)
      expect((user + system) / 1e6).toBeLessThan(2)
    } catch (cause) {
      throw new Error(`NET2NET_TEST_SEED=${testSeed}, ${name}, round ${round}`, { cause })
    }
  }
  return counts
}

const real = realModels()

/** Small models of the ONNX backend tests, where they are installed. */
function realModels(): Uint8Array[] {
  try {
    const list = execFileSync('dpkg', ['-L', 'libonnx-testdata'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    const files = list.split('\n').filter((file) => file.endsWith('.onnx'))
    return files
      .filter((file) => fs.statSync(file).size < 20_000)
      .map((file) => fs.readFileSync(file))
  } catch {
    return []
  }
}

describe(`mutations (NET2NET_TEST_SEED=${testSeed})`, () => {
  test('of random models', () => {
    const models = fc
      .sample(fc.gen(), { numRuns: 200, seed: testSeed })
      .map((g) => encodeModel(randomModel(g)))
    const { accepted, refused } = attack(models, 2500, 'random')
    expect(accepted).toBeGreaterThan(100)
    expect(refused).toBeGreaterThan(1000)
  })

  test.skipIf(real.length === 0)('of real models', () => {
    const { accepted, refused } = attack(real, 5000, 'real')
    expect(accepted).toBeGreaterThan(200)
    expect(refused).toBeGreaterThan(2000)
  })
})
