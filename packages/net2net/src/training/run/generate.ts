/** Continues a text with a model that predicts what comes next. */
import type { InputBatch } from '../../data/inputs.ts'
import { inputsOf } from '../../data/model-input.ts'
import { type Units, unitsOf } from '../../data/text/units.ts'
import { usageError } from '../../errors.ts'
import type { Model } from '../../model/model.ts'
import { preparationOf } from '../../model/preparation.ts'
import { mainOutput } from '../../model/tensor-outputs.ts'
import type { Runtime, SessionOptions } from '../../runtime/runtime.ts'
import { dtypes } from '../../tensor/dtype.ts'
import { type RandomStream, randomStream } from '../../tensor/random.ts'
import { allocate, Tensor } from '../../tensor/tensor.ts'
import { predict } from './predict.ts'

export interface GenerateOptions {
  readonly runtime: Runtime
  /** How many bytes, characters or tokens to add. */
  readonly units: number
  /** Divides the logits: below 1, what is probable becomes more probable; 0 takes the most probable. Default 1. */
  readonly temperature?: number | undefined
  /** Of what is drawn. Default 0. */
  readonly seed?: number | undefined
  readonly session?: SessionOptions | undefined
  readonly signal?: AbortSignal | undefined
}

/**
 * What comes after a prompt, unit by unit, each drawn from what the model predicts behind all before it (or as many as it takes at once).
 * Prompts shorter than that are filled up behind their end, where a model that reads forwards does not look.
 *
 * @returns the texts of the units, which together are the continuation
 * @throws usage where the model predicts no text, or takes a longer prompt; input where the prompt has characters that it does not know
 */
export async function* generate(
  model: Model,
  prompt: string,
  options: GenerateOptions,
): AsyncGenerator<string, void> {
  const { units: count, temperature = 1, seed = 0, runtime, session, signal } = options
  if (!(Number.isInteger(count) && count >= 1))
    throw usageError(`The number of units must be a whole number from 1 on, not ${count}.`)
  if (!(temperature >= 0 && Number.isFinite(temperature)))
    throw usageError(`The temperature must be a number from 0 on, not ${temperature}.`)
  const preparation = preparationOf(model)
  const [input, ...others] = inputsOf(model)
  if (
    preparation?.kind !== 'text' ||
    preparation.column !== undefined ||
    !input ||
    others.length > 0
  )
    throw usageError('The model was not trained to predict how a text goes on.')
  const units = unitsOf(preparation)
  const ids = Array.from(units.ids(prompt, 'The prompt'))
  if (ids.length === 0) throw usageError('The prompt is empty: a text is continued from something.')
  const length = input.dims?.[0]
  const dtype = dtypes[input.dtype].kind === 'integer' ? input.dtype : 'float32'
  /** Asks for one prediction after the other: each is of what those before have added. */
  async function* inputs(): AsyncGenerator<InputBatch> {
    for (let i = 0; i < count; i++) {
      const last = length === undefined ? ids : ids.slice(-length)
      const width = length ?? last.length
      const data = allocate(dtype, width)
      const isBig = data instanceof BigInt64Array || data instanceof BigUint64Array
      for (const [at, id] of last.entries()) data[at] = isBig ? BigInt(id) : id
      yield { inputs: { input: new Tensor(dtype, [1, width], data) } }
    }
  }
  const random = randomStream(seed, 'generate')
  const decoder = decoderOf(units, preparation.units)
  const asked = { runtime, session, signal, activation: 'softmax', batchSize: 1 } as const
  const output = mainOutput(model)
  const outputs = output === undefined ? [] : [output]
  for await (const batch of predict(model, inputs(), { ...asked, outputs })) {
    const { probabilities } = Object.values(batch.outputs)[0]!
    const { dims = [], data = new Float32Array() } = probabilities ?? {}
    const classes = dims.at(-1) ?? 0
    const isEach = dims.length === 3
    const read = length === undefined ? ids.length : Math.min(ids.length, length)
    if (!isEach && length !== undefined && ids.length < length)
      throw usageError(
        `The model reads ${length} ${preparation.units} at once: give as long a prompt.`,
      )
    const at = isEach ? (read - 1) * classes : 0
    const id = draw(data.subarray(at, at + classes), temperature, random)
    ids.push(id)
    yield decoder(id)
  }
}

/** Bytes of one character come one by one: it is there with the last of them. */
function decoderOf(units: Units, kind: string): (id: number) => string {
  const decoder = new TextDecoder()
  if (kind === 'bytes') return (id) => decoder.decode(Uint8Array.of(id), { stream: true })
  return (id) => (kind === 'tokens' ? `${id} ` : units.text([id]))
}

/** An index with its probability, sharpened by the temperature. */
function draw(probabilities: Float32Array, temperature: number, random: RandomStream): number {
  let best = 0
  for (const [i, p] of probabilities.entries()) if (p > probabilities[best]!) best = i
  if (temperature === 0) return best
  // p^(1/T) is what a softmax of logits / T gives, but for a factor.
  const most = probabilities[best]!
  const weights = Float64Array.from(probabilities, (p) => (p / most) ** (1 / temperature))
  let left = random.uniform() * weights.reduce((a, b) => a + b, 0)
  for (const [i, weight] of weights.entries()) {
    left -= weight
    if (left < 0) return i
  }
  return best
}
