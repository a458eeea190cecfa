import { load } from '#file'
import { defaultRuntime } from '#runtime'
import type { Model } from '../model/model.ts'
import { encodeWhenReady } from '../onnx/encode.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { keptPart } from './kept.ts'
import {
  type Comparison,
  type ComparisonOptions,
  compareSubjects,
  type Subject,
} from './comparison.ts'

export interface CompareOptions extends ComparisonOptions {
  /** Default: ONNX Runtime in Node or in this browser, on the CPU. */
  readonly runtime?: Runtime
  /**
   * Models with more bytes of weights than this are computed in segments, in memory that does not
   * depend on their size; default 32 MiB.
   */
  readonly wholeUpTo?: number
}

/**
 * Runs two models (or the files of two) on the same inputs and reports the largest difference of
 * every output. The parts in which they differ are run by themselves as well (see evidence.ts): `equal`
 * is null where the outputs agree and a mistake in some layer could have been overlooked. Of a second model with more
 * entries of outputs or inputs the first model's are compared; `equal` is 'kept' then.
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
  const [first, second] = [await modelOf(a), await modelOf(b)]
  const part = keptPart(first, second)
  const models = [first, part?.model ?? second] as const
  const whole = models.every((model) => bytesOfWeights(model) <= wholeUpTo)
  const subject = async (given: Model | string, model: Model): Promise<Subject> =>
    whole
      ? { file: typeof given === 'string' ? given : await encodeWhenReady(model), model }
      : { model }
  const subjects = [
    await subject(a, models[0]),
    await subject(part ? models[1] : b, models[1]),
  ] as const
  const report = await compareSubjects(runtime, ...subjects, others)
  return part
    ? { ...report, equal: report.equal === true ? 'kept' : report.equal, kept: part.kept }
    : report
}

const modelOf = async (given: Model | string): Promise<Model> =>
  typeof given === 'string' ? load(given) : given

function bytesOfWeights({ graph }: Model): number {
  let bytes = 0
  for (const { tensor } of graph.initializers.values()) bytes += tensor.byteLength
  return bytes
}
