/** YAML whose fields know the line where they stand. */
import { isMap, isScalar, isSeq, LineCounter, type Node, parseDocument } from 'yaml'

export type Path = readonly PropertyKey[]

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
}

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
  return {
    value,
    problems,
    at: (path, message) => place(offsetOf(document.contents, path), message),
  }
}

function offsetOf(root: Node | null, path: Path): number {
  let node: unknown = root
  let offset = root?.range?.[0] ?? 0
  for (const key of path) {
    if (isMap(node)) {
      const pair = node.items.find((item) => isScalar(item.key) && item.key.value === key)
      if (isScalar(pair?.key)) offset = pair.key.range?.[0] ?? offset
      node = pair?.value
    } else if (isSeq(node)) {
      node = node.items[Number(key)]
      offset = (node as Node | undefined)?.range?.[0] ?? offset
    } else return offset
  }
  return offset
}
