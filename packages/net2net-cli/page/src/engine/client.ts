/** Calls methods of a worker as if they were here. */
import type { Failure, Response } from './protocol.ts'

/** What the other side threw, as far as it can be told. */
export class WorkerFailure extends Error {
  readonly failure: Failure
  constructor(failure: Failure) {
    super(failure.message)
    this.failure = failure
  }
}

type Method = (argument: never) => unknown
type Argument<F> = F extends (argument: infer A) => unknown ? A : never
type Result<F> = F extends (...rest: never[]) => infer R ? Awaited<R> : never

export interface Client<M> {
  /** @throws WorkerFailure what the method threw, and `interrupted` where the worker is stopped before it has answered */
  call<K extends keyof M>(
    method: K,
    argument: Argument<M[K]>,
    transfer?: readonly Transferable[],
  ): Promise<Result<M[K]>>
  /** As `call`, for what nobody waits for once the worker is stopped: undefined then. */
  ask<K extends keyof M>(method: K, argument: Argument<M[K]>): Promise<Result<M[K]> | undefined>
  /** Fails the calls that are not answered yet, and ends the worker that they keep busy. */
  stop(): void
}

/** The worker starts with the first call. */
export function client<M extends { [K in keyof M]: Method }>(start: () => Worker): Client<M> {
  let worker: Worker | undefined
  let next = 0
  const waiting = new Map<number, PromiseWithResolvers<unknown>>()
  const fail = (failure: Failure) => {
    for (const promise of waiting.values()) promise.reject(new WorkerFailure(failure))
    waiting.clear()
    worker = undefined
  }
  const launch = () => {
    const started = start()
    started.addEventListener('message', ({ data }: MessageEvent<Response>) => {
      const promise = waiting.get(data.id)
      if (promise === undefined) return
      waiting.delete(data.id)
      if ('failure' in data) promise.reject(new WorkerFailure(data.failure))
      else promise.resolve(data.result)
    })
    started.addEventListener('error', (event) => {
      // It was stopped, and another one has taken its place.
      if (worker !== started) return
      started.terminate()
      const message = `The page's worker stopped: ${event.message || 'it could not be loaded'}.`
      fail({ kind: 'internal', message, hint: 'Reload the page.' })
    })
    return started
  }
  const call: Client<M>['call'] = (method, argument, transfer = []) => {
    worker ??= launch()
    const id = next++
    const promise = withResolvers<unknown>()
    waiting.set(id, promise)
    worker.postMessage({ id, method, argument }, [...transfer])
    return promise.promise as Promise<Result<M[typeof method]>>
  }
  return {
    stop() {
      if (waiting.size === 0) return
      worker?.terminate()
      fail({ kind: 'interrupted', message: 'This is no longer wanted.' })
    },
    call,
    ask: (method, argument) =>
      call(method, argument).catch((error) => {
        if (error instanceof WorkerFailure && error.failure.kind === 'interrupted') return undefined
        throw error
      }),
  }
}

interface PromiseWithResolvers<T> {
  readonly promise: Promise<T>
  readonly resolve: (value: T) => void
  readonly reject: (reason: unknown) => void
}
function withResolvers<T>(): PromiseWithResolvers<T> {
  let resolve!: (value: T) => void
  let reject!: (reason: unknown) => void
  const promise = new Promise<T>((yes, no) => {
    resolve = yes
    reject = no
  })
  return { promise, resolve, reject }
}

/**
 * Runs one call at a time; of the calls that come meanwhile only the last is made. The others
 * resolve to undefined.
 */
export function latest<A, R>(
  call: (argument: A) => Promise<R>,
): (argument: A) => Promise<R | undefined> {
  let running: Promise<unknown> | undefined
  let pending:
    | { argument: A; resolve: (value: R | undefined) => void; reject: (e: unknown) => void }
    | undefined
  const run = (argument: A): Promise<R> => {
    const promise = call(argument)
    running = promise
      .catch(() => undefined)
      .then(() => {
        running = undefined
        const next = pending
        pending = undefined
        if (next) run(next.argument).then(next.resolve, next.reject)
      })
    return promise
  }
  return (argument) => {
    if (running === undefined) return run(argument)
    pending?.resolve(undefined)
    return new Promise((resolve, reject) => {
      pending = { argument, resolve, reject }
    })
  }
}
