/** A worker that trains arms, as the worker that plans the run sees it. */

import { Net2NetError } from 'net2net'
import { internalError } from '../../../src/errors.ts'
import type { Failure } from '../engine/protocol.ts'
import type { ArmCommand, ArmEvent, ChosenDevice, TrainSettings } from './protocol.ts'

export class ArmWorkerClient {
  /** Where it trains; changes where the device fails. */
  device: ChosenDevice = { device: 'cpu', reason: '' }
  readonly #threads: number
  readonly #worker: Worker
  #answer: { done(): void; failed(error: unknown): void; again?(steps: number): void } | undefined

  constructor(threads: number, listen: (event: ArmEvent) => void) {
    this.#threads = threads
    // The entry of all workers is the script that runs here: see engine/worker.ts.
    this.#worker = new Worker(self.location.href, { type: 'module', name: 'arm' })
    this.#worker.addEventListener('message', ({ data }: MessageEvent<ArmEvent>) => {
      if (data.type === 'failed') this.#answer?.failed(errorOf(data.failure))
      else if (data.type === 'chosen') {
        this.device = { device: data.device, reason: data.reason }
        this.#answer?.done()
      } else if (data.type === 'trained') this.#answer?.done()
      else if (data.type === 'again') {
        this.device = data.instead
        this.#answer?.again?.(data.steps)
      } else listen(data)
    })
    this.#worker.addEventListener('error', (event) => {
      event.preventDefault()
      const reason = event.message || 'a worker could not be started'
      this.#answer?.failed(internalError(`The training stopped: ${reason}.`))
    })
  }

  tell(command: ArmCommand): void {
    this.#worker.postMessage(command)
  }

  async choose(settings: TrainSettings): Promise<ChosenDevice> {
    await this.#ask({ type: 'choose', threads: this.#threads, settings })
    return this.device
  }

  /** Resolves when the arm has all its epochs. `again`: the device failed after so many steps. */
  train(
    arm: string,
    settings: TrainSettings,
    teacher: Uint8Array<ArrayBuffer> | undefined,
    { again }: { again(steps: number): void },
  ): Promise<void> {
    const { device } = this
    return this.#ask(
      { type: 'train', threads: this.#threads, settings, arm, device, teacher },
      again,
    )
  }

  close(): void {
    this.#worker.terminate()
  }

  #ask(command: ArmCommand, again?: (steps: number) => void): Promise<void> {
    return new Promise((done, failed) => {
      this.#answer = { done, failed, ...(again && { again }) }
      this.tell(command)
    })
  }
}

/** The worker's failure as the error that it was. */
function errorOf({ kind, message, where, hint }: Failure): Error {
  if (kind === 'internal') return internalError(message)
  return new Net2NetError(kind, message, {
    ...(where === undefined ? {} : { where }),
    ...(hint === undefined ? {} : { hint }),
  })
}
