/** A network of Keras that can be grown and written again, from the bytes of its file. */
import type { GrowthPlan } from '../../growth/growth-plan.ts'
import type { Model } from '../../model/model.ts'
import type { ByteSource } from '../../tensor/bytes.ts'
import { growKeras } from './grow-keras.ts'
import { type KerasFile, kerasParts, readKerasFile, withChanges } from './keras-file.ts'
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
   * @throws Net2NetError (refused) where a plan inserts layers or takes a shared layer apart
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
export const readKeras = (source: ByteSource, name: string): KerasContent =>
  contentOf(readKerasFile(source, name))

function contentOf(file: KerasFile): KerasContent {
  const network = kerasToModel(file)
  return {
    file,
    model: network.model,
    grow(plans) {
      let grown = file
      let on = network
      for (const [i, plan] of plans.entries()) {
        if (i > 0) on = kerasToModel(grown)
        grown = withChanges(grown, growKeras(grown, on, plan))
      }
      return contentOf(grown)
    },
    parts: () => kerasParts(file),
  }
}
