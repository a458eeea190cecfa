/**
 * Translates sentences whose places are filled in already. The library says what it refuses in English sentences with names and
 * numbers in them. The sentences without these are the keys of the translation, as the page's own texts are; what stands in
 * their places is read off the sentence again, and is translated itself where it is a sentence too.
 */

/** @param catalogue sentences by the English ones, with `{0}`, `{1}` … where names and numbers stand */
export function translator(
  catalogue: Readonly<Record<string, string>>,
): (sentence: string) => string {
  const all = Object.entries(catalogue).flatMap((entry) => [
    entry,
    ...withoutPlace(entry),
    ...withoutColon(entry),
  ])
  const exact = new Map(all.reverse())
  const templates = all
    .filter(([english]) => /\{\d+\}/.test(english))
    // Of two that leave as much, the one that says more itself.
    .sort(([a], [b]) => b.replaceAll(/\{\d+\}/g, '').length - a.replaceAll(/\{\d+\}/g, '').length)
    .map(([english, chinese]) => templateOf(english, chinese))
  const known = new Map<string, string>()

  function translate(sentence: string): string {
    // A name, a number, or a list of them.
    if (/^\S*(, \S+)*$/.test(sentence)) return exact.get(sentence) ?? sentence
    const found = known.get(sentence) ?? whole(sentence) ?? inParts(sentence) ?? sentence
    known.set(sentence, found)
    return found
  }

  /** Of all sentences that it could be, the one that leaves the fewest English words. */
  function whole(sentence: string): string | undefined {
    const same = exact.get(sentence)
    if (same !== undefined) return same
    let best: string | undefined
    for (const { pattern, chinese, places } of templates) {
      const match = pattern.exec(sentence)
      if (!match) continue
      const values = new Map(places.map((place, i) => [place, match[i + 1]!]))
      const candidate = chinese.replace(/\{(\d+)\}/g, (_, place) =>
        translate(values.get(Number(place)) ?? ''),
      )
      if (best === undefined || wordsIn(candidate) < wordsIn(best)) best = candidate
    }
    return best
  }

  /** Put together of several: of what begins with the name of a node, or of two sentences. */
  function inParts(sentence: string): string | undefined {
    if (sentence.endsWith('.')) {
      const inner = sentence.slice(0, -1)
      const found = translate(inner)
      return found === inner ? undefined : `${found}。`
    }
    for (const named of [/^(\S+) (.+)$/s, /^(\S+ \S+) (.+)$/s]) {
      const [, name, rest] = named.exec(sentence) ?? []
      const found = rest === undefined ? undefined : whole(rest)
      if (found !== undefined) return `${name} ${found}`
    }
    for (const [separator, chinese] of separators) {
      const at = sentence.indexOf(separator)
      if (at < 0) continue
      const parts = [sentence.slice(0, at), sentence.slice(at + separator.length)]
      const found = parts.map(translate)
      if (found.some((part, i) => part !== parts[i])) return found.join(chinese)
    }
    return undefined
  }

  return translate
}

/**
 * Translates the tables of a growth plan.
 *
 * @param sentence translates what the library says as a sentence
 */
export function planTranslator(
  heads: Readonly<Record<string, string>>,
  cells: Readonly<Record<string, string>>,
  sentence: (text: string) => string,
) {
  const words = translator(cells)
  return {
    head: (head: string): string => heads[head] ?? head,
    /** How a parameter changes is a list of words, why an axis was found is a sentence; elsewhere there are names. */
    cell: (head: string, text: string): string =>
      head === 'found as'
        ? sentence(text)
        : head === 'how'
          ? text.split(', ').map(words).join('，')
          : words(text),
  }
}

/** Whoever names the place otherwise leaves out what stands before the colon. */
const withoutPlace = ([english, chinese]: readonly [string, string]): [string, string][] =>
  english.startsWith('{0}: ') && chinese.startsWith('{0}：')
    ? [[english.slice('{0}: '.length), chinese.slice('{0}：'.length)]]
    : []

/** A beginning, behind which another sentence stands, is found by what is before the colon. */
const withoutColon = ([english, chinese]: readonly [string, string]): [string, string][] =>
  english.endsWith(': ') && chinese.endsWith('：')
    ? [[english.slice(0, -': '.length), chinese.slice(0, -1)]]
    : []

const separators = [
  ['. ', '。'],
  ['; ', '；'],
  [': ', '：'],
  [', ', '，'],
] as const

/** Outside of quotes, where names stand. */
const wordsIn = (text: string): number =>
  text.replaceAll(/“[^”]*”|"[^"]*"/g, '').match(/\b[a-z]{2,}\b/g)?.length ?? 0

interface Template {
  readonly pattern: RegExp
  readonly chinese: string
  /** Which place each group of the pattern is. */
  readonly places: readonly number[]
}

function templateOf(english: string, chinese: string): Template {
  const places: number[] = []
  const pattern = english
    .split(/\{(\d+)\}/)
    .map((part, i) => {
      if (i % 2 === 0) return part.replaceAll(/[.*+?^${}()|[\]\\/]/g, '\\$&')
      places.push(Number(part))
      return '(.*?)'
    })
    .join('')
  return { pattern: new RegExp(`^${pattern}$`, 's'), chinese, places }
}
