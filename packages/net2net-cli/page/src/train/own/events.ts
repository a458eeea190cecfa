/** What workers tell of their arms, and who waits for it. */
import { batch } from '@preact/signals'
import { WorkerFailure } from '../../engine/client.ts'
import { said, t } from '../../text/text.ts'
import { announce } from '../../ui/announce.tsx'
import { figure } from '../../ui/format.ts'
import type { ChosenDevice } from '../protocol.ts'
import { type Arm, arms, failure, keeping, notes, ran, runsOn } from './arms.ts'
import { titleText } from './look.ts'
import type { OwnEvent, Snapshot, Started } from './protocol.ts'
import { endWorker, tell } from './workers.ts'

/** States to go on from, of arms that have ended. */
const ends = new Map<number, Snapshot>()
const waiting = new Map<number, (snapshot: Snapshot | undefined) => void>()
/** Whoever waits for the device that the first worker finds. */
let choosing: { chosen(device: ChosenDevice): void; failed(error: Error): void } | undefined

/** Resolves with the device that the next worker chooses. */
export function deviceFound(): Promise<ChosenDevice> {
  return new Promise((chosen, failed) => {
    choosing = { chosen, failed }
  })
}

/** An arm's training as it is now; one that goes on makes a step first. undefined where it fails or is reset instead. */
export function snapshotOf(id: number): Promise<Snapshot | undefined> {
  const end = ends.get(id)
  if (end) return Promise.resolve(end)
  // Whoever has asked before waits no more.
  answer(id, undefined)
  return new Promise((resolve) => {
    waiting.set(id, resolve)
    tell(id, { type: 'snapshot' })
  })
}

/** Nobody waits any more. */
export function forgetAll(): void {
  choosing = undefined
  ends.clear()
  for (const id of [...waiting.keys()]) answer(id, undefined)
}

const update = (id: number, changed: (arm: Arm) => Partial<Arm>) => {
  arms.value = arms.peek().map((arm) => (arm.id === id ? { ...arm, ...changed(arm) } : arm))
}

export function take(id: number, event: OwnEvent): void {
  batch(() => {
    switch (event.type) {
      case 'measuring':
        runsOn.value = 'measuring'
        break
      case 'chosen':
        choosing?.chosen({ device: event.device, reason: event.reason })
        choosing = undefined
        announce(said(event.reason))
        break
      case 'again':
        runsOn.value = event.instead
        update(id, ({ losses, epochs, stepsBefore }) => ({
          losses: losses.slice(0, event.steps),
          epochs: epochs.filter(({ step }) => step <= stepsBefore + event.steps),
        }))
        break
      case 'started':
        takeStart(id, event)
        break
      case 'restored': {
        takeStart(id, event.started)
        const { losses, epochs, model } = event
        update(id, () => ({ losses, epochs, model }))
        break
      }
      case 'steps':
        update(id, ({ losses, speed }) => ({
          losses: [...losses, ...event.losses],
          speed: event.stepsPerSecond ? event.stepsPerSecond * (ran.peek()?.batchSize ?? 1) : speed,
        }))
        break
      case 'epoch':
        update(id, (arm) => ({ epochs: [...arm.epochs, event.result], model: event.model }))
        announce(
          t(
            '{0}, epoch {1}: validation loss {2}.',
            titleText(arms.peek().find((arm) => arm.id === id)?.title ?? ''),
            event.result.epoch,
            figure(event.result.valLoss),
          ),
        )
        break
      case 'kept':
        keeping.value = { state: 'kept' }
        break
      case 'not kept':
        keeping.value = { state: 'not kept', isFull: event.isFull, reason: event.reason }
        break
      case 'snapshot':
        answer(id, event.snapshot)
        break
      case 'end':
        ends.set(id, event.snapshot)
        answer(id, event.snapshot)
        update(id, () => ({ phase: 'done', speed: 0 }))
        endWorker(id)
        break
      case 'failed':
        choosing?.failed(new WorkerFailure(event.failure))
        choosing = undefined
        answer(id, undefined)
        update(id, () => ({ phase: 'failed', failure: event.failure, speed: 0 }))
        failure.value = event.failure
    }
  })
}

function takeStart(id: number, started: Started): void {
  const { parameters, steps, initial, model, loss, samples, validation } = started
  update(id, () => ({ parameters, steps, initial, start: model, model, phase: 'training' }))
  const now = ran.peek()
  if (now) ran.value = { ...now, loss, count: samples, validation }
  notes.value = [...new Set([...notes.peek(), ...started.notes])]
}

function answer(id: number, snapshot: Snapshot | undefined): void {
  waiting.get(id)?.(snapshot)
  waiting.delete(id)
}
