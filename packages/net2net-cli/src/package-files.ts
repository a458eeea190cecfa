/**
 * Where this package's files lie. Its code runs as source, or as a bundle whose files have other names: only this
 * module knows which.
 */
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const isSource = import.meta.url.endsWith('.ts')
let root = dirname(fileURLToPath(import.meta.url))
while (!existsSync(join(root, 'package.json'))) root = dirname(root)

/** A file or folder of the package, by its path in there. */
export const packageFile = (path: string): string => join(root, path)

/** The version of this package. */
export const version = (): string =>
  (JSON.parse(readFileSync(packageFile('package.json'), 'utf8')) as { version: string }).version

/** The modules that are programs: the bundle keeps their names (see vite.config.ts). */
export type Program =
  | 'cli/main'
  | 'cli/explore/rung-process'
  | 'mnist/arm-process'
  | 'sweep/trial/trial-process'

/** The file of a program. */
export const programFile = (name: Program): string =>
  packageFile(isSource ? `src/${name}.ts` : `dist/${name}.js`)

/** What Node is given before the file of a program. */
export const nodeArguments = (): string[] =>
  isSource ? ['--conditions=net2net-source', '--import', import.meta.resolve('tsx')] : []
