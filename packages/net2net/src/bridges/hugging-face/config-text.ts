/**
 * Values changed in the text of a JSON file. All else keeps its form: written anew by JavaScript, `10000.0` would become
 * `10000`, which Python reads as another type.
 */

/** A value of JSON, as a field of config.json may get. */
export type ConfigValue = number | boolean | string | null | readonly ConfigValue[]

/**
 * The text with other values of fields; fields that it does not have come last in the object that holds them.
 *
 * @param text a JSON object
 * @param changes by path (`text_config.hidden_size`); the objects on the way must be there
 */
export function withValues(text: string, changes: ReadonlyMap<string, ConfigValue>): string {
  let result = text
  for (const [path, value] of changes) result = withValue(result, path.split('.'), value)
  return result
}

function withValue(text: string, path: readonly string[], value: ConfigValue): string {
  let place = new JsonText(text).objectAt(0)
  for (const key of path.slice(0, -1)) place = new JsonText(text).objectAt(place.get(key)!.start)
  const key = path.at(-1)!
  const indent = ' '.repeat(2 * path.length)
  const written = JSON.stringify(value, null, 2).replaceAll('\n', `\n${indent}`)
  const found = place.get(key)
  if (found) return text.slice(0, found.start) + written + text.slice(found.end)
  const last = [...place.values()].at(-1)
  const field = `\n${indent}${JSON.stringify(key)}: ${written}`
  return last
    ? `${text.slice(0, last.end)},${field}${text.slice(last.end)}`
    : text.replace('{', () => `{${field}\n`)
}

interface Span {
  readonly start: number
  readonly end: number
}

/** Finds values in a text that is known to be JSON. */
class JsonText {
  readonly #text: string

  constructor(text: string) {
    this.#text = text
  }

  /** Where the values of the object lie that begins at or after `at`; of equal keys the last counts. */
  objectAt(at: number): ReadonlyMap<string, Span> {
    const fields = new Map<string, Span>()
    let next = this.#skip(this.#skip(at) + 1)
    while (this.#text[next] !== '}') {
      const end = this.#string(next)
      const key = JSON.parse(this.#text.slice(next, end)) as string
      const start = this.#skip(this.#skip(end) + 1)
      const span = { start, end: this.#value(start) }
      // Set anew, so that the last of the map is the last of the text.
      fields.delete(key)
      fields.set(key, span)
      next = this.#skip(span.end)
      if (this.#text[next] === ',') next = this.#skip(next + 1)
    }
    return fields
  }

  /** The end of the value that begins at `at`. */
  #value(at: number): number {
    let depth = 0
    let next = at
    do {
      const char = this.#text[next]!
      if (char === '"') next = this.#string(next)
      else if (/[[\]{}]/.test(char)) {
        depth += char === '[' || char === '{' ? 1 : -1
        next++
      } else {
        // A number, true, false, null; between values, what separates them.
        next++
        while (depth === 0 && !/[\s,\]}]/.test(this.#text[next]!)) next++
      }
    } while (depth > 0)
    return next
  }

  #string(at: number): number {
    let next = at + 1
    while (this.#text[next] !== '"') next += this.#text[next] === '\\' ? 2 : 1
    return next + 1
  }

  #skip(at: number): number {
    let next = at
    while (/\s/.test(this.#text[next] ?? '')) next++
    return next
  }
}
