/**
 * Holds the import directions of docs/architecture.md: a room imports only rooms below it, and no
 * module imports itself through others, not even for types alone.
 * Prints each violation as `file:line message` and exits with 1 if there is any.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { circles } from './circles.ts'

/** A room may import itself and every room of a lower level; rooms of one level stay apart. */
const levels: Readonly<Record<string, number>> = {
  errors: 0,
  arguments: 1,
  issues: 1,
  tensor: 1,
  files: 2,
  model: 2,
  onnx: 3,
  operators: 4,
  runtime: 4,
  growth: 5,
  training: 5,
  layers: 6,
  data: 6,
  experiments: 7,
  index: 8,
  cli: 8,
  web: 9,
}

/** Files that may use Node's own modules; everything else also runs in the browser. */
const nodeOnly = [
  /^src\/cli\//,
  /^src\/files\//,
  /^src\/onnx\/(file|external-data)\.ts$/,
  /^src\/runtime\/node\.ts$/,
  /-(file|folder|node|process)\.ts$/,
  /\/(node|testing)\//,
]

const roomOf = (file: string): string => {
  const [top, second] = file.split('/')
  return top === 'web' ? 'web' : path.basename(second ?? '', '.ts')
}

const problems: string[] = []
const files = ['src', 'web']
  .filter((folder) => existsSync(folder))
  .flatMap((folder) =>
    readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((name) =>
      path.posix.join(folder, name.split(path.sep).join('/')),
    ),
  )
  .filter(
    (file) =>
      /\.tsx?$/.test(file) &&
      !/\.test\.tsx?$|\/testing\/|^web\/(dist|node_modules)\/|\.config\.ts$/.test(file),
  )
/** What each file imports, and in which line. */
const imports = new Map(files.map((file) => [file, new Map<string, number>()]))
for (const file of files) {
  const room = roomOf(file)
  const level = levels[room]
  const complain = (line: number, message: string) => problems.push(`${file}:${line} ${message}`)
  if (level === undefined) complain(1, `The room "${room}" is not in the plan of the house.`)
  readFileSync(file, 'utf8')
    .split('\n')
    .forEach((text, index) => {
      const line = index + 1
      const specifier =
        /(?:^|\s)(?:import|export)\s[^'"]*['"]([^'"]+)['"]/.exec(text)?.[1] ??
        /^\s*\}?\s*from\s+['"]([^'"]+)['"]/.exec(text)?.[1] ??
        /^import\s+['"]([^'"]+)['"]/.exec(text)?.[1] ??
        /\bimport\(\s*['"]([^'"]+)['"]/.exec(text)?.[1]
      if (specifier?.startsWith('.')) {
        const imported = path.posix.join(path.posix.dirname(file), specifier)
        if (imports.has(imported)) imports.get(file)!.set(imported, line)
        const target = roomOf(imported)
        const targetLevel = levels[target]
        if (target !== room && (targetLevel === undefined || targetLevel >= (level ?? 0)))
          complain(line, `${room} must not import ${target}.`)
      } else if (specifier?.startsWith('onnxruntime')) {
        if (room !== 'runtime') complain(line, 'Only runtime/ imports ONNX Runtime.')
      } else if (specifier?.startsWith('node:')) {
        if (!nodeOnly.some((pattern) => pattern.test(file)))
          complain(line, `${specifier} is not there in the browser.`)
      }
      if (room !== 'cli' && room !== 'web' && /\bconsole\.|\bprocess\.(argv|env|std)/.test(text))
        complain(line, 'Only cli/ prints and reads arguments or the environment.')
      if (room !== 'operators' && /\.opType\s*(===|!==|==)|switch\s*\(.*\.opType/.test(text))
        complain(line, 'An operator is asked by name; its own file should answer instead.')
    })
}
for (const circle of circles(imports)) {
  const [first, second = first] = circle
  problems.push(
    `${first}:${imports.get(first!)!.get(second!)} imports itself: ${[...circle, first].join(' → ')}.`,
  )
}
for (const problem of problems) process.stderr.write(`${problem}\n`)
process.stdout.write(`${files.length} files, ${problems.length} import violations\n`)
process.exitCode = problems.length > 0 ? 1 : 0
