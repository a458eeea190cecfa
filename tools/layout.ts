/**
 * The layout of the code: which folder may import which, and what each file imports. The import
 * check and the diagram of docs/architecture.md both read it.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'

/**
 * Folders (or files) of one part of the code, the lowest level first. A folder may import itself
 * and every folder of a lower level; folders of one level stay apart.
 */
export interface Part {
  readonly name: string
  readonly root: string
  readonly levels: readonly (readonly string[])[]
}

export const library = 'packages/net2net/src/'
export const application = 'packages/net2net-cli/'

export const libraryPart: Part = {
  name: 'net2net',
  root: library,
  levels: [
    ['errors'],
    ['arguments'],
    ['tensor'],
    ['model', 'files'],
    ['layers', 'data'],
    ['onnx'],
    ['operators'],
    ['runtime'],
    ['passes', 'autodiff', 'growth'],
    ['training', 'check', 'bridges'],
    ['measuring'],
    ['growing', 'checkpoints', 'logs'],
    ['exploring', 'recipe', 'index.browser', 'index.model', 'index.save'],
    ['index'],
  ],
}

export const applicationPart: Part = {
  name: 'net2net-cli',
  root: `${application}src/`,
  levels: [
    ['errors', 'package-files'],
    ['runs', 'processes'],
    ['mnist'],
    ['sweep/trial'],
    ['sweep/file', 'sweep/schedule', 'sweep/analysis', 'report', 'exploration'],
    ['exploration/report'],
    ['server', 'sweep/queue', 'sweep/report'],
    ['cli'],
  ],
}

export const parts: readonly Part[] = [
  libraryPart,
  {
    name: 'operators',
    root: `${library}operators/`,
    levels: [
      ['contract'],
      ['helpers'],
      ['decompositions'],
      ['rules'],
      ['table', 'broken-node'],
      ['inference'],
      ['uses-of-constants', 'model-size', 'constants-of', 'sign'],
      ['trainable'],
      ['shared-constants'],
    ],
  },
  {
    name: 'growth',
    root: `${library}growth/`,
    levels: [
      ['growth-plan', 'copied-names'],
      ['empty-plan', 'solve', 'apply'],
      ['plan'],
      ['describe-plan', 'inspect', 'steps'],
      ['index'],
    ],
  },
  applicationPart,
]

/** The folder or file of a part that holds `file`, and its level; undefined outside the part. */
export function placeIn(
  part: Part,
  file: string,
): { module: string; level: number | undefined } | undefined {
  if (!file.startsWith(part.root)) return undefined
  const steps = file
    .slice(part.root.length)
    .replace(/\.tsx?$/, '')
    .split('/')
  for (const module of [steps.slice(0, 2).join('/'), steps[0]!]) {
    const level = part.levels.findIndex((modules) => modules.includes(module))
    if (level >= 0) return { module, level }
  }
  return { module: steps[0]!, level: undefined }
}

export interface Line {
  readonly number: number
  readonly text: string
  /** The module that the line imports, as it is written there. */
  readonly specifier: string | undefined
}

/** The shipped source files, tests left out, with their lines. */
export function sourceFiles(): ReadonlyMap<string, readonly Line[]> {
  const names = [library, `${application}src/`, `${application}page/src/`]
    .filter((folder) => existsSync(folder))
    .flatMap((folder) =>
      readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((name) =>
        path.posix.join(folder, name.split(path.sep).join('/')),
      ),
    )
    .filter((file) => /\.tsx?$/.test(file) && !/\.(test|cases)\.tsx?$|\.d\.ts$/.test(file))
  return new Map(
    names.map((file) => [
      file,
      readFileSync(file, 'utf8')
        .split('\n')
        .map((text, index) => ({ number: index + 1, text, specifier: specifierIn(text) })),
    ]),
  )
}

const specifierIn = (text: string): string | undefined =>
  /(?:^|\s)(?:import|export)\s[^'"]*['"]([^'"]+)['"]/.exec(text)?.[1] ??
  /^\s*\}?\s*from\s+['"]([^'"]+)['"]/.exec(text)?.[1] ??
  /^import\s+['"]([^'"]+)['"]/.exec(text)?.[1] ??
  /\bimport\(\s*['"]([^'"]+)['"]/.exec(text)?.[1]

/** The file that a relative specifier leads to. */
export const resolveFrom = (file: string, specifier: string): string =>
  path.posix.join(path.posix.dirname(file), specifier)
