import { load } from '#file'
import { defaultRuntime } from '#runtime'
import type { Model } from '../model/model.ts'
import { encodeWhenReady } from '../onnx/encode.ts'
import type { Runtime } from '../runtime/runtime.ts'
import {
  type Comparison,
  type ComparisonOptions,
  compareSubjects,
  type Subject,
} from './comparison.ts'

export interface CompareOptions extends ComparisonOptions {
  /** Default: ONNX Runtime in Node or in this browser, on the CPU. */
  readonly runtime?: Runtime | undefined
  /**
   * Models with more bytes of weights than this are computed in segments, in memory that does not
   * depend on their size; default 32 MiB.
   */
  readonly wholeUpTo?: number | undefined
}

/**
 * Runs two models (or the files of two) on the same inputs and reports the largest difference of
 * every output. The parts in which they differ are run by themselves as well (see evidence.ts): `equal`
 * is null where the outputs agree and a mistake in some layer could have been overlooked.
 *
 * Either may be a staged model, whose files are still being written: each weight is waited for until
 * it is there, and where models are computed in segments, the other is computed meanwhile.
 *
 * @throws difference where their inputs or outputs have other names or types; input where one of
 *   them does not load or run; whatever the writing of a staged model fails with
 */
export async function compare(
  a: Model | string,
  b: Model | string,
  options: CompareOptions = {},
): Promise<Comparison> {
  const { runtime = defaultRuntime, wholeUpTo = 2 ** 25, ...others } = options
  // ONNX Runtime loads many broken files: our own reader refuses them first, by name and field.
  const models = [await modelOf(a), await modelOf(b)] as const
  const whole = models.every((model) => bytesOfWeights(model) <= wholeUpTo)
  const subject = async (given: Model | string, model: Model): Promise<Subject> =>
    whole
      ? { file: typeof given === 'string' ? given : await encodeWhenReady(model), model }
      : { model }
  const subjects = [await subject(a, models[0]), await subject(b, models[1])] as const
  return compareSubjects(runtime, ...subjects, others)
}

const modelOf = async (given: Model | string): Promise<Model> =>
  typeof given === 'string' ? load(given) : given

function bytesOfWeights({ graph }: Model): number {
  let bytes = 0
  for (const { tensor } of graph.initializers.values()) bytes += tensor.byteLength
  return bytes
}
