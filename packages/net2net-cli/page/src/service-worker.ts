/**
 * Keeps the page: after the first visit it opens without a network. It also lends the page the headers that isolate it, which static
 * hosts do not send and without which browsers give WebAssembly no threads.
 */

/** What the build writes in: the files of the page, and a text that changes with them. */
declare const __FILES__: readonly string[]
declare const __VERSION__: string

/** Of the types for service workers what is used here; the page's own types have the window's instead. */
interface Scope {
  readonly registration: { readonly scope: string }
  readonly clients: { claim(): Promise<void> }
  skipWaiting(): Promise<void>
  addEventListener(type: 'install' | 'activate', listen: (event: Lasting) => void): void
  addEventListener(type: 'fetch', listen: (event: Asked) => void): void
}
interface Lasting {
  waitUntil(promise: Promise<unknown>): void
}
interface Asked {
  readonly request: Request
  respondWith(response: Promise<Response>): void
}
const scope = self as unknown as Scope

const prefix = 'net2net '
const current = `${prefix}${__VERSION__}`

scope.addEventListener('install', (event) => {
  event.waitUntil(
    caches
      .open(current)
      .then((cache) => cache.addAll([...__FILES__]))
      .then(() => scope.skipWaiting()),
  )
})

scope.addEventListener('activate', (event) => {
  event.waitUntil(
    caches
      .keys()
      .then((all) =>
        Promise.all(
          all
            .filter((each) => each.startsWith(prefix) && each !== current)
            .map((old) => caches.delete(old)),
        ),
      )
      .then(() => scope.clients.claim()),
  )
})

scope.addEventListener('fetch', (event) => {
  const { request } = event
  const { scope: folder } = scope.registration
  // What a server answers anew each time is not kept.
  if (
    request.method !== 'GET' ||
    !request.url.startsWith(folder) ||
    request.url.startsWith(`${folder}api/`)
  )
    return
  event.respondWith(request.mode === 'navigate' ? page(request) : file(request))
})

/** A newer page where there is one, the kept one where there is no network. */
async function page(request: Request): Promise<Response> {
  try {
    const response = await fetch(request)
    if (response.ok) return isolated(response)
  } catch {
    // No network.
  }
  const kept = await caches.match('./', { cacheName: current })
  return isolated(kept ?? Response.error())
}

/** Names of files change with what they hold: what is kept is never out of date. */
async function file(request: Request): Promise<Response> {
  const kept = await caches.match(request, { cacheName: current, ignoreSearch: true })
  if (kept) return isolated(kept)
  const response = await fetch(request)
  if (response.ok && response.status === 200) {
    const cache = await caches.open(current)
    await cache.put(request, response.clone()).catch(() => undefined)
  }
  return isolated(response)
}

function isolated(response: Response): Response {
  if (response.status === 0 || response.headers.has('Cross-Origin-Embedder-Policy')) return response
  const headers = new Headers(response.headers)
  headers.set('Cross-Origin-Opener-Policy', 'same-origin')
  headers.set('Cross-Origin-Embedder-Policy', 'require-corp')
  headers.set('Cross-Origin-Resource-Policy', 'same-origin')
  const { status, statusText, body } = response
  return new Response(body, { status, statusText, headers })
}
