/**
 * `net2net/bridges`: the files of other frameworks. Keras networks become ONNX models and are written back after their growth;
 * state dicts and optimizer states of PyTorch follow plans that were made on an export of the same network.
 */
export { type Bindings, type BindOptions, bindEntries } from './bind.ts'
export { type GrowEntriesOptions, growEntries, growEntrySlots } from './grow-entries.ts'
export { growKeras, type KerasState } from './keras/grow-keras.ts'
export { type KerasFile, kerasParts, readKerasFile } from './keras/keras-file.ts'
export { type KerasModel, kerasToModel } from './keras/to-model.ts'
export { type OptimizerSlot, optimizerSlots } from './optimizer-state.ts'
export { readSafetensors, type SafetensorsFile, safetensorsParts } from './safetensors.ts'
export { readTorchFile, stateDictOf, type TorchFile, torchFileParts } from './torch-file.ts'
