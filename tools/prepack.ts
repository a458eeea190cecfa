/**
 * Lays into a package's folder what its tarball has besides its code: the licence, the README and, for the library, the
 * JSON Schema of recipes. Nothing of it is committed there. Runs as `prepack` of each package, in its folder.
 */
import { copyFileSync, writeFileSync } from 'node:fs'
import { basename } from 'node:path'
import { fileURLToPath } from 'node:url'
import { recipeJsonSchema } from 'net2net/recipe'

const root = new URL('../', import.meta.url)
for (const name of ['LICENSE', 'README.md']) copyFileSync(fileURLToPath(new URL(name, root)), name)
if (basename(process.cwd()) === 'net2net')
  writeFileSync('recipe.schema.json', `${JSON.stringify(recipeJsonSchema())}\n`)
