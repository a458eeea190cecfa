/** The connection to Redis, which may go away and come back. */

import { Redis } from 'ioredis'
import { inputError, usageError } from '../../errors.ts'

const patience = 10_000

export interface RedisOptions {
  /** Ends the wait for the first answer. */
  readonly signal?: AbortSignal | undefined
  readonly onLost?: () => void
  readonly onBack?: () => void
}

/**
 * Connects. Later on, commands wait for a Redis that went away until it is back.
 *
 * @throws usage for an address that is none; input where nothing answers there
 */
export async function connectRedis(
  url: string,
  events: RedisOptions = {},
): Promise<{ readonly redis: Redis; readonly close: () => void }> {
  const address = addressOf(url)
  const redis = new Redis(url, {
    lazyConnect: true,
    maxRetriesPerRequest: null,
    connectTimeout: patience,
    retryStrategy: (times) => Math.min(100 * 2 ** times, 2000),
  })
  let connected = false
  let lost = false
  let closing = false
  let last: Error | undefined
  redis.on('error', (error: Error) => {
    last = error
  })
  redis.on('close', () => {
    if (!connected || lost || closing) return
    lost = true
    events.onLost?.()
  })
  redis.on('ready', () => {
    if (lost) events.onBack?.()
    lost = false
  })
  const stop = () => redis.disconnect()
  events.signal?.addEventListener('abort', stop, { once: true })
  try {
    events.signal?.throwIfAborted()
    await redis.connect()
    connected = true
    return {
      redis,
      close: () => {
        closing = true
        redis.disconnect()
      },
    }
  } catch (cause) {
    redis.disconnect()
    events.signal?.throwIfAborted()
    throw inputError(
      `Redis does not answer at ${address} (${(last ?? (cause as Error)).message}).`,
      {
        where: address,
        hint: 'Start it, or give the address of one that runs: --queue redis://HOST:PORT.',
        cause,
      },
    )
  } finally {
    events.signal?.removeEventListener('abort', stop)
  }
}

/** Without the password. */
function addressOf(url: string): string {
  const parsed = URL.canParse(url) ? new URL(url) : undefined
  if (!parsed || !['redis:', 'rediss:'].includes(parsed.protocol) || parsed.hostname === '')
    throw usageError(`"${url}" is no address of a Redis; one looks like redis://localhost:6379.`)
  return `${parsed.protocol}//${parsed.host}`
}
