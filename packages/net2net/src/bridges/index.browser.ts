/**
 * `net2net/bridges`: the files of other frameworks. Keras networks become ONNX models and are written back after their growth;
 * state dicts and optimizer states of PyTorch follow plans that were made on an export of the same network. Its functions
 * check what they are given.
 */
import * as kind from '../arguments.ts'
import { checked, flag, text } from '../arguments.ts'
import * as formats from '../onnx/other-format.ts'
import * as binding from './bind.ts'
import * as entriesOf from './grow-entries.ts'
import * as state from './grow-state.ts'
import * as growing from './keras/grow-keras.ts'
import * as keras from './keras/keras-file.ts'
import * as network from './keras/network.ts'
import * as conversion from './keras/to-model.ts'
import * as optimizers from './optimizer-state.ts'
import * as safetensors from './safetensors.ts'
import * as torch from './torch-file.ts'

export type { Bindings, BindOptions } from './bind.ts'
export type { GrowEntriesOptions } from './grow-entries.ts'
export type { GrowStateOptions, OpenFile } from './grow-state.ts'
export type { ArchitectureMapping, LayerStack, TiedEntries } from './hugging-face/architecture.ts'
export { architectures } from './hugging-face/architectures.ts'
export type { CheckpointGrowth } from './hugging-face/grow-checkpoint.ts'
export type { AddedLayers } from './hugging-face/layers.ts'
export type { WantedSizes } from './hugging-face/plan.ts'
export type { KerasFile } from './keras/keras-file.ts'
export type { KerasState } from './keras/keras-state.ts'
export type { KerasContent } from './keras/network.ts'
export type { KerasModel } from './keras/to-model.ts'
export type { OptimizerSlot } from './optimizer-state.ts'
export type { SafetensorsFile } from './safetensors.ts'
export type { TorchFile } from './torch-file.ts'

const source = kind.object('bytes that can be read, as memorySource gives them', 'read', 'function')
const tensors = kind.map('a Map of tensors by name')
const bindings = kind.object('what bindEntries gives', 'bound', 'object')
const torchFile = kind.object(
  'a file of PyTorch, as readTorchFile gives it',
  'tensorOf',
  'function',
)
const kerasFile = kind.object('a file of Keras, as readKerasFile gives it', 'tensors', 'object')
const growEntriesOptions = kind.options<entriesOf.GrowEntriesOptions>(
  { untie: flag, constants: kind.object('a Set of names', 'has', 'function') },
  { file: text },
)

/**
 * Binds the floating-point entries of a state dict to the initializers of a model.
 *
 * @throws Net2NetError (refused) where an entry has the name and shape of an initializer, but other numbers
 */
export const bindEntries = checked('bindEntries', binding.bindEntries, {
  model: kind.model,
  entries: tensors,
  options: kind.options<binding.BindOptions>({ weightsDiffer: flag }, { file: text }),
})

/**
 * The entries of a state dict after growth, in their order. Entries that the plan leaves alone are passed on.
 *
 * @throws Net2NetError (refused) where the plan changes an initializer that no entry is bound to, or changes one entry in
 *   two ways
 */
export const growEntries = checked('growEntries', entriesOf.growEntries, {
  model: kind.model,
  plan: kind.plan,
  bindings,
  entries: tensors,
  options: growEntriesOptions,
})

/**
 * An optimizer's slots of one kind after growth, by the entries that they belong to. See grow-entries.ts.
 *
 * @param power with which power of the gradient a slot scales: 1 for momentum, 2 for squared gradients
 */
export const growEntrySlots = checked('growEntrySlots', entriesOf.growEntrySlots, {
  model: kind.model,
  plan: kind.plan,
  bindings,
  entries: tensors,
  slots: tensors,
  power: kind.number,
  options: growEntriesOptions,
})

const stateOptions = kind.options<state.GrowStateOptions>(
  { optimizer: text, names: kind.texts, untie: flag, weightsDiffer: flag },
  { weights: text },
)

/** As `growState` of Node, with files that `open` gives: those that the options name, and the parts of an index. */
export const growStateIn = checked('growStateIn', state.growStateIn, {
  open: kind.callback,
  model: kind.model,
  plans: kind.listOf('a list of growth plans', kind.plan),
  stem: text,
  options: stateOptions,
})

