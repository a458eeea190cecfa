/** Writes docs/recipe.schema.json, the JSON Schema of recipes: `npm run docs:recipe`. */
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { recipeJsonSchema } from '../packages/net2net/src/recipe/growth-recipe.ts'

export const schemaFile = fileURLToPath(new URL('../docs/recipe.schema.json', import.meta.url))

/** The file's text. */
export const schemaText = (): string => `${JSON.stringify(recipeJsonSchema(), null, 2)}\n`

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(schemaFile, schemaText())
