/** What the page asks of workers, and what becomes of it where these are stopped. */
import { describe, expect, it } from 'vitest'
import { client, latest, WorkerFailure } from '../../page/src/engine/client.ts'

interface Methods {
  double(n: number): number
}

/** A worker that answers when it is told to. */
class SlowWorker extends EventTarget {
  readonly asked: { readonly id: number; readonly argument: number }[] = []
  isRunning = true
  postMessage(message: { readonly id: number; readonly argument: number }): void {
    this.asked.push(message)
  }
  terminate(): void {
    this.isRunning = false
  }
  answer(): void {
    for (const { id, argument } of this.asked.splice(0)) {
      const data = argument < 0 ? { id, failure: negative } : { id, result: 2 * argument }
      this.dispatchEvent(new MessageEvent('message', { data }))
    }
  }
}
const negative = { kind: 'usage', message: 'negative' } as const

describe('a client', () => {
  const started = () => {
    const workers: SlowWorker[] = []
    const own = client<Methods>(() => {
      const worker = new SlowWorker()
      workers.push(worker)
      // What the client needs of a worker.
      return worker as unknown as Worker
    })
    return { workers, own }
  }

  it('gives what the worker answers, and throws what it throws', async () => {
    const { workers, own } = started()
    const answers = [own.call('double', 3), own.ask('double', 4)]
    const failures = [own.call('double', -1), own.ask('double', -1)]
    workers[0]!.answer()
    expect(await Promise.all(answers)).toEqual([6, 8])
    for (const failure of failures) await expect(failure).rejects.toThrow('negative')
  })

  it('fails what is called, and leaves without an answer what is asked, of a worker that is stopped', async () => {
    const { workers, own } = started()
    const [called, asked] = [own.call('double', 3), own.ask('double', 3)]
    own.stop()
    await expect(called).rejects.toMatchObject({ failure: { kind: 'interrupted' } })
    await expect(called).rejects.toBeInstanceOf(WorkerFailure)
    expect(await asked).toBeUndefined()
    expect(workers[0]!.isRunning).toBe(false)
    // The next call starts another one.
    const again = own.call('double', 5)
    workers[1]!.answer()
    expect(await again).toBe(10)
  })

  it('is told by its own worker alone that this could not be loaded', async () => {
    const { workers, own } = started()
    const late = own.ask('double', 1)
    own.stop()
    await late
    const next = own.call('double', 2)
    // What is said of a worker that was stopped is none of the next one's.
    workers[0]!.dispatchEvent(new Event('error'))
    workers[1]!.answer()
    expect(await next).toBe(4)
    const lost = own.call('double', 3)
    workers[1]!.dispatchEvent(new Event('error'))
    await expect(lost).rejects.toThrow('it could not be loaded')
    expect(workers[1]!.isRunning).toBe(false)
  })

  it('of calls that come while one runs makes the last', async () => {
    const { workers, own } = started()
    const double = latest((n: number) => own.call('double', n))
    const answers = [double(1), double(2), double(3)]
    workers[0]!.answer()
    expect(await answers[0]).toBe(2)
    await new Promise((resolve) => setTimeout(resolve))
    workers[0]!.answer()
    expect(await Promise.all(answers)).toEqual([2, undefined, 6])
  })
})
