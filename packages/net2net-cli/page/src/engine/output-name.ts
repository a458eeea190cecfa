/** What a grown file is called: as the file that it was made of, and in its format. */

const networks = /\.(onnx|keras|h5|hdf5)$/i

/** The name without the ending that says the format. */
export const withoutEnding = (name: string): string => name.replace(networks, '')

export const endingOf = (name: string): string => networks.exec(name)?.[0].toLowerCase() ?? '.onnx'

/** What the names of all files of a growth begin with. */
export const outputStem = (input: string): string => `${withoutEnding(input)}-grown`

export const outputName = (input: string): string => `${outputStem(input)}${endingOf(input)}`
