/** A runtime whose training steps can be held, let through one by one, and watched. */
import type { Runtime, Session } from 'net2net/runtime'

export class Gate {
  #open = true
  #singles = 0
  #waiting: (() => void)[] = []

  get isOpen(): boolean {
    return this.#open
  }
  pause(): void {
    this.#open = false
  }
  resume(): void {
    this.#open = true
    this.#wake()
  }
  /** Lets one step through. */
  single(): void {
    this.#singles++
    this.#wake()
  }

  /** Waits until the next step may be made; lets messages in meanwhile. */
  async pass(): Promise<void> {
    await nextTask()
    while (!this.#open && this.#singles === 0)
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve)
      })
    if (this.#singles > 0) this.#singles--
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake()
  }
}

const channel = new MessageChannel()
const tasks: (() => void)[] = []
channel.port1.onmessage = () => tasks.shift()?.()
/** setTimeout would wait for 4 ms. */
function nextTask(): Promise<void> {
  return new Promise((resolve) => {
    tasks.push(resolve)
    channel.port2.postMessage(0)
  })
}

/** Steps are the runs that are fed a learning rate. */
export function gated(runtime: Runtime, gate: Gate, onStep: (loss: number) => void): Runtime {
  return {
    ...runtime,
    async createSession(model, options): Promise<Session> {
      const session = await runtime.createSession(model, options)
      const trains = session.inputs.some(({ name }) => name === 'learning_rate')
      if (!trains) return session
      return {
        inputs: session.inputs,
        outputs: session.outputs,
        release: () => session.release(),
        async run(feeds, outputs) {
          await gate.pass()
          const results = await session.run(feeds, outputs)
          onStep(Number(results.loss?.data[0]))
          return results
        },
      }
    },
  }
}
