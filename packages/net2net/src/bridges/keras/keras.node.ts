/** Keras files on disk, as networks that can be grown and written again. Node only. */
import { AtomicFiles, type ReplaceOptions } from '../../files/atomic-files.ts'
import { FileSource } from '../../files/file-source.ts'
import { type FileContent, writeContent } from '../../files/write-whole.ts'
import type { GrowthPlan } from '../../growth/growth-plan.ts'
import type { Model } from '../../model/model.ts'
import type { StagedModel } from '../../onnx/file.node.ts'
import { growKeras, type KerasState } from './grow-keras.ts'
import { type KerasFile, kerasParts, readKerasFile } from './keras-file.ts'
import { kerasToModel } from './to-model.ts'

export interface KerasStageOptions extends ReplaceOptions {
  /** Further files by path, with their content: they appear together with the network. */
  readonly beside?: ReadonlyMap<string, FileContent> | undefined
}

/** A network of Keras: its file, and the ONNX model that computes the same. `using` closes the file. */
export interface KerasNetwork extends Disposable {
  /** The network as an ONNX model; its weights are views of the file. */
  readonly model: Model
  /**
   * The network after growth: variables, optimizer state and config.
   *
   * @param plans made on `model`, each on what the one before made of it
   * @throws Net2NetError (refused) where no config of Keras says what a plan does, or a layer that is shared would become two
   */
  grow(plans: readonly GrowthPlan[]): KerasNetwork
  /** What a file of the network is written from, one part after the other. */
  parts(): ReturnType<typeof kerasParts>
  /**
   * Begins to write the network to a file under a temporary name, so that what is written can be read and checked
   * before it is published; `model` of the result is read back from there.
   *
   * @throws Net2NetError (usage) where the file exists and `force` is not set
   */
  stage(file: string, options?: KerasStageOptions): Promise<StagedModel>
  /**
   * Writes the network to a file in the format that it was read from, whole or not at all.
   *
   * @throws Net2NetError (usage) where the file exists and `force` is not set
   */
  save(file: string, options?: ReplaceOptions): Promise<void>
}

/**
 * Opens a `.keras` or `.h5` file. Weights stay in the file until somebody reads them.
 *
 * @throws Net2NetError (input) where it is broken; (refused) for layers that are not supported, by name
 */
export function openKeras(file: string): KerasNetwork {
  const source = new FileSource(file)
  try {
    const read = readKerasFile(source, file)
    return networkOf({ file: read, network: kerasToModel(read) }, () => source.close())
  } catch (cause) {
    source.close()
    throw cause
  }
}

function networkOf(state: KerasState, close: () => void): KerasNetwork {
  const { file, network } = state
  return {
    model: network.model,
    grow: (plans) => networkOf(plans.reduce(growKeras, state), close),
    parts: () => kerasParts(file),
    stage: (path, options) => stageKeras(file, path, options),
    async save(path, options) {
      await using staged = await stageKeras(file, path, options)
      await staged.publish()
    },
    [Symbol.dispose]: close,
  }
}

async function stageKeras(
  file: KerasFile,
  target: string,
  { force, beside = new Map() }: KerasStageOptions = {},
): Promise<StagedModel> {
  const files = new AtomicFiles({ force })
  try {
    for (const [name, content] of beside) await writeContent(await files.create(name), content)
    const written = await files.create(target)
    const parts = kerasParts(file)
    await writeContent(written, parts)
    const size = parts.reduce((sum, part) => sum + part.byteLength, 0)
    const source = await written.reader(size)
    const { model } = kerasToModel(readKerasFile(source, target))
    const discard = async () => {
      source.close()
      await files.discard()
    }
    return {
      model,
      publish: () => files.publish(),
      discard,
      [Symbol.asyncDispose]: discard,
    }
  } catch (cause) {
    await files.discard()
    throw cause
  }
}
