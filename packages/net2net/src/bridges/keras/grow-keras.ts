/**
 * A growth plan, made on the ONNX model of a Keras network, applied to the Keras file: its variables, the state of its
 * optimizer, and the config that must say the new sizes and list the new layers.
 */
import { refusedError } from '../../errors.ts'
import type { GrowthPlan } from '../../growth/growth-plan.ts'
import { quote } from '../../model/quote.ts'
import { deepenKeras } from './deepen-keras.ts'
import type { KerasState } from './keras-state.ts'
import { widenKeras } from './widen-keras.ts'

/**
 * File and network after growth. The ONNX model is the one that the plan makes, with its names, so that a plan made on
 * that can follow.
 *
 * @throws Net2NetError (refused) where the config cannot say what the plan does, or a variable that layers share would
 *   become two; where the optimizer keeps state whose growth is unknown
 */
export function growKeras({ file, network }: KerasState, plan: GrowthPlan): KerasState {
  const [kernel] = plan.kernels ?? []
  if (kernel)
    throw refusedError(
      `${quote(kernel.name)} of ${file.name} would have another size; kernels become larger in ONNX files only.`,
      { where: kernel.name, hint: 'Write an ONNX file instead (-o FILE.onnx).' },
    )
  if (plan.removed)
    throw refusedError(`Layers of ${file.name} would be removed; files of Keras are only grown.`, {
      where: plan.removed[0]!.name,
      hint: 'Write an ONNX file instead (-o FILE.onnx).',
    })
  const [resized] = plan.units.length === 0 ? (plan.declared ?? []) : []
  if (resized)
    throw refusedError(
      `The ${resized.kind} ${quote(resized.name)} of ${file.name} would have another size; inputs get other sizes in ONNX files only.`,
      { where: resized.name, hint: 'Write an ONNX file instead (-o FILE.onnx).' },
    )
  const [adapter] = plan.adapters ?? []
  if (adapter)
    throw refusedError(
      `${quote(adapter.weight)} of ${file.name} would get an adapter; these are for ONNX files only.`,
      { where: adapter.weight, hint: 'Write an ONNX file instead (-o FILE.onnx).' },
    )
  const [repeated] = plan.repeated ?? []
  if (repeated)
    throw refusedError(
      `${quote(repeated.blocks.join(', '))} would be there once more in ${file.name}; blocks are repeated in ONNX files only.`,
      { where: repeated.blocks[0], hint: 'Write an ONNX file instead (-o FILE.onnx).' },
    )
  const widened = widenKeras({ file, network }, plan)
  return plan.inserted.reduce((state, insertion) => deepenKeras(state, insertion, plan), widened)
}
