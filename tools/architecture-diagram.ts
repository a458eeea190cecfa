/**
 * The diagram of docs/architecture.md, made from the imports. `npm run docs:diagram` writes it
 * between its two markers; a test compares it with the file.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import {
  applicationPart,
  libraryPart,
  type Part,
  placeIn,
  resolveFrom,
  sourceFiles,
} from './layout.ts'

export const architectureFile = fileURLToPath(new URL('../docs/architecture.md', import.meta.url))
const [begin, end] = ['<!-- diagram: begin -->', '<!-- diagram: end -->']

/** What each folder of a part imports of the others. */
function importsWithin(part: Part): ReadonlyMap<string, ReadonlySet<string>> {
  const found = new Map(part.levels.flat().map((module) => [module, new Set<string>()]))
  for (const [file, lines] of sourceFiles()) {
    const from = placeIn(part, file)
    for (const { specifier } of from ? lines : []) {
      if (!specifier?.startsWith('.')) continue
      const to = placeIn(part, resolveFrom(file, specifier))
      if (to && (to.level ?? 0) < (from!.level ?? 0)) found.get(from!.module)?.add(to.module)
    }
  }
  return found
}

/** Without the arrows that follow from others: a → c where a → b and b → c are drawn. */
function reduced(imports: ReadonlyMap<string, ReadonlySet<string>>): [string, string][] {
  const reaches = (from: string, to: string, without?: string): boolean =>
    [...(imports.get(from) ?? [])].some(
      (next) => next !== without && (next === to || reaches(next, to)),
    )
  return [...imports].flatMap(([from, targets]) =>
    [...targets].filter((to) => !reaches(from, to, to)).map((to): [string, string] => [from, to]),
  )
}

function chart(part: Part): string[] {
  const id = (module: string) => module.replace(/[^a-z]/g, '_')
  const imports = importsWithin(part)
  // The faces of the package import nearly everything and would hide the rest.
  const modules = part.levels
    .flat()
    .filter(
      (module) => !['errors', 'arguments', 'index', 'index.browser', 'index.save'].includes(module),
    )
  const shown = new Map(
    modules.map((module) => [
      module,
      new Set([...imports.get(module)!].filter((to) => modules.includes(to))),
    ]),
  )
  return [
    '```mermaid',
    'flowchart BT',
    ...modules.map((module) => `  ${id(module)}[${module}]`),
    ...reduced(shown).map(([from, to]) => `  ${id(from)} --> ${id(to)}`),
    '```',
  ]
}

/** The text of docs/architecture.md with the diagram as it should be. */
export function withDiagram(text: string): string {
  const [before, rest] = text.split(begin)
  const after = rest?.split(end)[1]
  if (after === undefined) throw new Error(`The file has no ${begin} … ${end}.`)
  const diagrams = [libraryPart, applicationPart].flatMap((part) => [
    '',
    `\`${part.name}\`:`,
    '',
    ...chart(part),
  ])
  return `${before}${begin}\n${diagrams.join('\n')}\n\n${end}${after}`
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  writeFileSync(architectureFile, withDiagram(readFileSync(architectureFile, 'utf8')))
