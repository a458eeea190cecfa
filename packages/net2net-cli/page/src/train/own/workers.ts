/** The workers of a training, one for each arm. What they tell is drawn together, a few times a second. */
import { batch } from '@preact/signals'
import { startWorker } from '../../engine/start-worker.ts'
import { t } from '../../text/text.ts'
import type { OwnCommand, OwnEvent } from './protocol.ts'

type Take = (id: number, event: OwnEvent) => void

const workers = new Map<number, Worker>()

/** Milliseconds between two drawings. Small networks make hundreds of epochs a second: drawn one by one they would stop the page. */
const pauseOfDrawing = 50
let arrivals: (() => void)[] = []

/** A worker that waits for what it is to do. */
export function addWorker(id: number, take: Take): void {
  const worker = startWorker('own')
  workers.set(id, worker)
  worker.addEventListener('message', ({ data }: MessageEvent<OwnEvent>) => {
    arrivals.push(() => take(id, data))
    if (data.type !== 'steps' && data.type !== 'epoch') takeAll()
    else if (arrivals.length === 1) setTimeout(takeAll, pauseOfDrawing)
  })
  worker.addEventListener('error', (event) => {
    event.preventDefault()
    const message = t('The training stopped: {0}', event.message || 'worker')
    take(id, { type: 'failed', failure: { kind: 'internal', message } })
  })
}

function takeAll(): void {
  const taken = arrivals
  arrivals = []
  batch(() => {
    for (const act of taken) act()
  })
}

export const tell = (id: number, command: OwnCommand): void => workers.get(id)?.postMessage(command)

export function tellAll(command: OwnCommand): void {
  for (const worker of workers.values()) worker.postMessage(command)
}

export function endWorker(id: number): void {
  workers.get(id)?.terminate()
  workers.delete(id)
}

export function endWorkers(): void {
  for (const id of [...workers.keys()]) endWorker(id)
  arrivals = []
}
