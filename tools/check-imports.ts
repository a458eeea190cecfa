/**
 * Holds the import directions of docs/architecture.md: a folder imports only folders of lower
 * levels. (That no module imports itself through others, not even for types alone, is Biome's
 * to hold: noImportCycles.)
 * Prints each violation as `file:line message` and exits with 1 if there is any.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'

/**
 * Folders (or files) of one part of the code, the lowest level first. A folder may import itself
 * and every folder of a lower level; folders of one level stay apart.
 */
interface Part {
  readonly root: string
  readonly levels: readonly (readonly string[])[]
}

const library = 'packages/net2net/src/'
const application = 'packages/net2net-cli/'

const parts: readonly Part[] = [
  {
    root: library,
    levels: [
      ['errors'],
      ['tensor', 'arguments'],
      ['model', 'files'],
      ['layers', 'data'],
      ['onnx'],
      ['operators', 'runtime'],
      ['passes', 'autodiff', 'growth'],
      ['training', 'check'],
      ['growing', 'checkpoints'],
      ['recipe', 'index', 'index.browser'],
    ],
  },
  {
    root: `${library}operators/`,
    levels: [
      ['contract'],
      ['helpers'],
      ['decompositions'],
      ['rules'],
      ['neural-network'],
      ['table'],
      ['inference'],
      ['model-size', 'constants-of'],
    ],
  },
  {
    root: `${library}growth/`,
    levels: [['growth-plan'], ['solve', 'apply'], ['plan'], ['inspect', 'steps'], ['index']],
  },
  {
    root: `${application}src/`,
    levels: [
      ['runs', 'processes'],
      ['mnist'],
      ['sweep/trial'],
      ['sweep/file', 'sweep/schedule', 'sweep/analysis', 'report'],
      ['server', 'sweep/queue', 'sweep/report'],
      ['cli'],
    ],
  },
]

/** Folders of the library that stay apart although their levels would allow the import. */
const apart: readonly (readonly [from: string, to: string])[] = [
  ['growth', 'onnx'],
  ['growth', 'runtime'],
  ['growth', 'files'],
  ['operators', 'onnx'],
  ['training', 'growth'],
]

/** Files of the library that may use Node's own modules; everything else also runs in a browser. */
const nodeOnly = [/\.node\.ts$/, /\/src\/(files|checkpoints)\//]

/** The folder or file of a part that holds `file`, and its level; undefined outside the part. */
function placeIn(
  part: Part,
  file: string,
): { room: string; level: number | undefined } | undefined {
  if (!file.startsWith(part.root)) return undefined
  const steps = file
    .slice(part.root.length)
    .replace(/\.tsx?$/, '')
    .split('/')
  for (const room of [steps.slice(0, 2).join('/'), steps[0]!]) {
    const level = part.levels.findIndex((rooms) => rooms.includes(room))
    if (level >= 0) return { room, level }
  }
  return { room: steps[0]!, level: undefined }
}

/** The module that each line imports, if any. */
const specifierIn = (text: string): string | undefined =>
  /(?:^|\s)(?:import|export)\s[^'"]*['"]([^'"]+)['"]/.exec(text)?.[1] ??
  /^\s*\}?\s*from\s+['"]([^'"]+)['"]/.exec(text)?.[1] ??
  /^import\s+['"]([^'"]+)['"]/.exec(text)?.[1] ??
  /\bimport\(\s*['"]([^'"]+)['"]/.exec(text)?.[1]

const problems: string[] = []
const files = [library, `${application}src/`, `${application}page/src/`]
  .filter((folder) => existsSync(folder))
  .flatMap((folder) =>
    readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((name) =>
      path.posix.join(folder, name.split(path.sep).join('/')),
    ),
  )
  .filter((file) => /\.tsx?$/.test(file) && !/\.(test|cases)\.tsx?$|\.d\.ts$/.test(file))
for (const file of files) {
  const inLibrary = file.startsWith(library)
  const complain = (line: number, message: string) => problems.push(`${file}:${line} ${message}`)
  for (const part of parts) {
    const place = placeIn(part, file)
    if (place && place.level === undefined)
      complain(1, `"${place.room}" has no level in ${part.root}.`)
  }
  readFileSync(file, 'utf8')
    .split('\n')
    .forEach((text, index) => {
      const line = index + 1
      const specifier = specifierIn(text)
      if (specifier?.startsWith('.')) {
        const imported = path.posix.join(path.posix.dirname(file), specifier)
        if (!inLibrary && imported.startsWith('packages/net2net/'))
          complain(line, 'The application imports the library by its name.')
        for (const part of parts) {
          const from = placeIn(part, file)
          const to = placeIn(part, imported)
          if (!from || !to || from.room === to.room) continue
          const isApart = apart.some(([a, b]) => a === from.room && b === to.room)
          if ((part.root === library && isApart) || (to.level ?? 0) >= (from.level ?? 0))
            complain(line, `${from.room} must not import ${to.room}.`)
        }
      } else if (specifier?.startsWith('onnxruntime')) {
        if (inLibrary && !file.startsWith(`${library}runtime/`))
          complain(line, 'Only runtime/ imports ONNX Runtime.')
      } else if (specifier === 'yaml' || specifier === 'zod') {
        if (inLibrary && !file.startsWith(`${library}recipe/`))
          complain(line, `Only recipe/ imports ${specifier}.`)
      } else if (specifier?.startsWith('node:')) {
        if (inLibrary && !nodeOnly.some((pattern) => pattern.test(file)))
          complain(line, `${specifier} is not there in the browser.`)
      }
      if (!/\/(cli|page)\//.test(file) && /\bconsole\.|\bprocess\.(argv|env|std)/.test(text))
        complain(line, 'Only cli/ prints and reads arguments or the environment.')
      if (
        !/^packages\/net2net\/src\/(operators|passes)\//.test(file) &&
        /\.opType\s*(===|!==|==)|switch\s*\(.*\.opType/.test(text)
      )
        complain(line, 'An operator is asked by name; its own file should answer instead.')
    })
}
for (const problem of problems) process.stderr.write(`${problem}\n`)
process.stdout.write(`${files.length} files, ${problems.length} import violations\n`)
process.exitCode = problems.length > 0 ? 1 : 0
