/** Files that people give in place of a network's, known by their first bytes: what they are, and what to do. */

export interface OtherFormat {
  /** The rest of a sentence that begins with the file's name. */
  readonly what: string
  readonly hint: string
}

/** The files that hold whole networks, in words. */
export const networkFiles =
  'Networks are read from files of ONNX (.onnx) and of Keras (.keras, .h5).'

/** Bytes that tell one format from another. */
export const TELLING_BYTES = 16

const exportIt =
  "Export the network in Python, torch.onnx.export(model, inputs, 'model.onnx', dynamo=True), and give that file"

/** Weights of PyTorch alone: they say nothing of the network. */
export const weightsAlone: OtherFormat = {
  what: 'holds weights, and not the network that they belong to',
  hint: `${exportIt}; these weights grow along beside it.`,
}

const text: OtherFormat = {
  what: 'is a text (JSON, HTML or the like), and no network',
  hint: `${networkFiles} A download may be an error page in its place.`,
}

const formats: readonly (OtherFormat & { readonly is: (start: Uint8Array) => boolean })[] = [
  { ...weightsAlone, is: isSafetensors },
  {
    is: (start) => start[0] === 0x80 && start[1]! >= 2 && start[1]! <= 5,
    what: 'is a pickle of Python, which is never executed here',
    hint: `${exportIt}.`,
  },
  {
    is: (start) => textAt(start, 0, 'GGUF'),
    what: 'is a file of GGUF, whose weights are for llama.cpp',
    hint: 'Start from the weights that it was made from, and from their network as ONNX.',
  },
  {
    is: (start) => textAt(start, 4, 'TFL3'),
    what: 'is a model of TensorFlow Lite',
    hint: "Save the network that it was made from: model.save('model.keras').",
  },
  {
    is: (start) => textAt(start, 4, 'ORTM'),
    what: "is a model in ONNX Runtime's own format",
    hint: 'Give the ONNX file that it was made from.',
  },
  { ...text, is: (start) => /^[\s\uFEFF]*[[{<]/.test(new TextDecoder().decode(start)) },
]

/** What a file is instead of an ONNX file, where that can be told. */
export const otherFormat = (start: Uint8Array): OtherFormat | undefined =>
  formats.find(({ is }) => is(start))

/** What a file is of which nothing was recognized. */
export function unrecognizedFormat(start: Uint8Array): OtherFormat | undefined {
  try {
    const letters = new TextDecoder('utf-8', { fatal: true }).decode(start, { stream: true })
    return /^[^\p{Cc}]+$/u.test(letters.replaceAll(/[\t\r\n]/g, ' ')) ? text : undefined
  } catch {
    return undefined
  }
}

/** Whether a file begins as a zip archive (`.keras`) or an HDF5 file (`.h5`) does. */
export const beginsAsKeras = (start: Uint8Array): boolean =>
  (textAt(start, 0, 'PK') && start[2]! < 8 && start[3]! < 9) || textAt(start, 1, 'HDF')

/** Eight bytes with the length of a header that is JSON. */
function isSafetensors(start: Uint8Array): boolean {
  return start[8] === 0x7b && start.subarray(4, 8).every((byte) => byte === 0)
}

const textAt = (bytes: Uint8Array, at: number, text: string): boolean =>
  [...text].every((letter, i) => bytes[at + i] === letter.charCodeAt(0))
