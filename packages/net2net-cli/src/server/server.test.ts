import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { networkInterfaces, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type PageServer, startPageServer } from './server.ts'

let folder: string
let server: PageServer

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'net2net-serve-'))
  await mkdir(join(folder, 'page', 'assets'), { recursive: true })
  await writeFile(join(folder, 'page', 'index.html'), '<!doctype html><title>page</title>')
  await writeFile(join(folder, 'page', 'assets', 'index-12345678.js'), 'export {}')
  await writeFile(join(folder, 'secret.txt'), 'the secret')
  await symlink(join(folder, 'secret.txt'), join(folder, 'page', 'link.txt'))
  await symlink(folder, join(folder, 'page', 'up'))
  server = await startPageServer({
    root: join(folder, 'page'),
    port: 0,
    api: async ({ path, body }) => (path === 'echo' ? { json: { body: body ?? null } } : undefined),
  })
})
afterAll(async () => {
  await server.close()
  await rm(folder, { recursive: true })
})

/** A request exactly as written: fetch would tidy paths and refuse to set Host. */
function raw(path: string, headers: Record<string, string> = {}, method = 'GET', body = '') {
  return new Promise<{ status: number; head: string; body: string }>((resolve, reject) => {
    const socket = connect(server.port, '127.0.0.1')
    const lines = { Host: `127.0.0.1:${server.port}`, Connection: 'close', ...headers }
    let text = ''
    socket.on('data', (data) => {
      text += data.toString('latin1')
    })
    socket.on('error', reject)
    socket.on('close', () => {
      const [head = '', content = ''] = text.split('\r\n\r\n')
      resolve({ status: Number(head.split(' ')[1]), head, body: content })
    })
    const extra = body === '' ? {} : { 'Content-Length': String(Buffer.byteLength(body)) }
    socket.write(
      `${method} ${path} HTTP/1.1\r\n${Object.entries({ ...lines, ...extra })
        .map(([name, value]) => `${name}: ${value}\r\n`)
        .join('')}\r\n${body}`,
    )
  })
}

/** Ways to write "one folder up" that some server somewhere has fallen for. */
const ups = [
  '..',
  '%2e%2e',
  '%2E%2E',
  '.%2e',
  '%2e.',
  '..%2f',
  '..%2F',
  '%2e%2e%2f',
  '..%5c',
  '..\\',
  '%2e%2e%5c',
  '..%00',
  '..%00/',
  '%00..',
  '..%20',
  '%20..',
  '..;',
  '..%3b',
  '%252e%252e',
  '%252e%252e%252f',
  '..%252f',
  '..%255c',
  '%c0%ae%c0%ae',
  '%c0%ae%c0%ae%c0%af',
  '..%c0%af',
  '%e0%80%ae%e0%80%ae',
  '..%c1%9c',
  '%uff0e%uff0e',
  '%u002e%u002e',
  '．．',
  '%ef%bc%8e%ef%bc%8e',
  '....',
  '....//',
  '..././',
  './..',
  '././..',
  'assets/../..',
  'assets/%2e%2e/%2e%2e',
  'assets/..%2f..',
  '/..',
  '//..',
  '%2f..',
  '..%0a',
  '..%0d%0a',
  '..#',
  '.%00.',
  '%2e%00%2e',
] // prettier-ignore

describe('paths', () => {
  it(`serves nothing outside its folder, however ".." is written (${ups.length} ways)`, async () => {
    expect(new Set(ups).size).toBeGreaterThanOrEqual(40)
    for (const up of ups) {
      for (const path of [`/${up}/secret.txt`, `/${up}secret.txt`, `/${up}/${up}/secret.txt`]) {
        const { status, body } = await raw(path)
        expect(body, path).not.toContain('the secret')
        expect([400, 403, 404], path).toContain(status)
      }
    }
  })

  it('follows no link out of its folder', async () => {
    expect((await raw('/link.txt')).status).toBe(404)
    expect((await raw('/up/secret.txt')).status).toBe(404)
  })

  it('serves the page and its scripts', async () => {
    const page = await raw('/')
    expect(page.status).toBe(200)
    expect(page.head).toMatch(/content-type: text\/html/i)
    expect(page.body).toContain('<title>page</title>')
    const script = await raw('/assets/index-12345678.js')
    expect(script.head).toMatch(/content-type: text\/javascript/i)
    expect(script.head).toMatch(/immutable/)
  })
})

