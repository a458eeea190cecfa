/** What networks say of one input: in a worker of its own, before, while and after they are trained. */
import { decodeModel, type Model } from 'net2net'
import { classesOf, inferShapes, requiredInputs } from 'net2net/model'
import type { Session } from 'net2net/runtime'
import { float32, toNumbers } from 'net2net/tensor'
import { runtime } from '../engine/runtime.ts'
import { serveMethods } from '../engine/serve.ts'
import { loadDigits } from './digits.ts'
import type { BuiltIn } from './own/protocol.ts'

export interface AnswerMethods {
  /** Keeps a network under a name. Whether it takes drawn digits: 28×28 pixels and nothing else. */
  keep(network: {
    readonly name: string
    readonly model: Uint8Array<ArrayBuffer>
    /** The output that answers; default: the first. */
    readonly output?: string | undefined
  }): boolean
  /** What the kept networks say of 28×28 pixels: a probability for each class. */
  answer(pixels: Float32Array): readonly Answer[]
  /** An image of a test set of the page, and what it shows. */
  example(of: { readonly data: BuiltIn; readonly index: number }): {
    readonly pixels: Float32Array
    readonly label: number
  }
  /** Forgets all networks. */
  forget(nothing: undefined): void
}
export interface Answer {
  readonly name: string
  readonly probabilities: readonly number[]
  /** What the network calls them. */
  readonly classes: readonly string[] | undefined
}

interface Kept {
  readonly model: Model
  readonly bytes: Uint8Array
  readonly input: string
  readonly dims: readonly number[]
  readonly output: string | undefined
  session?: Session
}
const kept = new Map<string, Kept>()

serveMethods<AnswerMethods>({
  async keep({ name, model: bytes, output }) {
    await kept.get(name)?.session?.release()
    kept.delete(name)
    const model = decodeModel(bytes)
    const [input, another] = requiredInputs(model.graph)
    const shape = input && inferShapes(model).get(input.name)?.shape?.slice(1)
    const dims = shape?.every((size) => typeof size === 'number') ? shape.map(Number) : []
    if (!input || another || dims.reduce((a, b) => a * b, 1) !== 784) return false
    kept.set(name, { model, bytes, input: input.name, dims, output })
    return true
  },

  async answer(pixels) {
    const engine = await runtime(1)
    const answers: Answer[] = []
    for (const [name, network] of kept) {
      network.session ??= await engine.createSession(network.bytes)
      const { session, input, dims } = network
      const results = await session.run({ [input]: float32([1, ...dims], pixels) })
      const output = results[network.output ?? ''] ?? results[session.outputs[0]!.name]!
      answers.push({
        name,
        probabilities: asProbabilities(toNumbers(output)),
        classes: classesOf(network.model),
      })
    }
    return answers
  },

  async example({ data, index }) {
    const { labels, images } = await loadDigits('test', data)
    const i = index % labels.length
    const ink = Float32Array.from(images.subarray(i * 784, (i + 1) * 784), (byte) => byte / 255)
    return { pixels: ink, label: labels[i]! }
  },

  async forget() {
    for (const { session } of kept.values()) await session?.release()
    kept.clear()
  },
})

/** Scores that are no distribution become one. */
function asProbabilities(scores: ArrayLike<number>): readonly number[] {
  const values = Array.from(scores)
  const sum = values.reduce((a, b) => a + b, 0)
  if (values.every((value) => value >= 0) && Math.abs(sum - 1) < 1e-3) return values
  const top = Math.max(...values)
  const powers = values.map((value) => Math.exp(value - top))
  const total = powers.reduce((a, b) => a + b, 0)
  return powers.map((power) => power / total)
}
