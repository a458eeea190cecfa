/** What the modules that the page loads can say: every text of several words in their source, with `{0}`, `{1}` … where it is filled in. */
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseSync } from 'vite'

const root = fileURLToPath(new URL('../../../../', import.meta.url))
const { exports } = JSON.parse(
  readFileSync(join(root, 'packages/net2net/package.json'), 'utf8'),
) as { exports: Readonly<Record<string, Conditions>> }
type Conditions = string | { readonly [condition: string]: Conditions }

/** The source that a browser's bundler takes for an entry of the library. */
function entry(specifier: string): string | undefined {
  const pick = (conditions: Conditions | undefined): string | undefined =>
    typeof conditions === 'string' || conditions === undefined
      ? conditions
      : pick(conditions['net2net-source'] ?? conditions.browser ?? conditions.default)
  const source = pick(exports[`.${specifier.slice('net2net'.length)}`])
  return source && join(root, 'packages/net2net', source)
}

const resolve = (from: string, specifier: string): string | undefined =>
  specifier.startsWith('.')
    ? join(dirname(from), specifier)
    : /^net2net(\/|$)/.test(specifier)
      ? entry(specifier)
      : undefined

interface Node {
  readonly type: string
  readonly [field: string]: unknown
}
const isNode = (value: unknown): value is Node =>
  typeof value === 'object' && value !== null && 'type' in value

const hasWords = (text: string) =>
  /[A-Za-z]{2,}[,;:]? [A-Za-z{]/.test(text) || /\{\d+\} [a-z]{2,}/.test(text)

/** By file, relative to the repository: its texts. */
export function sentencesFrom(starts: readonly string[]): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, string[]>()
  const queue = starts.map((file) => join(root, file))
  for (let file = queue.pop(); file; file = queue.pop()) {
    const name = relative(root, file)
    if (found.has(name) || !/\.tsx?$/.test(file) || !existsSync(file)) continue
    const texts: string[] = []
    found.set(name, texts)
    const say = (text: string) => {
      if (hasWords(text)) texts.push(text)
    }
    const follow = ({ source, importKind, exportKind }: Node) => {
      const specifier = isNode(source) ? source.value : undefined
      if (typeof specifier !== 'string' || importKind === 'type' || exportKind === 'type') return
      const next = resolve(file as string, specifier)
      if (next) queue.push(next)
    }
    const visit = (value: unknown): void => {
      if (Array.isArray(value)) for (const each of value) visit(each)
      if (!isNode(value) || /^TS\w*(Type|Interface)/.test(value.type)) return
      if (/^(Import|Export)/.test(value.type) && 'source' in value) follow(value)
      if (/^Import/.test(value.type)) return
      if (value.type === 'Literal' && typeof value.value === 'string') say(value.value)
      if (value.type === 'TemplateLiteral') {
        const parts = value.quasis as readonly { readonly value: { readonly cooked: string } }[]
        say(parts.map(({ value: { cooked } }, i) => (i ? `{${i - 1}}${cooked}` : cooked)).join(''))
      }
      for (const [field, child] of Object.entries(value)) if (field !== 'source') visit(child)
    }
    visit(parseSync(file, readFileSync(file, 'utf8')).program)
  }
  return found
}
