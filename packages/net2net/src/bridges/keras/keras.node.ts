/** Keras files on disk, as networks that can be grown and written again. Node only. */
import { AtomicFiles, type ReplaceOptions } from '../../files/atomic-files.ts'
import { FileSource } from '../../files/file-source.ts'
import { type FileContent, writtenSource } from '../../files/write-whole.ts'
import type { GrowthPlan } from '../../growth/growth-plan.ts'
import { withOutputNames } from '../../model/output-names.ts'
import type { StagedModel } from '../../onnx/save.node.ts'
import { type KerasContent, readKeras } from './network.ts'

export interface KerasStageOptions extends ReplaceOptions {
  /** Further files by path, with their content: they appear together with the network. */
  readonly beside?: ReadonlyMap<string, FileContent> | undefined
}

/** A network of Keras: its file, and the ONNX model that computes the same. `using` closes the file. */
export interface KerasNetwork extends Omit<KerasContent, 'file' | 'grow'>, Disposable {
  /** As `KerasContent.grow`. */
  grow(plans: readonly GrowthPlan[]): KerasNetwork
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
    return networkOf(readKeras(source, file), () => source.close())
  } catch (cause) {
    source.close()
    throw cause
  }
}

const networkOf = (content: KerasContent, close: () => void): KerasNetwork => ({
  model: content.model,
  grow: (plans) => networkOf(content.grow(plans), close),
  parts: content.parts,
  stage: (path, options) => stageKeras(content, path, options),
  async save(path, options) {
    await using staged = await stageKeras(content, path, options)
    await staged.publish()
  },
  [Symbol.dispose]: close,
})

async function stageKeras(
  content: KerasContent,
  target: string,
  { force, beside = new Map() }: KerasStageOptions = {},
): Promise<StagedModel> {
  const files = new AtomicFiles({ force })
  const besides = new Map<string, FileSource>()
  try {
    for (const [name, further] of beside)
      besides.set(name, await writtenSource(await files.create(name), further))
    const source = await writtenSource(await files.create(target), content.parts())
    const read = readKeras(source, target).model
    // A layer behind the last one gives its name to the output.
    const names = content.model.graph.outputs.map(({ name }) => name)
    const model = withOutputNames(read, names)
    const discard = async () => {
      for (const each of [source, ...besides.values()]) each.close()
      await files.discard()
    }
    return {
      model,
      beside: besides,
      publish: () => files.publish(),
      discard,
      [Symbol.asyncDispose]: discard,
    }
  } catch (cause) {
    await files.discard()
    throw cause
  }
}
