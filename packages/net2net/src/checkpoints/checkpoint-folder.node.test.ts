import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { bundle } from '../../testing/bundle.ts'
import { testSeed } from '../../testing/seed.ts'
import { smallData, smallNetwork, smallOptions } from '../../testing/small-training.ts'
import { nodeRuntime } from '../runtime/onnxruntime.node.ts'
import { randomStream } from '../tensor/random.ts'
import type { TrainingState } from '../training/run/state.ts'
import { Training } from '../training/run/trainer.ts'
import { readCheckpoint } from './checkpoint-file.node.ts'
import { CheckpointFolder, fingerprintOf } from './checkpoint-folder.node.ts'

let root: string
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'net2net-checkpoint-'))
})
afterAll(() => rmSync(root, { recursive: true, force: true }))

async function someStates(): Promise<TrainingState[]> {
  const states: TrainingState[] = []
  const training = new Training(smallNetwork(), smallData(), {
    ...smallOptions(),
    epochs: 2,
    runtime: nodeRuntime,
    checkpoint: { everySteps: 4, save: async (state) => void states.push(state) },
  })
  for await (const _epoch of training);
  return states
}

describe('checkpoints', () => {
  let states: TrainingState[]
  beforeAll(async () => {
    states = await someStates()
  })

  test('give back exactly what was saved', async () => {
    const folder = new CheckpointFolder(join(root, 'whole'), { fingerprint: 'a' })
    expect(await folder.latest()).toEqual({ checkpoint: undefined, skipped: [] })
    const attachments = new Map([['model.onnx', new Uint8Array([1, 2, 3])]])
    for (const state of states) {
      await folder.save(state, { extra: { stage: 2 }, attachments })
      const { checkpoint, skipped } = await folder.latest()
      expect(skipped).toEqual([])
      expect(checkpoint).toEqual({ fingerprint: 'a', state, extra: { stage: 2 }, attachments })
    }
  })

  test('keep the last ones only, and leave nothing else behind', async () => {
    const path = join(root, 'kept')
    const folder = new CheckpointFolder(path, { fingerprint: 'a', keep: 2 })
    for (const state of states) await folder.save(state)
    expect(readdirSync(path)).toEqual(['checkpoint-0000000008.n2n', 'checkpoint-0000000012.n2n'])
  })

  test('torn, corrupt and foreign ones are named, and the one before is used', async () => {
    const path = join(root, 'broken')
    const folder = new CheckpointFolder(path, { fingerprint: 'a' })
    await folder.save(states[0]!)
    const last = await folder.save(states[1]!)
    const good = readFileSync(last)
    const header = 20 + good.readUInt32LE(16)
    const random = randomStream(1, 'breaks')
    const boundaries = [
      0,
      8,
      16,
      20,
      20 + 100,
      header,
      header + 4,
      good.length - 32,
      good.length - 1,
    ]
    const cuts = [...boundaries, ...Array.from({ length: 20 }, () => random.below(good.length))]
    const broken = [
      ...cuts.map((length) => good.subarray(0, length)),
      Buffer.concat([good, Buffer.from([0])]),
      Buffer.from('something else altogether'),
      ...Array.from({ length: 40 }, () => {
        const copy = Buffer.from(good)
        const at = random.below(copy.length)
        copy[at] = copy[at]! ^ (1 << random.below(8))
        return copy
      }),
    ]
    for (const content of broken) {
      writeFileSync(last, content)
      const { checkpoint, skipped } = await folder.latest()
      expect(checkpoint?.state).toEqual(states[0])
      expect(skipped).toHaveLength(1)
      expect(skipped[0]!.reason).toContain(last)
      expect(skipped[0]!.reason).toMatch(/torn|corrupt|not a checkpoint|another training/)
    }
    const other = new CheckpointFolder(path, { fingerprint: 'b' })
    writeFileSync(last, good)
    const { checkpoint, skipped } = await other.latest()
    expect(checkpoint).toBeUndefined()
    expect(skipped.map(({ reason }) => reason)).toEqual([
      expect.stringContaining('another training'),
      expect.stringContaining('another training'),
    ])
  })

  test('a write that fails leaves the earlier ones as they are', async () => {
    const path = join(root, 'full')
    const folder = new CheckpointFolder(path, { fingerprint: 'a' })
    const first = await folder.save(states[0]!)
    mkdirSync(join(path, 'checkpoint-0000000012.n2n')) // in the way of the next one
    const later = { ...states[2]!, step: 12 }
    await expect(folder.save(later)).rejects.toThrow(/cannot be written/)
    expect((await readCheckpoint(first)).state).toEqual(states[0])
    expect(readdirSync(path).filter((name) => name.endsWith('.tmp'))).toEqual([])
  })

  test('fingerprints differ where settings do', () => {
    expect(fingerprintOf({ a: 1 })).toBe(fingerprintOf({ a: 1 }))
    expect(fingerprintOf({ a: 1 })).not.toBe(fingerprintOf({ a: 2 }))
  })
})

