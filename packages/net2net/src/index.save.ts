/** What of the public face writes models to files: a program that only reads them loads none of it. */
import * as kind from './arguments.ts'
import { flag, model, text } from './arguments.ts'
import * as files from './onnx/save.node.ts'

const saving = {
  force: flag,
  externalData: flag,
  onProgress: kind.callback,
  signal: kind.signal,
}

/**
 * Writes a model to a file, whole or not at all. May replace the file that the model was loaded from.
 *
 * @throws Net2NetError (usage) where the file exists (without `force`) or cannot be there, (input) where the device
 *   is full or refuses, (interrupted) where the signal stops it
 */
export const save = kind.checkedAsync('save', files.save, {
  model,
  file: text,
  options: kind.options<files.SaveOptions>(saving),
})

/**
 * Begins to write a model to a file under a temporary name, so that it can be read and checked
 * before it is published. Call `discard` in the end, whatever happened.
 *
 * ```ts
 * const staged = await stage(student, 'student.onnx')
 * try {
 *   if ((await compare(teacher, staged.model)).equal) await staged.publish()
 * } finally {
 *   await staged.discard()
 * }
 * ```
 *
 * @throws as `save`
 */
export const stage = kind.checkedAsync('stage', files.stage, {
  model,
  file: text,
  options: kind.options<files.StageOptions>({
    ...saving,
    beside: kind.object('a Map of contents by path', 'entries', 'function'),
  }),
})
