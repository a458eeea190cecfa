/**
 * Takes out of the built library what nobody uses there: the comments and the indentation of its JavaScript, syntax that is longer than it need be, the declarations that no
 * entry leads to, and the comments of those that none exports. What an entry exports keeps its comments, where editors look for them. Names stay, for stack traces.
 */
import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const root = fileURLToPath(new URL('../packages/net2net/', import.meta.url))

await build({
  entryPoints: [`${root}dist/**/*.js`],
  outdir: `${root}dist`,
  allowOverwrite: true,
  format: 'esm',
  target: 'esnext',
  legalComments: 'inline',
  minifyWhitespace: true,
  minifySyntax: true,
  lineLimit: 160,
  logLevel: 'warning',
})

const entries = JSON.stringify(JSON.parse(await readFile(`${root}package.json`, 'utf8')).exports)
const exported = [...entries.matchAll(/"\.\/(dist\/[^"]+\.d\.ts)"/g)].map(([, path]) => root + path)
const imports = /(?:\bfrom |\bimport\(|\bimport )['"](\.[^'"]+)\.[jt]s['"]/g
const exportsFrom = /\bexport (?:type )?(?:\*|\{[^}]*\}) from ['"](\.[^'"]+)\.[jt]s['"]/g
const reached = await follow(exported, imports)
const shown = await follow(exported, exportsFrom)
for (const name of await readdir(`${root}dist`, { recursive: true })) {
  const file = join(root, 'dist', name)
  if (!name.endsWith('.d.ts') || shown.has(file)) continue
  if (!reached.has(file)) await rm(file)
  else await writeFile(file, (await readFile(file, 'utf8')).replace(/\s*\/\*\*.*?\*\//gs, ''))
}

/** All declarations that these lead to by statements of this form, themselves included. */
async function follow(files: readonly string[], form: RegExp): Promise<ReadonlySet<string>> {
  const found = new Set<string>()
  const left = [...files]
  for (let file = left.pop(); file !== undefined; file = left.pop()) {
    if (found.has(file)) continue
    found.add(file)
    for (const [, path] of (await readFile(file, 'utf8')).matchAll(form))
      left.push(resolve(dirname(file), `${path}.d.ts`))
  }
  return found
}
