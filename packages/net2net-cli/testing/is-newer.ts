import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'

/** Is what was built newer than all that it was built from? Tests are built into nothing. */
export function isNewer(built: string, sources: readonly string[]): boolean {
  return existsSync(built) && sources.every((source) => latest(source) < statSync(built).mtimeMs)
}

function latest(path: string): number {
  const { mtimeMs } = statSync(path)
  if (!statSync(path).isDirectory()) return mtimeMs
  return readdirSync(path, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && !/\.(test|cases)\.ts$/.test(entry.name))
    .reduce((newest, { parentPath, name }) => {
      return Math.max(newest, statSync(join(parentPath, name)).mtimeMs)
    }, 0)
}
