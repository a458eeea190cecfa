/**
 * `net2net/bridges`: the files of other frameworks. Keras networks become ONNX models and are written back after their growth;
 * state dicts and optimizer states of PyTorch follow plans that were made on an export of the same network. Its functions
 * check what they are given.
 */
import * as kind from '../arguments.ts'
import { checked, flag, text } from '../arguments.ts'
import * as binding from './bind.ts'
import * as entriesOf from './grow-entries.ts'
import * as growing from './keras/grow-keras.ts'
import * as keras from './keras/keras-file.ts'
import * as conversion from './keras/to-model.ts'
import * as optimizers from './optimizer-state.ts'
import * as safetensors from './safetensors.ts'
import * as torch from './torch-file.ts'

export type { Bindings, BindOptions } from './bind.ts'
export type { GrowEntriesOptions } from './grow-entries.ts'
export type { KerasFile } from './keras/keras-file.ts'
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
  { untie: flag },
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
 * What a file of Keras holds after growth.
 *
 * @throws Net2NetError (refused) where the plan inserts layers, or splits a variable that layers share; where the
 *   optimizer keeps state whose growth is unknown
 */
export const growKeras = checked('growKeras', growing.growKeras, {
  file: kerasFile,
  network: kind.object('what kerasToModel gives', 'bindings', 'object'),
  plan: kind.plan,
})

/** A file of Keras with another config and other tensors. */
export const withChanges = checked('withChanges', keras.withChanges, {
  file: kerasFile,
  changes: kind.object('what growKeras gives', 'tensors', 'object'),
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
