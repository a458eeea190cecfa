/**
 * The page's server: static files and the runs of a folder, on loopback only. It answers nobody
 * but a page that it served itself: a foreign Host (DNS rebinding) or Origin (another site) gets
 * 403 before anything is looked at.
 */

import { once } from 'node:events'
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import { Net2NetError } from 'net2net'
import { inputError, usageError } from '../errors.ts'
import { contentType, fileUnder } from './files.ts'
import { securityHeaders } from './headers.ts'

/** An answer of the interface under /api. */
export type ApiReply =
  | { readonly status?: number; readonly json: unknown }
  | { readonly file: string; readonly downloadAs: string }
  | { readonly bytes: Uint8Array; readonly downloadAs: string }
  | { readonly text: string; readonly headers?: Readonly<Record<string, string>> }
  /** Server-sent events, each a JSON text; asked for the next when the reader has taken the last. */
  | { readonly events: (signal: AbortSignal) => AsyncIterable<string> }

export interface ApiRequest {
  readonly method: string
  /** Path below /api/, still encoded. */
  readonly path: string
  readonly query: URLSearchParams
  readonly body: unknown
}

export interface PageServerOptions {
  /** Folder of the built page. */
  readonly root: string
  /** 0: any free port. */
  readonly port: number
  readonly api: (request: ApiRequest) => Promise<ApiReply | undefined>
}

export interface PageServer {
  readonly url: string
  readonly port: number
  close(): Promise<void>
}

const host = '127.0.0.1'

/**
 * Starts the server on loopback.
 *
 * @throws usage where the port is taken or not allowed; input where the page is not there
 */
export async function startPageServer(options: PageServerOptions): Promise<PageServer> {
  if ((await fileUnder(options.root, '/index.html')) === undefined)
    throw inputError(`The page is not there: ${options.root} has no index.html.`, {
      where: options.root,
      hint: 'Build it with: npm run build:web',
    })
  const server = createServer((request, response) => {
    void answer(request, response, options, port)
  })
  // Event streams stay open; nothing else may dawdle.
  server.headersTimeout = 10_000
  server.requestTimeout = 30_000
  await listening(server, options.port)
  const { port } = server.address() as AddressInfo
  return {
    port,
    url: `http://${host}:${port}/`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

function listening(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE')
        reject(
          usageError(`Port ${port} is taken by another program.`, {
            where: '--port',
            hint: 'Choose another one with --port, or --port 0 for any free one.',
          }),
        )
      else if (error.code === 'EACCES')
        reject(
          usageError(`This user may not listen on port ${port}.`, {
            where: '--port',
            hint: 'Choose a port above 1023.',
          }),
        )
      else reject(error)
    })
    server.listen(port, host, resolve)
  })
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  options: PageServerOptions,
  port: number,
): Promise<void> {
  for (const [name, value] of Object.entries(securityHeaders)) response.setHeader(name, value)
  try {
    if (!isOurs(request, port))
      return plain(response, 403, 'This address serves its own page only.')
    const [path = '/', query = ''] = splitOnce(request.url ?? '/', '?')
    if (path.startsWith('/api/')) {
      const body = request.method === 'POST' ? await readJson(request) : undefined
      const reply = await options.api({
        method: request.method ?? 'GET',
        path: path.slice('/api/'.length),
        query: new URLSearchParams(query),
        body,
      })
      if (reply === undefined) return plain(response, 404, 'There is no such thing here.')
      return await send(request, response, reply)
    }
    if (request.method !== 'GET' && request.method !== 'HEAD')
      return plain(response, 405, 'Only GET and HEAD.')
    const file = await fileUnder(options.root, path)
    if (file === undefined) return plain(response, 404, 'There is no such file.')
    // File names of the build carry a hash of the content; the page itself does not.
    const forever = path.includes('/assets/') && /-[\w-]{8}\.\w+$/.test(path)
    response.setHeader('Cache-Control', forever ? 'max-age=31536000, immutable' : 'no-cache')
    await sendFile(request, response, file)
  } catch (error) {
    if (response.headersSent) response.destroy()
    else if (error instanceof Net2NetError)
      json(response, error.kind === 'internal' ? 500 : 400, {
        error: { kind: error.kind, message: error.message, hint: error.hint },
      })
    else plain(response, 500, 'Something of ours failed.')
  }
}

