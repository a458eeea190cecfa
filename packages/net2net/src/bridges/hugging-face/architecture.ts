/**
 * An architecture of Hugging Face's transformers, as data: which field of config.json is the size of which axis of
 * which entry, and what may be added to it.
 */
import { inputError } from '../../errors.ts'
import { quote } from '../../model/quote.ts'
import { parseSize, type SizeExpression } from './size-expression.ts'

/** The sizes that can grow. */
export type SizeRole = 'ffn' | 'heads' | 'hidden'

/**
 * What a mapping says of one architecture. Patterns name entries, or modules whose weight and bias are entries, by
 * the end of their names: `*` stands for any text without a dot, `{}` for a number.
 */
export interface ArchitectureMapping {
  /** Another architecture, of which this one has everything that it does not say itself. */
  readonly like?: string
  /** The fields of config.json that grow with the width of the feed-forwards. */
  readonly ffn?: readonly string[]
  /** The fields that grow with the number of attention heads. */
  readonly heads?: readonly string[]
  /** The fields that grow with the width of the residual stream. */
  readonly hidden?: readonly string[]
  /** What fields are that config.json leaves out: expressions of others (`4*n_embd`). */
  readonly defaults?: Readonly<Record<string, string>>
  /** Sizes that the network computes, and no field can say (`n_embd/n_head`). */
  readonly computed?: Readonly<Record<string, string>>
  /** Second names of fields, which are changed with these where config.json has them. */
  readonly aliases?: Readonly<Record<string, string>>
  /** Fields that must be multiples of others, or the network is not built. */
  readonly multiples?: Readonly<Record<string, string>>
  /**
   * The sizes of the axes of entries, `_` for one that never grows: `intermediate_size, hidden_size`. Of a module this is its
   * weight's shape, and a bias has the first of them. What is said first counts.
   */
  readonly entries?: Readonly<Record<string, string>>
  /** Entries that the network multiplies by the square root of a field. */
  readonly timesRoot?: Readonly<Record<string, string>>
  readonly tied?: TiedEntries
  /** The stacks of equal layers; or why no layer can be added that adds nothing. */
  readonly layers?: string | readonly LayerStack[]
}

/** Entries that files leave out, since they are other entries, while `tie_word_embeddings` is true. */
export interface TiedEntries {
  /** Entry that is left out → the entry that it is. */
  readonly entries: Readonly<Record<string, string>>
  /** What `tie_word_embeddings` is where config.json does not say it. */
  readonly byDefault: boolean
  /** Why they cannot be taken apart, if they cannot. */
  readonly always?: string
}

/** Layers of one kind, one behind the other, whose outputs are added to what goes into them. */
export interface LayerStack {
  /** The field that counts them. */
  readonly count: string
  /** What the names of a layer's entries begin with: `h.{}`. */
  readonly name: string
  /** What a layer's output comes from last, by pattern, and the value at which it adds nothing. */
  readonly adds: Readonly<Record<string, number>>
  /** Entries that only the first layer has. */
  readonly onlyFirst?: readonly string[]
  /** Fields that are lists with an item for each layer. */
  readonly lists?: readonly string[]
  /** Fields that, with these values, make a layer depend on its number. */
  readonly byNumber?: Readonly<Record<string, unknown>>
}

/** A mapping that was read. */
export interface Architecture {
  readonly name: string
  readonly roles: Readonly<Record<SizeRole, readonly string[]>>
  readonly defaults: ReadonlyMap<string, SizeExpression>
  readonly computed: ReadonlyMap<string, SizeExpression>
  readonly aliases: ReadonlyMap<string, string>
  readonly multiples: ReadonlyMap<string, string>
  readonly timesRoot: readonly (readonly [pattern: RegExp, field: string])[]
  readonly tied: TiedEntries | undefined
  readonly layers: string | readonly LayerStack[]
  /** The sizes of an entry's axes, null for those that never grow; undefined for an entry that the mapping does not name. */
  shapeOf(entry: string): readonly (SizeExpression | null)[] | undefined
}

const parts = new Set([
  ...['like', 'ffn', 'heads', 'hidden', 'defaults', 'computed', 'aliases', 'multiples'],
  ...['entries', 'timesRoot', 'tied', 'layers'],
])

/**
 * The architecture of a name, from a table of mappings.
 *
 * @param table by `model_type`
 * @param file what messages call the table
 * @returns undefined where the table does not have it
 * @throws Net2NetError (input) where a mapping is not one
 */
