/** YAML whose fields know the line where they stand. */
import { isMap, isScalar, isSeq, LineCounter, type Node, parseDocument } from 'yaml'
import { inputError } from '../errors.ts'

export type Path = readonly PropertyKey[]

/** What a problem is about: the field, or what stands in it. */
export type Part = 'name' | 'value'

export interface Problem {
  readonly line: number
  readonly column: number
  readonly message: string
}

export interface LocatedYaml {
  readonly value: unknown
  /** What keeps the text from being read at all. */
  readonly problems: readonly Problem[]
  /** A problem at a field, or at the nearest thing around it that stands in the text. */
  at(path: Path, message: string): Problem
  /** The same, with the way to the field in its message: `steps[0].widen: must be …`. */
  atField(path: Path, message: string, part?: Part): Problem
}

/** A problem as an error: `recipe.yaml:3:5: …`. */
export function problemIn(file: string, { line, column, message }: Problem) {
  const where = `${file}:${line}:${column}`
  return inputError(`${where}: ${message}`, { where })
}

const fieldName = (path: Path): string =>
  path
    .map((key, i) => (typeof key === 'number' ? `[${key}]` : `${i > 0 ? '.' : ''}${String(key)}`))
    .join('')

export function parseLocated(text: string): LocatedYaml {
  const lines = new LineCounter()
  const document = parseDocument(text, {
    lineCounter: lines,
    prettyErrors: false,
    // `<<: *settings` is what people share settings with.
    merge: true,
  })
  const place = (offset: number, message: string): Problem => {
    const { line, col } = lines.linePos(offset)
    return { line, column: col, message }
  }
  const problems = document.errors.map(({ pos, message }) => place(pos[0], message))
  let value: unknown
  try {
    value = problems.length === 0 ? document.toJS({ maxAliasCount: 100 }) : undefined
  } catch (error) {
    problems.push(place(0, (error as Error).message))
  }
  const at = (path: Path, message: string, part?: Part) =>
    place(offsetOf(document.contents, path, part), message)
  const atField = (path: Path, message: string, part?: Part) =>
    at(path, `${path.length === 0 ? 'the recipe' : fieldName(path)}: ${message}`, part)
  return { value, problems, at, atField }
}

/** Where in the text a field stands: its name, or its value where that has no fields of its own. */
function offsetOf(root: Node | null, path: Path, of: Part = 'name'): number {
  let node: unknown = root
  let offset = root?.range?.[0] ?? 0
  for (const key of path) {
    let next: unknown
    if (isMap(node)) {
      const pair = node.items.find((item) => isScalar(item.key) && item.key.value === key)
      if (isScalar(pair?.key)) offset = pair.key.range?.[0] ?? offset
      next = pair?.value
    } else if (isSeq(node)) next = node.items[Number(key)]
    if (next === undefined || next === null) return offset
    const isValue = of === 'value' && !isMap(next)
    if (isValue || typeof key === 'number') offset = (next as Node).range?.[0] ?? offset
    node = next
  }
  return offset
}
