/**
 * Takes out of the built library what nobody uses there: the comments, the indentation and the long local names of its JavaScript, the declarations that no
 * entry leads to, and the comments and the indentation of those that none exports. What an entry exports keeps its comments, where editors look for them. The
 * names of functions and classes stay, for stack traces.
 */
import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { minifySync } from 'vite'

const root = fileURLToPath(new URL('../packages/net2net/', import.meta.url))

for (const name of await readdir(`${root}dist`, { recursive: true })) {
  const file = join(root, 'dist', name)
  if (!name.endsWith('.js')) continue
  const { code, errors } = minifySync(file, await readFile(file, 'utf8'), {
    module: true,
    compress: false,
    mangle: { toplevel: false, keepNames: true },
    codegen: { removeWhitespace: true, legalComments: 'inline' },
  })
  if (errors[0]) throw new Error(`${name}: ${errors[0].message}`)
  await writeFile(file, code)
}

const entries = JSON.stringify(JSON.parse(await readFile(`${root}package.json`, 'utf8')).exports)
const exported = [...entries.matchAll(/"\.\/(dist\/[^"]+\.d\.ts)"/g)].map(([, path]) => root + path)
const reached = await follow(exported, imported)
const shown = await follow(exported, shownBy)
for (const name of await readdir(`${root}dist`, { recursive: true })) {
  const file = join(root, 'dist', name)
  if (!name.endsWith('.d.ts') || shown.has(file)) continue
  if (!reached.has(file)) await rm(file)
  else {
    const code = await readFile(file, 'utf8')
    await writeFile(file, code.replace(/\s*\/\*\*.*?\*\//gs, '').replace(/^ +/gm, ''))
  }
}

/** All declarations that these lead to, themselves included. */
async function follow(
  files: readonly string[],
  next: (code: string) => readonly string[],
): Promise<ReadonlySet<string>> {
  const found = new Set<string>()
  const left = [...files]
  for (let file = left.pop(); file !== undefined; file = left.pop()) {
    if (found.has(file)) continue
    found.add(file)
    for (const path of next(await readFile(file, 'utf8')))
      left.push(resolve(dirname(file), path.replace(/\.[jt]s$/, '.d.ts')))
  }
  return found
}

/** Paths of all that declarations read. */
function imported(code: string): readonly string[] {
  const paths = code.matchAll(/(?:\bfrom |\bimport\(|\bimport )['"](\.[^'"]+)['"]/g)
  return [...paths].map(([, path = '']) => path)
}

/** Paths of what declarations export of others: at once, or by a name that they import. */
function shownBy(code: string): readonly string[] {
  const own = [...code.matchAll(/\bexport (?:type )?\{([^}]*)\};/g)]
    .map(([, names]) => names)
    .join()
  const exported = new Set(own.match(/\w+/g))
  const statements = code.matchAll(
    /\b(export|import) (?:type )?([^'";]*?) from ['"](\.[^'"]+)['"]/g,
  )
  return [...statements].flatMap(([, kind, names = '', path = '']) =>
    kind === 'export' || names.match(/\w+/g)?.some((name) => exported.has(name)) ? [path] : [],
  )
}