/** Asked under our own name, and by nobody else's page. */
function isOurs(request: IncomingMessage, port: number): boolean {
  const names = [`127.0.0.1:${port}`, `localhost:${port}`, `[::1]:${port}`]
  const { host: asked, origin } = request.headers
  if (asked === undefined || !names.includes(asked.toLowerCase())) return false
  if (origin !== undefined && origin !== `http://${asked.toLowerCase()}`) return false
  const site = request.headers['sec-fetch-site']
  if (site === 'cross-site' || site === 'same-site') {
    // A link from elsewhere may open the page; nothing more.
    return (
      request.headers['sec-fetch-mode'] === 'navigate' &&
      request.method === 'GET' &&
      !request.url?.startsWith('/api/')
    )
  }
  return true
}

const mostBody = 1 << 16

/** A body must say that it is JSON: then no form of another page can have sent it. */
async function readJson(request: IncomingMessage): Promise<unknown> {
  if (!/^application\/json\b/.test(request.headers['content-type'] ?? ''))
    throw inputError('The body must be JSON (Content-Type: application/json).')
  const parts: Buffer[] = []
  let length = 0
  for await (const part of request as AsyncIterable<Buffer>) {
    length += part.length
    if (length > mostBody) throw inputError(`The body is longer than ${mostBody} bytes.`)
    parts.push(part)
  }
  try {
    return JSON.parse(Buffer.concat(parts).toString('utf8')) as unknown
  } catch {
    throw inputError('The body is not JSON.')
  }
}

async function send(
  request: IncomingMessage,
  response: ServerResponse,
  reply: ApiReply,
): Promise<void> {
  response.setHeader('Cache-Control', 'no-store')
  if ('json' in reply) return json(response, reply.status ?? 200, reply.json)
  if ('text' in reply) {
    for (const [name, value] of Object.entries(reply.headers ?? {})) response.setHeader(name, value)
    return plain(response, 200, reply.text)
  }
  if ('downloadAs' in reply)
    response.setHeader('Content-Disposition', `attachment; filename="${reply.downloadAs}"`)
  if ('file' in reply) return await sendFile(request, response, reply.file)
  if ('bytes' in reply) {
    response.writeHead(200, { 'Content-Type': 'application/octet-stream' })
    response.end(reply.bytes)
    return
  }
  response.writeHead(200, { 'Content-Type': 'text/event-stream; charset=utf-8' })
  const controller = new AbortController()
  response.on('close', () => controller.abort())
  response.write(': hello\n\n')
  for await (const event of reply.events(controller.signal)) {
    if (controller.signal.aborted) break
    // Nothing is piled up for a reader that is slow.
    if (!response.write(`data: ${event}\n\n`))
      await once(response, 'drain', { signal: controller.signal }).catch(() => undefined)
  }
  response.end()
}

async function sendFile(request: IncomingMessage, response: ServerResponse, file: string) {
  const { size } = await stat(file)
  response.setHeader('Content-Type', contentType(file))
  const packs =
    size > 1400 &&
    /text|javascript|json|svg|wasm/.test(contentType(file)) &&
    /\bgzip\b/.test(request.headers['accept-encoding'] ?? '')
  response.setHeader('Vary', 'Accept-Encoding')
  if (packs) response.setHeader('Content-Encoding', 'gzip')
  else response.setHeader('Content-Length', size)
  response.writeHead(200)
  if (request.method === 'HEAD') {
    response.end()
    return
  }
  const content = createReadStream(file)
  // A reader that goes away is no fault of ours.
  await (packs
    ? pipeline(content, createGzip({ level: 5 }), response)
    : pipeline(content, response)
  ).catch(() => response.destroy())
}

function json(response: ServerResponse, status: number, value: unknown): void {
  response.writeHead(status, { 'Content-Type': 'application/json; charset=utf-8' })
  response.end(JSON.stringify(value))
}

function plain(response: ServerResponse, status: number, text: string): void {
  if (!response.hasHeader('Content-Type'))
    response.setHeader('Content-Type', 'text/plain; charset=utf-8')
  response.writeHead(status)
  response.end(text)
}

function splitOnce(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator)
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)]
}
