/** What a text falls into, and the ids of that: bytes of UTF-8, or characters. */
import { inputError } from '../../errors.ts'
import type { TextPreparation } from '../../model/preparation.ts'
import { quote } from '../../model/quote.ts'

export interface TextOptions {
  /** Reads text as the ids of its bytes or of its characters. */
  readonly text?: 'bytes' | 'characters' | undefined
}

/** Fills up what is shorter than the model's sequences. No text holds the byte 0. */
export const PADDING = 0
/** Stands for all characters that are not in a vocabulary. */
const REPLACEMENT = '\ufffd'

/** Collects the characters that occur. */
export class CharacterScan {
  readonly #seen = new Set<string>()

  add(text: string): void {
    for (const character of text) this.#seen.add(character)
  }

  /**
   * The characters in the order of their code points. A vocabulary of `texts`, which have different lengths and come with new characters
   * later, begins with padding and with U+FFFD for what is not known; one of a single text has neither.
   */
  vocabulary(of: 'text' | 'texts'): readonly string[] {
    const found = [...this.#seen].filter((one) => of === 'text' || one !== REPLACEMENT)
    found.sort((a, b) => a.codePointAt(0)! - b.codePointAt(0)!)
    return of === 'text' ? found : ['', REPLACEMENT, ...found]
  }
}

export type UnitIds = Uint8Array | Int32Array

/** From texts to ids and back, as a preparation says. */
export interface Units {
  /** How many different ids there are; undefined where nobody knows. */
  readonly count: number | undefined
  /** @throws input, naming the character, for one that is not in the vocabulary */
  ids(text: string, source: string): UnitIds
  text(ids: ArrayLike<number>): string
}

export function unitsOf({ units, vocabulary = [] }: Omit<TextPreparation, 'kind'>): Units {
  if (units === 'bytes')
    return {
      count: 256,
      ids: (text) => new TextEncoder().encode(text),
      text: (ids) => new TextDecoder().decode(Uint8Array.from(ids)),
    }
  if (units === 'tokens')
    return {
      count: undefined,
      ids: (text, source) => tokenIds(text, source),
      text: (ids) => Array.from(ids).join(' '),
    }
  const indices = new Map(vocabulary.map((character, i) => [character, i]))
  const unknown = indices.get(REPLACEMENT)
  return {
    count: vocabulary.length,
    ids(text, source) {
      const ids = new Int32Array(text.length)
      let count = 0
      for (const character of text) {
        const id = indices.get(character) ?? unknown
        if (id === undefined)
          throw inputError(
            `${source} has the character ${quote(character)}, which is none of the ${vocabulary.length} that the model was trained on.`,
          )
        ids[count++] = id
      }
      return ids.subarray(0, count)
    },
    text: (ids) => Array.from(ids, (id) => vocabulary[id] ?? REPLACEMENT).join(''),
  }
}

/** Tokens of another program are given as their numbers. */
function tokenIds(text: string, source: string): Int32Array {
  const words = text.split(/[\s,]+/).filter((word) => word !== '')
  const wrong = words.find((word) => !/^\d+$/.test(word) || Number(word) >= 2 ** 31)
  if (wrong === undefined) return Int32Array.from(words, Number)
  throw inputError(
    `${source} has ${quote(wrong)}, but the model was trained on token ids: give their numbers.`,
  )
}
