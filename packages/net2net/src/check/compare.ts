import { load } from '#file'
import { defaultRuntime } from '#runtime'
import { Net2NetError } from '../errors.ts'
import type { Model } from '../model/model.ts'
import { withOutputNameOf } from '../model/output-names.ts'
import { withTensorOutputs, wrappings } from '../model/tensor-outputs.ts'
import { encodeWhenReady } from '../onnx/encode.ts'
import type { Runtime } from '../runtime/runtime.ts'
import {
  type Comparison,
  type ComparisonOptions,
  compareSubjects,
  type SignatureComparison,
  type Subject,
} from './comparison.ts'
import { keptParts, outputOf } from './kept.ts'

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
 * is null where the outputs agree and a mistake in some layer could have been overlooked. Of a second model with more
 * entries of outputs or inputs the first model's are compared; `equal` is 'kept' then.
 *
 * Either may be a staged model, whose files are still being written: each weight is waited for until
 * it is there, and where models are computed in segments, the other is computed meanwhile.
 *
 * Outputs are told apart by their names. Where only one has another name, it is the same output.
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
  const [first, given] = [await modelOf(a), await modelOf(b)]
  const second = withOutputNameOf(first, given)
  mustWrapAlike(first, second)
  const models = [withTensorOutputs(first), withTensorOutputs(second)] as const
  const parts = keptParts(...models)
  if (parts)
    try {
      const subjects = [parts.a, parts.b] as const
      const report = await compareModels(runtime, subjects, subjects, wholeUpTo, others)
      const outputs = report.outputs.map((each) => ({ ...each, name: outputOf(each.name) }))
      const equal = report.equal === true ? 'kept' : report.equal
      return { ...report, equal, outputs, kept: parts.kept }
    } catch (cause) {
      // Then the signatures differ for another reason than that one model extends the other.
      const isMisfit = cause instanceof Net2NetError && cause.kind === 'input'
      if (!isMisfit || others.signal?.aborted || others.inputs) throw cause
    }
  const files = [models[0] === first ? a : models[0], models[1] === given ? b : models[1]] as const
  return compareModels(runtime, files, models, wholeUpTo, others)
}

/** @throws difference where outputs that are no tensors of numbers are made in different ways */
function mustWrapAlike(a: Model, b: Model): void {
  const [first, second] = [wrappings(a), wrappings(b)]
  if (`${first}` !== `${second}`)
    throw new Net2NetError(
      'difference',
      'The models cannot compute the same: their outputs that are no tensors of numbers are made in different ways.',
    )
}

/** @param files What each model was given as: a file need not be encoded. */
async function compareModels(
  runtime: Runtime,
  files: readonly [Model | string, Model | string],
  models: readonly [Model, Model],
  wholeUpTo: number,
  options: ComparisonOptions,
): Promise<SignatureComparison> {
  const whole = models.every((model) => bytesOfWeights(model) <= wholeUpTo)
  const subject = async (file: Model | string, model: Model): Promise<Subject> =>
    whole
      ? { file: typeof file === 'string' ? file : await encodeWhenReady(model), model }
      : { model }
  const subjects = [await subject(files[0], models[0]), await subject(files[1], models[1])] as const
  return compareSubjects(runtime, ...subjects, options)
}

const modelOf = async (given: Model | string): Promise<Model> =>
  typeof given === 'string' ? load(given) : given

function bytesOfWeights({ graph }: Model): number {
  let bytes = 0
  for (const { tensor } of graph.initializers.values()) bytes += tensor.byteLength
  return bytes
}
