/**
 * Takes out of the built library what nobody uses there: the comments and the indentation of its JavaScript, syntax that is longer than it need be, and the declarations that no
 * entry leads to. The other declarations keep their comments, where editors look for them. Names stay, for stack traces.
 */
import { readdir, readFile, rm } from 'node:fs/promises'
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
const left = [...entries.matchAll(/"\.\/(dist\/[^"]+\.d\.ts)"/g)].map(([, path]) => root + path)
const reached = new Set<string>()
for (let file = left.pop(); file !== undefined; file = left.pop()) {
  if (reached.has(file)) continue
  reached.add(file)
  const imports = (await readFile(file, 'utf8')).matchAll(
    /(?:\bfrom |\bimport\(|\bimport )['"](\.[^'"]+)\.[jt]s['"]/g,
  )
  for (const [, path] of imports) left.push(resolve(dirname(file), `${path}.d.ts`))
}
for (const name of await readdir(`${root}dist`, { recursive: true })) {
  const file = join(root, 'dist', name)
  if (name.endsWith('.d.ts') && !reached.has(file)) await rm(file)
}
