/** Folders of Hugging Face's transformers: read, grown, written. Node only. */
import path from 'node:path'
import * as kind from '../../arguments.ts'
import { checked, checkedAsync, flag, number, text as string } from '../../arguments.ts'
import { inputError, refusedError } from '../../errors.ts'
import { FileSource } from '../../files/file-source.ts'
import type { GrowthPlan } from '../../growth/growth-plan.ts'
import type { WidenOptions } from '../../growth/plan/widen.ts'
import type { Solution } from '../../growth/solve/index.ts'
import type { Model } from '../../model/model.ts'
import { quote } from '../../model/quote.ts'
import type { LazyTensor } from '../../tensor/tensor.ts'
import { architectureOf, parseMappings } from './architecture.ts'
import { architectures } from './architectures.ts'
import { type Checkpoint, fieldOf, mustFitConfig } from './config.ts'
import { type ConfigValue, withValues } from './config-text.ts'
import { openWeights, parseTable, readText, type Weights } from './folder-weights.node.ts'
import { type CheckpointGrowth, growCheckpoint, planCheckpoint } from './grow-checkpoint.ts'
import type { AddedLayers } from './layers.ts'
import type { WantedSizes } from './plan.ts'
import { type SaveFolderOptions, save } from './save-folder.node.ts'

export interface OpenHuggingFaceOptions {
  /** Mappings of architectures, as plain data: they come before those that are known. */
  readonly mapping?: unknown
  /** What messages call the mappings. */
  readonly mappingName?: string
}

/** A change of a field of config.json. */
export interface ConfigChange {
  readonly field: string
  readonly before: unknown
  readonly after: ConfigValue
}

/** A folder of transformers: config.json, weights, and what belongs to them. `using` closes its files. */
export interface HuggingFaceFolder extends Disposable {
  readonly folder: string
  readonly config: Readonly<Record<string, unknown>>
  /** Its entries; their numbers stay in the files until somebody reads them. */
  readonly entries: ReadonlyMap<string, LazyTensor>
  /**
   * A plan that gives all layers of a kind the wanted size.
   *
   * @param from the ONNX model that was exported from this network, or what has been solved of it
   * @throws Net2NetError (usage) for sizes that are none; (refused) for what the architecture or the network does not allow
   */
  plan(from: Model | Solution, wanted: WantedSizes, options?: WidenOptions): GrowthPlan
  /**
   * The folder after a growth.
   *
   * @throws Net2NetError (refused) where config.json cannot say what has grown, where tied entries would grow apart, where it
   *   is not clear which entry is which initializer, or where a layer cannot be added that adds nothing
   */
  grow(growth: CheckpointGrowth): GrownFolder
}

/** A folder that is grown and not yet written. */
export interface GrownFolder {
  readonly entries: ReadonlyMap<string, LazyTensor>
  readonly changes: readonly ConfigChange[]
  /** The new layers by name, and the layers that they are copies of. */
  readonly added: ReadonlyMap<string, string>
  /** The model after the same growth; undefined where none was given. */
  readonly model: Model | undefined
  /** Whether the model has the new layers, too: not where one of its blocks cannot be repeated. */
  readonly hasLayers: boolean
  /**
   * Writes config.json, the weights as safetensors, in files as large as they were, and copies of the tokenizer's and all other small
   * files: under temporary names, which are read back before they are published, all or none.
   *
   * @returns the names of the files, in order
   * @throws Net2NetError (usage) where one of them exists and `force` is not set, or where other weights are in the folder
   */
  save(folder: string, options?: SaveFolderOptions): Promise<readonly string[]>
}

/**
 * Opens a folder as `save_pretrained` of transformers writes it.
 *
 * @throws Net2NetError (input) where it is broken, or its config and its weights do not belong together; (refused) for
 *   architectures that no mapping describes
 */
export function openHuggingFace(
  folder: string,
  { mapping, mappingName = 'the mapping' }: OpenHuggingFaceOptions = {},
): HuggingFaceFolder {
  const sources: FileSource[] = []
  const open = (file: string) => {
    const source = new FileSource(path.join(folder, file))
    sources.push(source)
    return source
  }
  const close = () => {
    for (const source of sources) source.close()
  }
  try {
    const text = readText(folder, 'config.json')
    const config = parseTable(text, path.join(folder, 'config.json'))
    const own = mapping === undefined ? {} : parseMappings(mapping, mappingName)
    const weights = openWeights(folder, open)
    const checkpoint = checkpointOf(
      folder,
      config,
      { ...architectures, ...own },
      mappingName,
      weights,
    )
    mustFitConfig(checkpoint)
    return {
      folder,
      config,
      entries: weights.entries,
      plan: checked(
        'plan',
        (from: Model | Solution, wanted: WantedSizes, options?: WidenOptions) =>
          planCheckpoint(from, checkpoint, wanted, options),
        { from: kind.solvable, wanted: wantedKind, options: kind.optional(planOptions) },
      ),
      grow: checked('grow', (growth: CheckpointGrowth) => grow(growth), { growth: growthKind }),
      [Symbol.dispose]: close,
    }
    function grow(growth: CheckpointGrowth): GrownFolder {
      const { changes, ...grown } = growCheckpoint(checkpoint, growth)
      const written = { entries: grown.entries, config: withValues(text, changes) }
      return {
        ...grown,
        changes: [...changes].map(([field, after]) => ({
          field,
          before: fieldOf(config, field),
          after,
        })),
        save: checkedAsync(
          'save',
          (target: string, options?: SaveFolderOptions) =>
            save(folder, target, written, weights, options),
          { folder: string, options: kind.optional(saveOptions) },
        ),
      }
    }
  } catch (cause) {
    close()
    throw cause
  }
}

export const size = kind.either('a size', number, string)

const wantedKind = kind.options<WantedSizes>({ ffn: size, heads: size, hidden: size })

const planOptions = kind.options<WidenOptions>({
  seed: number,
  init: string,
  noise: string,
  noiseSize: number,
  onMemory: kind.callback,
})

const growthKind = kind.options<CheckpointGrowth>({
  model: kind.model,
  plan: kind.plan,
  layers: kind.options<AddedLayers>({ last: number, repeat: kind.texts }),
  untie: flag,
})

const saveOptions = kind.options<SaveFolderOptions>({ force: flag, signal: kind.signal })

function checkpointOf(
  folder: string,
  config: Record<string, unknown>,
  table: Parameters<typeof architectureOf>[1],
  mappingName: string,
  { entries }: Weights,
): Checkpoint {
  const type = config.model_type
  if (typeof type !== 'string')
    throw inputError(`config.json of ${folder} names no model_type.`, { where: folder })
  if (config.quantization_config !== undefined && config.quantization_config !== null)
    throw refusedError(
      `${folder} holds quantized weights (quantization_config), which cannot be split or copied exactly.`,
      { where: folder, hint: 'Grow the network before it is quantized.' },
    )
  const architecture = architectureOf(type, table, mappingName)
  if (!architecture)
    throw refusedError(
      `Nothing is known of networks of the type ${quote(type)}, which ${folder} holds; known are ${Object.keys(table).join(', ')}.`,
      { where: folder, hint: 'Describe it in a mapping file (--mapping).' },
    )
  return { name: folder, config, architecture, entries }
}