describe('who may ask', () => {
  it('answers 403 to a foreign Host', async () => {
    for (const host of ['evil.example', `evil.example:${server.port}`, '127.0.0.1', '127.0.0.1:1'])
      expect((await raw('/', { Host: host })).status, host).toBe(403)
    expect((await raw('/', { Host: `localhost:${server.port}` })).status).toBe(200)
  })

  it('answers 403 to a foreign Origin', async () => {
    for (const origin of ['https://evil.example', 'null', `https://127.0.0.1:${server.port}`]) {
      expect((await raw('/', { Origin: origin })).status, origin).toBe(403)
      expect((await raw('/api/echo', { Origin: origin })).status, origin).toBe(403)
    }
    expect((await raw('/api/echo', { Origin: server.url.slice(0, -1) })).status).toBe(200)
  })

  it('lets other sites link to the page, but not read its interface', async () => {
    const foreign = { 'Sec-Fetch-Site': 'cross-site' }
    expect((await raw('/', { ...foreign, 'Sec-Fetch-Mode': 'navigate' })).status).toBe(200)
    expect((await raw('/', { ...foreign, 'Sec-Fetch-Mode': 'no-cors' })).status).toBe(403)
    expect((await raw('/api/echo', { ...foreign, 'Sec-Fetch-Mode': 'navigate' })).status).toBe(403)
  })

  it('listens on loopback only', async () => {
    const others = Object.values(networkInterfaces())
      .flatMap((list) => list ?? [])
      .filter((address) => !address.internal && address.family === 'IPv4')
    for (const { address } of others) {
      const reached = await new Promise<boolean>((resolve) => {
        const socket = connect({ port: server.port, host: address, timeout: 1000 })
        socket.on('connect', () => resolve(true)).on('error', () => resolve(false))
        socket.on('timeout', () => resolve(false))
      })
      expect(reached, address).toBe(false)
    }
    expect(server.url).toMatch(/^http:\/\/127\.0\.0\.1:/)
  })
})

describe('headers', () => {
  it('forbids inline script and isolates the page, on every answer', async () => {
    for (const path of ['/', '/missing', '/api/missing']) {
      const { head } = await raw(path)
      const policy = /content-security-policy: (.*)/i.exec(head)?.[1] ?? ''
      const scripts = /script-src ([^;]*)/.exec(policy)?.[1]
      expect(scripts, path).toBe("'self' 'wasm-unsafe-eval'")
      expect(policy).toContain("default-src 'none'")
      expect(head).toMatch(/cross-origin-opener-policy: same-origin/i)
      expect(head).toMatch(/cross-origin-embedder-policy: require-corp/i)
    }
  })
})

describe('bodies', () => {
  it('takes JSON, and says what is wrong with anything else', async () => {
    const type = { 'Content-Type': 'application/json' }
    const good = await raw('/api/echo', type, 'POST', '{"a":1}')
    expect(good.body).toContain('{"body":{"a":1}}')
    expect((await raw('/api/echo', type, 'POST', '{')).status).toBe(400)
    expect((await raw('/api/echo', {}, 'POST', 'a=1')).status).toBe(400)
    const long = await raw('/api/echo', type, 'POST', `"${'x'.repeat(70_000)}"`)
    expect(long.status).toBe(400)
  })

  it('refuses other methods on files', async () => {
    expect((await raw('/', { 'Content-Type': 'application/json' }, 'DELETE')).status).toBe(405)
  })
})

describe('starting', () => {
  it('says that the port is taken', async () => {
    const again = startPageServer({
      root: join(folder, 'page'),
      port: server.port,
      api: async () => undefined,
    })
    await expect(again).rejects.toMatchObject({
      kind: 'usage',
      message: `Port ${server.port} is taken by another program.`,
    })
  })

  it('says that the page is not built', async () => {
    const missing = startPageServer({
      root: join(folder, 'nothing'),
      port: 0,
      api: async () => undefined,
    })
    await expect(missing).rejects.toMatchObject({ kind: 'input', hint: /build:web/ })
  })
})
