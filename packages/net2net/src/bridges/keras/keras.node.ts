/** Keras files on disk, as networks that can be grown and written again. Node only. */
import { FileSource } from '../../files/file-source.ts'
import { writeWhole } from '../../files/write-whole.ts'
import type { GrowthPlan } from '../../growth/growth-plan.ts'
import type { Model } from '../../model/model.ts'
import { growKeras } from './grow-keras.ts'
import { type KerasFile, kerasParts, readKerasFile, withChanges } from './keras-file.ts'
import { kerasToModel } from './to-model.ts'

/** A network of Keras: its file, and the ONNX model that computes the same. `using` closes the file. */
export interface KerasNetwork extends Disposable {
  /** The network as an ONNX model; its weights are views of the file. */
  readonly model: Model
  /**
   * The network after growth: variables, optimizer state and config.
   *
   * @param plans made on `model`, each on what the one before made of it
   * @throws Net2NetError (refused) where a plan inserts layers or takes a shared layer apart
   */
  grow(plans: readonly GrowthPlan[]): KerasNetwork
  /** What a file of the network is written from, one part after the other. */
  parts(): ReturnType<typeof kerasParts>
  /**
   * Writes the network to a file in the format that it was read from, whole or not at all.
   *
   * @throws Net2NetError (usage) where the file exists and `force` is not set
   */
  save(file: string, options?: { readonly force?: boolean }): Promise<void>
}

/**
 * Opens a `.keras` or `.h5` file. Weights stay in the file until somebody reads them.
 *
 * @throws Net2NetError (input) where it is broken; (refused) for layers that are not supported, by name
 */
export function openKeras(file: string): KerasNetwork {
  const source = new FileSource(file)
  try {
    return networkOf(readKerasFile(source, file), () => source.close())
  } catch (cause) {
    source.close()
    throw cause
  }
}

function networkOf(file: KerasFile, close: () => void): KerasNetwork {
  const network = kerasToModel(file)
  return {
    model: network.model,
    grow(plans) {
      let grown = file
      let on = network
      for (const [i, plan] of plans.entries()) {
        if (i > 0) on = kerasToModel(grown)
        grown = withChanges(grown, growKeras(grown, on, plan))
      }
      return networkOf(grown, close)
    },
    parts: () => kerasParts(file),
    save: (path, options) => writeWhole(path, kerasParts(file), options),
    [Symbol.dispose]: close,
  }
}