export function architectureOf(
  name: string,
  table: Readonly<Record<string, ArchitectureMapping>>,
  file: string,
): Architecture | undefined {
  if (!Object.hasOwn(table, name)) return undefined
  const mapping = resolve(name, table, file, [])
  const broken = (what: string) => wrong(file, name, what)
  const expressions = (part: 'defaults' | 'computed') =>
    new Map(
      Object.entries(mapping[part] ?? {}).map(([field, text]) => {
        const size = parseSize(text)
        if (!size) throw broken(`${part}.${field} is no size: ${quote(text)}`)
        return [field, size] as const
      }),
    )
  const shapes = Object.entries(mapping.entries ?? {}).map(([pattern, text]) => {
    const axes = text.split(',').map((part) => {
      if (part.trim() === '_') return null
      const size = parseSize(part)
      if (!size || part.includes('/'))
        throw broken(`entries: the axis ${quote(part.trim())} of ${quote(pattern)} is no size`)
      return size
    })
    return { expression: patternOf(pattern), axes }
  })
  return {
    name,
    roles: { ffn: mapping.ffn ?? [], heads: mapping.heads ?? [], hidden: mapping.hidden ?? [] },
    defaults: expressions('defaults'),
    computed: expressions('computed'),
    aliases: new Map(Object.entries(mapping.aliases ?? {})),
    multiples: new Map(Object.entries(mapping.multiples ?? {})),
    timesRoot: Object.entries(mapping.timesRoot ?? {}).map(
      ([pattern, field]) => [patternOf(pattern), field] as const,
    ),
    tied: mapping.tied,
    layers: mapping.layers ?? `the mapping of ${quote(name)} does not say where its layers are`,
    shapeOf(entry) {
      const module = /^(.*)\.(weight|bias)$/.exec(entry)
      for (const { expression, axes } of shapes) {
        if (expression.test(entry)) return axes
        if (module && expression.test(module[1]!))
          return module[2] === 'bias' ? axes.slice(0, 1) : axes
      }
      return undefined
    },
  }
}

/** A pattern, as it fits the end of a name. */
export const patternOf = (pattern: string): RegExp => new RegExp(`(?:^|\\.)${source(pattern)}$`)

/** A pattern as a regular expression; numbers are groups of it. */
export const source = (pattern: string): string =>
  pattern
    .replace(/[.+?^$()|[\]\\]/g, '\\$&')
    .replaceAll('*', '[^.]*')
    .replaceAll('{}', '(\\d+)')

function resolve(
  name: string,
  table: Readonly<Record<string, ArchitectureMapping>>,
  file: string,
  before: readonly string[],
): ArchitectureMapping {
  const own = table[name]!
  if (own.like === undefined) return own
  if (!Object.hasOwn(table, own.like) || [...before, name].includes(own.like))
    throw wrong(file, name, `it is like ${quote(own.like)}, which is not there`)
  const base = resolve(own.like, table, file, [...before, name])
  return { ...base, ...own, entries: { ...own.entries, ...without(base.entries, own.entries) } }
}

/** What is said first counts: an entry's own shape comes before that of the architecture that it is like. */
const without = (
  base: Readonly<Record<string, string>> = {},
  own: Readonly<Record<string, string>> = {},
) => Object.fromEntries(Object.entries(base).filter(([key]) => !Object.hasOwn(own, key)))

/**
 * Reads a table of mappings from plain data, as a file in JSON or YAML has it.
 *
 * @throws Net2NetError (input), naming the part that is wrong
 */
export function parseMappings(
  value: unknown,
  file: string,
): Readonly<Record<string, ArchitectureMapping>> {
  if (!isTable(value))
    throw inputError(`${file} is not a table of architectures by their model_type.`, {
      where: file,
    })
  for (const [name, mapping] of Object.entries(value)) mustBeMapping(file, name, mapping)
  return value as Readonly<Record<string, ArchitectureMapping>>
}

function mustBeMapping(file: string, name: string, mapping: unknown): void {
  const fail = (what: string) => {
    throw wrong(file, name, what)
  }
  if (!isTable(mapping)) throw wrong(file, name, 'it is not a table')
  for (const [part, content] of Object.entries(mapping)) {
    if (!parts.has(part))
      fail(`it has no part ${quote(part)}; the parts are ${[...parts].join(', ')}`)
    if (part === 'like' && !isText(content)) fail('like must name an architecture')
    if (['ffn', 'heads', 'hidden'].includes(part) && !isList(content, isText))
      fail(`${part} must be a list of fields`)
    if (
      ['defaults', 'computed', 'aliases', 'multiples', 'entries', 'timesRoot'].includes(part) &&
      !isTable(content, isText)
    )
      fail(`${part} must be a table of texts`)
    if (part === 'tied') {
      const tied = isTable(content) ? content : {}
      if (!isTable(tied.entries, isText) || typeof tied.byDefault !== 'boolean')
        fail('tied must have entries, a table of texts, and byDefault, true or false')
    }
    if (part === 'layers' && !isText(content) && !isList(content, isStack))
      fail(
        'layers must be a list of stacks with count, name and adds (patterns with values), or a text that says why there are none',
      )
  }
}

const isText = (value: unknown): value is string => typeof value === 'string'
const isNumber = (value: unknown): value is number => Number.isFinite(value)
const isList = (value: unknown, is: (item: unknown) => boolean): boolean =>
  Array.isArray(value) && value.every(is)
const isTable = (
  value: unknown,
  is: (item: unknown) => boolean = () => true,
): value is Record<string, unknown> =>
  typeof value === 'object' &&
  value !== null &&
  !Array.isArray(value) &&
  Object.values(value).every(is)
const isStack = (value: unknown): boolean =>
  isTable(value) &&
  isText(value.count) &&
  isText(value.name) &&
  value.name.split('{}').length === 2 &&
  isTable(value.adds, isNumber) &&
  Object.keys(value.adds).length > 0 &&
  (value.onlyFirst === undefined || isList(value.onlyFirst, isText)) &&
  (value.lists === undefined || isList(value.lists, isText)) &&
  (value.byNumber === undefined || isTable(value.byNumber))

const wrong = (file: string, name: string, what: string) =>
  inputError(`${file}: the mapping of ${quote(name)} is not one: ${what}.`, { where: file })