describe('kill -9', () => {
  let script: string
  beforeAll(async () => {
    script = await bundle(fileURLToPath(new URL('../../testing/train-child.ts', import.meta.url)))
  })

  interface Kill {
    readonly steps?: number
    readonly milliseconds?: number
    /** See `killAtBoundary`. */
    readonly boundary?: number
  }
  /** Runs the child; kills it after so many steps and milliseconds, or at a boundary, if given. */
  const child = (folder: string, killAfter: Kill = {}) =>
    new Promise<{ steps: number; code: number | null; resumed: number; skipped: unknown[] }>(
      (resolve, reject) => {
        const { boundary, milliseconds } = killAfter
        const args = boundary === undefined ? [folder] : [folder, String(boundary)]
        const process_ = spawn(process.execPath, [script, ...args], {
          stdio: ['ignore', 'pipe', 'inherit'],
        })
        let [steps, resumed, skipped, rest] = [0, 0, [] as unknown[], '']
        process_.stdout.setEncoding('utf8').on('data', (text: string) => {
          const lines = (rest + text).split('\n')
          rest = lines.pop()!
          for (const line of lines) {
            const event = JSON.parse(line) as {
              step?: number
              resumed?: number
              skipped?: unknown[]
            }
            resumed = event.resumed ?? resumed
            skipped = event.skipped ?? skipped
            if (event.step === undefined) continue
            steps++
            if (steps === killAfter.steps) setTimeout(() => process_.kill('SIGKILL'), milliseconds)
          }
        })
        process_.on('error', reject)
        process_.on('close', (code) => resolve({ steps, code, resumed, skipped }))
      },
    )

  /** What a training that nobody stops comes to. */
  let expected: string
  beforeAll(async () => {
    const straight = join(root, 'straight')
    mkdirSync(straight)
    expect((await child(straight)).code).toBe(0)
    expected = readFileSync(join(straight, 'result.json'), 'utf8')
  }, 60_000)

  /** Kills again and again until the training is through; returns the number of kills. */
  async function killed(name: string, nextKill: (kills: number) => Kill): Promise<number> {
    const folder = join(root, name)
    mkdirSync(folder)
    let [reached, kills] = [0, 0]
    for (;;) {
      const { steps, resumed, skipped, code } = await child(folder, nextKill(kills))
      expect(skipped).toEqual([])
      expect(resumed).toBeGreaterThanOrEqual(reached - 3) // at most one interval is lost
      reached = resumed + steps
      if (code === 0) break
      kills++
    }
    expect(readFileSync(join(folder, 'result.json'), 'utf8')).toBe(expected)
    return kills
  }

  // As often as one likes: KILLS=100.
  test('at random moments: every resume works, and the end is the same, bit for bit', async () => {
    const attempts = Number(process.env.KILLS ?? 12)
    const random = randomStream(testSeed, 'kills')
    const kills = await killed('random', (done) =>
      done < attempts ? { steps: 1 + random.below(2), milliseconds: random.below(25) } : {},
    )
    expect(kills, `seed ${testSeed}`).toBeGreaterThan(3)
  }, 180_000)

  test('at every file boundary of a checkpoint write, likewise', async () => {
    // Every process gets one operation further than the one before it; as soon as that is more than
    // one checkpoint takes, each finds other files in place, until the training is through.
    const kills = await killed('boundaries', (done) => ({ boundary: done + 1 }))
    // mkdir, open, write (twice), sync, close, rename, and the folder's open, sync and close.
    expect(kills).toBeGreaterThan(10)
  }, 300_000)
})
