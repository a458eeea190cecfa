/** Controls and marks that change how a terminal shows what follows. */
const UNPRINTABLE = /[\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g

/** Dimensions, for messages. */
export const shapeText = (dims: readonly (number | bigint)[]): string =>
  `[${dims.slice(0, 8)}${dims.length > 8 ? ',…' : ''}]`

/** A name from a file, fit to be printed: escaped, and not longer than a line. */
export const quote = (name: string): string =>
  JSON.stringify(name.length > 80 ? `${name.slice(0, 79)}…` : name).replace(
    UNPRINTABLE,
    (mark) => `\\u${mark.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