/** The parameters of a model of which no entry of a state dict holds the numbers: growth that changes one is refused for it. */
export const unboundParameters = checked('unboundParameters', state.unboundParameters, {
  open: kind.callback,
  model: kind.model,
  options: stateOptions,
})

/**
 * Reads files of `growState` that were written and binds them to the grown model again: what is in them is what the plans
 * say, number by number.
 *
 * @param open opens what was written
 * @param options those that the files were grown with
 * @throws Net2NetError (internal) where they hold something else
 */
export const mustHoldState = checked('mustHoldState', state.mustHoldState, {
  open: kind.callback,
  grown: kind.model,
  stem: text,
  options: stateOptions,
})

/** Whether bytes begin as a zip archive (`.keras`) or an HDF5 file (`.h5`) does. */
export const beginsAsKeras = checked('beginsAsKeras', formats.beginsAsKeras, { start: kind.bytes })

/**
 * Reads a `.keras` or `.h5` file that can be grown and written again. Weights stay where they are until somebody reads them.
 *
 * @param name what the file is called in messages
 * @throws Net2NetError (input) where it is broken; (refused) for layers that are not supported, by name
 */
export const readKeras = checked('readKeras', network.readKeras, { source, name: text })

/** Whether a file of PyTorch holds the state of an optimizer and no weights. */
export const isOptimizerState = checked('isOptimizerState', optimizers.isOptimizerState, {
  file: torchFile,
})

/**
 * Opens a file of Keras (`.keras`, `.h5`); only what describes the weights is read.
 *
 * @param name what the file is called in messages
 * @throws Net2NetError (input) where it is none, or is broken
 */
export const readKerasFile = checked('readKerasFile', keras.readKerasFile, { source, name: text })

/**
 * Builds the ONNX model that computes what the Keras model computes in inference.
 *
 * @throws Net2NetError (refused) for layers that are not understood, naming them; (input) for a broken file
 */
export const kerasToModel = checked('kerasToModel', conversion.kerasToModel, { file: kerasFile })

/**
 * A file of Keras and its ONNX model after growth; a plan that was made on that model can follow.
 *
 * @throws Net2NetError (refused) where no config of Keras says what the plan does, or a variable that layers share would
 *   become two; where the optimizer keeps state whose growth is unknown
 */
export const growKeras = checked('growKeras', growing.growKeras, {
  state: kind.object('a file of Keras and what kerasToModel makes of it', 'network', 'object'),
  plan: kind.plan,
})

/** The parts of a file of the same format, to be written one after the other. */
export const kerasParts = checked('kerasParts', keras.kerasParts, { file: kerasFile })

/**
 * The slots of an optimizer's state dict that have a parameter's shape. See optimizer-state.ts.
 *
 * @throws Net2NetError (input) where it is no optimizer's state; (refused) where it does not say which parameter is which
 */
export const optimizerSlots = checked('optimizerSlots', optimizers.optimizerSlots, {
  file: torchFile,
  entries: tensors,
  options: kind.options<optimizers.OptimizerNames>(
    { names: kind.texts, inOrder: flag },
    { file: text },
  ),
})

/**
 * Reads the header of a safetensors file.
 *
 * @param name what the file is called in messages
 * @throws Net2NetError (input) where the header is broken, or describes data that is not there, overlaps
 *   or leaves gaps
 */
export const readSafetensors = checked('readSafetensors', safetensors.readSafetensors, {
  source,
  name: text,
})

/** The parts of a safetensors file, to be written one after the other. See safetensors.ts. */
export const safetensorsParts = checked('safetensorsParts', safetensors.safetensorsParts, {
  tensors,
  metadata: kind.optional(kind.recordOf('an object of texts by key', text)),
})

/**
 * Reads the pickle of a PyTorch file; nothing in it is executed, and the storages stay where they are.
 *
 * @param name what the file is called in messages
 * @throws Net2NetError (input) where the file is broken, is of PyTorch's old format, or names what is not allowed
 */
export const readTorchFile = checked('readTorchFile', torch.readTorchFile, { source, name: text })

/** The state dict that a file of PyTorch holds, or that stands in it under a usual name. See torch-file.ts. */
export const stateDictOf = checked('stateDictOf', torch.stateDictOf, {
  file: torchFile,
  name: text,
})

/** The parts of a file of PyTorch with other tensors, to be written one after the other. See torch-file.ts. */
export const torchFileParts = checked('torchFileParts', torch.torchFileParts, {
  file: torchFile,
  replace: kind.callback,
  folder: text,
})
