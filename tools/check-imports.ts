/**
 * Holds the import directions of docs/architecture.md: a folder imports only folders of lower
 * levels. (That no module imports itself through others, not even for types alone, is Biome's
 * to hold: noImportCycles.)
 * Prints each violation as `file:line message` and exits with 1 if there is any.
 */
import { library, libraryPart, parts, placeIn, resolveFrom, sourceFiles } from './layout.ts'

/** Folders of the library that stay apart although their levels would allow the import. */
const apart: readonly (readonly [from: string, to: string])[] = [
  ['growth', 'onnx'],
  ['growth', 'runtime'],
  ['growth', 'files'],
  ['operators', 'onnx'],
  ['training', 'growth'],
]

/** Files of the library that may use Node's own modules; everything else also runs in a browser. */
const nodeOnly = [/\.node\.ts$/, /\/src\/(files|checkpoints|logs)\//]

const problems: string[] = []
const files = sourceFiles()
for (const [file, lines] of files) {
  const inLibrary = file.startsWith(library)
  const complain = (line: number, message: string) => problems.push(`${file}:${line} ${message}`)
  for (const part of parts) {
    const place = placeIn(part, file)
    if (place && place.level === undefined)
      complain(1, `"${place.module}" has no level in ${part.root}.`)
  }
  for (const { number, text, specifier } of lines) {
    if (specifier?.startsWith('.')) {
      const imported = resolveFrom(file, specifier)
      if (!inLibrary && imported.startsWith('packages/net2net/'))
        complain(number, 'The application imports the library by its name.')
      for (const part of parts) {
        const from = placeIn(part, file)
        const to = placeIn(part, imported)
        if (!from || !to || from.module === to.module) continue
        const isApart = apart.some(([a, b]) => a === from.module && b === to.module)
        if ((part === libraryPart && isApart) || (to.level ?? 0) >= (from.level ?? 0))
          complain(number, `${from.module} must not import ${to.module}.`)
      }
    } else if (specifier?.startsWith('onnxruntime')) {
      if (inLibrary && !file.startsWith(`${library}runtime/`))
        complain(number, 'Only runtime/ imports ONNX Runtime.')
    } else if (specifier === 'yaml' || specifier === 'zod') {
      if (inLibrary && !file.startsWith(`${library}recipe/`))
        complain(number, `Only recipe/ imports ${specifier}.`)
    } else if (specifier?.startsWith('node:')) {
      if (inLibrary && !nodeOnly.some((pattern) => pattern.test(file)))
        complain(number, `${specifier} is not there in the browser.`)
    }
    if (!/\/(cli|page)\//.test(file) && /\bconsole\.|\bprocess\.(argv|env|std)/.test(text))
      complain(number, 'Only cli/ prints and reads arguments or the environment.')
    if (
      !/^packages\/net2net\/src\/(operators|passes)\//.test(file) &&
      /\.opType\s*(===|!==|==)|switch\s*\(.*\.opType/.test(text)
    )
      complain(number, 'An operator is asked by name; its own file should answer instead.')
  }
}
for (const problem of problems) process.stderr.write(`${problem}\n`)
process.stdout.write(`${files.size} files, ${problems.length} import violations\n`)
process.exitCode = problems.length > 0 ? 1 : 0
