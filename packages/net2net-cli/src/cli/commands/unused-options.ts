/** Options of net2net train that say nothing beside the others. */
import { usageError } from '../../errors.ts'
import { lossAlong, mustBeTableOptions } from '../model-data.ts'
import type { TrainOptions } from './train-options.ts'

/** An option that would change nothing is a misunderstanding. */
export function refuseUnused({
  optimizer,
  momentum,
  gradients,
  exportStep,
  ...rest
}: TrainOptions): void {
  if (momentum !== undefined && !['sgd', 'rmsprop', 'muon'].includes(optimizer))
    throw usageError(`--momentum is for --optimizer sgd, rmsprop and muon, not ${optimizer}.`)
  for (const [name, value] of Object.entries({
    '--nesterov': rest.nesterov,
    '--momentum-rule': rest.momentumRule,
  }))
    if (value !== undefined && optimizer !== 'sgd')
      throw usageError(`${name} is for --optimizer sgd, not ${optimizer}.`)
  const special = {
    '--label-smoothing': rest.labelSmoothing,
    '--class-weights': rest.classWeights,
    '--ignore-label': rest.ignoreLabel,
  }
  for (const [name, value] of Object.entries(special))
    if (value !== undefined && rest.loss !== 'softmax-cross-entropy')
      throw usageError(`${name} is for softmax-cross-entropy.`)
  if (rest.classWeights === 'balanced' && exportStep !== undefined)
    throw usageError(
      '--class-weights balanced counts the classes of the data: --export-step has none.',
    )
  const ofTeacher = {
    '--distill-weight': rest.distillWeight,
    '--temperature': rest.temperature,
  }
  for (const [name, value] of Object.entries(ofTeacher))
    if (value !== undefined && rest.distill === undefined)
      throw usageError(`${name} is for --distill.`)
  if (rest.distill !== undefined) {
    if (rest.loss !== 'softmax-cross-entropy')
      throw usageError('--distill is for classes, and has a loss of its own: leave --loss away.')
    for (const [name, value] of Object.entries(special))
      if (value !== undefined) throw usageError(`${name} cannot be used with --distill.`)
    if (exportStep !== undefined)
      throw usageError(
        '--distill runs a teacher beside the step, which --export-step does not write.',
      )
  }
  for (const [name, value] of Object.entries({
    '--log': rest.log,
    '--tensorboard': rest.tensorboard,
  }))
    if (value !== undefined && exportStep !== undefined)
      throw usageError(`${name} is of a training, and --export-step trains nothing.`)
  if (gradients && exportStep === undefined) throw usageError('--gradients is for --export-step.')
  for (const [name, value] of Object.entries({
    '--limit': rest.limit,
    '--grow-patience': rest.growPatience,
  }))
    if (value !== undefined && rest.grow === undefined)
      throw usageError(`${name} is for --grow auto.`)
  if (rest.resume && rest.force)
    throw usageError('--resume goes on with what is in the folder, --force replaces it: give one.')
  mustBeTableOptions(rest.data ?? '', rest)
  lossAlong(rest.loss, rest.classAxis)
}
