/** Which file a request path means, and nothing outside the folder. */
import { realpath, stat } from 'node:fs/promises'
import { extname, join, sep } from 'node:path'

/**
 * The file under `root` that a URL path names; undefined where there is none. The path is decoded
 * once; a segment that is `..`, hides a separator or another encoding, or leads through a link
 * out of the folder, names nothing.
 */
export async function fileUnder(root: string, urlPath: string): Promise<string | undefined> {
  const segments = pathSegments(urlPath)
  if (segments === undefined) return undefined
  try {
    const base = await realpath(root)
    const found = await realpath(join(base, ...segments))
    if (!(await isInside(base, found))) return undefined
    const facts = await stat(found)
    if (facts.isDirectory()) return await fileUnder(base, `${urlPath}/index.html`)
    return facts.isFile() ? found : undefined
  } catch {
    return undefined
  }
}

/** Whether a path, when all links are followed, is the folder or lies in it. */
export async function isInside(folder: string, path: string): Promise<boolean> {
  try {
    const [base, found] = await Promise.all([realpath(folder), realpath(path)])
    return found === base || found.startsWith(base.endsWith(sep) ? base : base + sep)
  } catch {
    return false
  }
}

/** The decoded segments of a URL path; undefined where one of them is not a plain file name. */
export function pathSegments(urlPath: string): readonly string[] | undefined {
  const segments: string[] = []
  for (const part of urlPath.split('/')) {
    if (part === '') continue
    let name: string
    try {
      name = decodeURIComponent(part)
    } catch {
      return undefined
    }
    if (!isPlainName(name)) return undefined
    segments.push(name)
  }
  return segments
}

/** A name of one file or folder: no separators, no escapes, no leading dot, no control characters. */
export const isPlainName = (name: string): boolean =>
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is kept out
  name !== '' && name.length <= 255 && !/^\.|[/\\%\u0000-\u001f\u007f:]/.test(name)

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.mjs': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.woff2': 'font/woff2',
  '.wasm': 'application/wasm',
  '.txt': 'text/plain; charset=utf-8',
}

export const contentType = (path: string): string =>
  types[extname(path).toLowerCase()] ?? 'application/octet-stream'
