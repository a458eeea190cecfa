/** Options of the loss, and of what else is measured. */
import { type Command, Option } from 'commander'
import type { SampleSet } from 'net2net/data'
import {
  distillation,
  type Loss,
  type LossName,
  lossNames,
  softmaxCrossEntropy,
} from 'net2net/training'
import { usageError } from '../errors.ts'
import { lossAlong } from './model-data.ts'
import { integer, list, number } from './options.ts'

export interface LossOptions {
  readonly loss: LossName
  readonly classAxis?: number
  readonly labelSmoothing?: number
  readonly classWeights?: readonly number[] | 'balanced'
  readonly ignoreLabel?: number
  readonly distill?: string
  readonly distillWeight?: number
  readonly temperature?: number
  readonly metric?: readonly string[]
}

export const lossOptions = (command: Command): Command =>
  command
    .addOption(new Option('--loss <name>').choices(lossNames).default('softmax-cross-entropy'))
    .option(
      '--class-axis <axis>',
      'axis of the classes in the scores, where the targets do not tell it: 1, -1',
      integer(Number.NEGATIVE_INFINITY),
    )
    .option(
      '--label-smoothing <x>',
      'for softmax-cross-entropy: share spread over all classes',
      number(0),
    )
    .option(
      '--class-weights <numbers>',
      'for softmax-cross-entropy: how much each class counts, in their order; or balanced: all classes alike',
      weights,
    )
    .option(
      '--ignore-label <n>',
      'for softmax-cross-entropy: a label that does not count, such as -100',
      integer(Number.NEGATIVE_INFINITY),
    )
    .option('--distill <teacher>', 'also learn from what this ONNX file says of the samples')
    .option('--distill-weight <x>', 'how much the teacher counts, 0 to 1 (default: 0.5)', number(0))
    .option('--temperature <x>', 'how soft the distributions are for it (default: 2)', number(0))
    .option(
      '--metric <names>',
      'also measure these on the validation data: f1,auc; the first one decides what is best',
      list,
    )

/** The loss. @throws usage for a choice that this loss does not have */
export function lossOf(options: LossOptions, samples: SampleSet | undefined): Loss | LossName {
  const { loss, classAxis: axis, distill, labelSmoothing, ignoreLabel: ignoredLabel } = options
  if (distill !== undefined)
    return distillation({ weight: options.distillWeight, temperature: options.temperature, axis })
  const classWeights =
    options.classWeights === 'balanced'
      ? samples && balancedWeights(samples, ignoredLabel)
      : options.classWeights
  const special = { labelSmoothing, ignoredLabel, classWeights }
  return Object.values(special).every((one) => one === undefined)
    ? lossAlong(loss, axis)
    : softmaxCrossEntropy({ axis, ...special })
}

/** `balanced`, or a number for each class. */
const weights = (text: string): readonly number[] | 'balanced' =>
  text === 'balanced' ? text : list(text).map(number(0))

/** For each class the inverse of how often it occurs, 1 in the mean over the samples (as scikit-learn's `balanced`). */
function balancedWeights(
  { target, classes }: SampleSet,
  ignored: number | undefined,
): readonly number[] {
  if (!target?.data)
    throw usageError(
      'The classes of data that are larger than memory are not counted: give their weights.',
    )
  const counts: number[] = Array.from(classes ?? [], () => 0)
  let all = 0
  for (const label of target.data) {
    const c = Number(label)
    if (c === ignored || !Number.isInteger(c) || c < 0) continue
    while (counts.length <= c) counts.push(0)
    counts[c]!++
    all++
  }
  const occurring = counts.filter((count) => count > 0).length
  return counts.map((count) => (count === 0 ? 0 : all / (occurring * count)))
}
