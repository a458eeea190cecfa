/** A network of Keras that can be grown and written again, from the bytes of its file. */
import type { GrowthPlan } from '../../growth/growth-plan.ts'
import type { Model } from '../../model/model.ts'
import type { ByteSource } from '../../tensor/bytes.ts'
import { growKeras } from './grow-keras.ts'
import { type KerasFile, kerasParts, readKerasFile } from './keras-file.ts'
import type { KerasState } from './keras-state.ts'
import { kerasToModel } from './to-model.ts'

export interface KerasContent {
  /** What the file holds. */
  readonly file: KerasFile
  /** The network as an ONNX model; its weights are views of the file. */
  readonly model: Model
  /**
   * The network after growth: variables, optimizer state and config.
   *
   * @param plans made on `model`, each on what the one before made of it
   * @throws Net2NetError (refused) where no config of Keras says what a plan does, or a variable that layers share would
   *   become two; where the optimizer keeps state whose growth is unknown
   */
  grow(plans: readonly GrowthPlan[]): KerasContent
  /** What a file of the network is written from, one part after the other. */
  parts(): ReturnType<typeof kerasParts>
}

/**
 * Reads a `.keras` or `.h5` file. Weights stay where they are until somebody reads them.
 *
 * @param name what the file is called in messages
 * @throws Net2NetError (input) where it is broken; (refused) for layers that are not supported, by name
 */
export function readKeras(source: ByteSource, name: string): KerasContent {
  const file = readKerasFile(source, name)
  return contentOf({ file, network: kerasToModel(file) })
}

const contentOf = (state: KerasState): KerasContent => ({
  file: state.file,
  model: state.network.model,
  grow: (plans) => contentOf(plans.reduce(growKeras, state)),
  parts: () => kerasParts(state.file),
})
