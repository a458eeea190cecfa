/**
 * The events of the server, over one connection for all tabs of this browser: browsers open six to
 * a server of HTTP/1.1, and a seventh tab would not even load. One tab, that has the lock, listens to the server and
 * tells the others; when it closes, the next one does.
 */
export interface Heard {
  /** The data of the last event, if there was one. */
  readonly data?: string
  /** The server was there and answers no more. */
  readonly lost: boolean
}

/** Follows the events until the function that it returns is called. */
export function followEvents(url: string, hear: (heard: Heard) => void): () => void {
  const name = `events of ${new URL(url, location.href).href}`
  const channel = new BroadcastChannel(name)
  const ending = new AbortController()
  let last: Heard | undefined

  const listen = (): Promise<void> =>
    new Promise((done) => {
      // Its turn has come in the moment in which it was ended.
      if (ending.signal.aborted) return done()
      const source = new EventSource(url)
      const tell = (news: Partial<Heard>) => {
        last = { lost: false, ...last, ...news }
        hear(last)
        channel.postMessage(last)
      }
      source.onopen = () => tell({ lost: false })
      source.onerror = () => tell({ lost: true })
      source.onmessage = ({ data }: MessageEvent<string>) => tell({ data })
      // A tab that has come asks what it missed.
      channel.onmessage = ({ data }: MessageEvent<Heard | 'asks'>) => {
        if (data === 'asks' && last !== undefined) channel.postMessage(last)
      }
      ending.signal.addEventListener('abort', () => {
        source.close()
        done()
      })
    })

  channel.onmessage = ({ data }: MessageEvent<Heard | 'asks'>) => {
    if (data !== 'asks') hear(data)
  }
  channel.postMessage('asks')
  // Aborted while it waits for its turn: nobody misses it.
  navigator.locks.request(name, { signal: ending.signal }, listen).catch(() => {})
  return () => {
    ending.abort()
    channel.close()
  }
}
