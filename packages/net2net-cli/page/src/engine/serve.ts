/** The worker's side of `client.ts`. */
import { Net2NetError } from 'net2net'
import type { Failure, Request } from './protocol.ts'

type Handlers<M> = {
  [K in keyof M]: M[K] extends (argument: infer A) => infer R
    ? (argument: A) => R | Promise<R>
    : never
}

const handed = new WeakMap<object, ArrayBuffer[]>()

/** Files as an answer whose bytes are handed over, not copied: nobody here reads them any more. */
export function handOver<T extends readonly Uint8Array<ArrayBuffer>[]>(files: T): T {
  handed.set(
    files,
    files.map(({ buffer }) => buffer),
  )
  return files
}
const buffersOf = (result: unknown): ArrayBuffer[] =>
  (typeof result === 'object' && result !== null && handed.get(result)) || []

/** Answers calls one after the other. */
export function serveMethods<M>(handlers: Handlers<M>): void {
  let previous: Promise<void> = Promise.resolve()
  addEventListener('message', ({ data }: MessageEvent<Request<M>>) => {
    previous = previous.then(async () => {
      try {
        const handler = handlers[data.method] as (argument: unknown) => unknown
        const result = await handler(data.argument)
        postMessage({ id: data.id, result }, { transfer: buffersOf(result) })
      } catch (error) {
        postMessage({ id: data.id, failure: failureOf(error) })
      }
    })
  })
}

export function failureOf(error: unknown): Failure {
  if (error instanceof Net2NetError)
    return {
      kind: error.kind,
      message: error.message,
      where: error.where,
      hint: error.hint,
    }
  // What an engine says of arrays that are too long, of memory that it has not, and of its stack.
  if (error instanceof RangeError)
    return {
      kind: 'refused',
      message: `This is too large for the browser (${error.message}).`,
      hint: 'Choose smaller widths, or use the command line, which needs less memory.',
    }
  const message = error instanceof Error ? error.message : String(error)
  return { kind: 'internal', message: `Something of ours failed: ${message}` }
}
