/** Trains one network of the user; each in a worker of its own, on the same data in the same order. */
import { decodeModel, type Model } from 'net2net'
import { runtime } from '../../engine/runtime.ts'
import { failureOf } from '../../engine/serve.ts'
import { forClassesOf, type OwnData, ownData } from './data.ts'
import { chooseFor } from './own-device.ts'
import { trainOwn } from './own-training.ts'
import type { OwnCommand, OwnEvent, Task } from './protocol.ts'
import { StepReports } from './step-reports.ts'
import { TrainingControl } from './training-control.ts'

const send = (event: OwnEvent) => postMessage(event)
const reports = new StepReports(send)
const control = new TrainingControl(reports)

const fail = (error: unknown) => {
  reports.tell()
  send({ type: 'failed', failure: failureOf(error) })
}

addEventListener('message', ({ data }: MessageEvent<OwnCommand>) => {
  switch (data.type) {
    case 'choose':
      choose(data).catch(fail)
      break
    case 'begin':
      if (data.paused) control.gate.pause()
      trainOwn(data, (model) => load(data, model), { send, reports, control }).catch(fail)
      break
    default:
      control[data.type]()
  }
})

let loaded: Promise<OwnData> | undefined
function load({ settings, files }: Task, model: Model): Promise<OwnData> {
  loaded ??= ownData(settings, files, model)
  return loaded
}

async function choose(command: OwnCommand & { type: 'choose' }): Promise<void> {
  const given = decodeModel(command.model)
  const { settings, threads } = command
  const model = forClassesOf(await load(command, given), given)
  const chosen = await chooseFor(settings, {
    model,
    data: () => load(command, given),
    engine: () => runtime(threads),
    threads,
    onMeasure: () => send({ type: 'measuring' }),
  })
  send({ type: 'chosen', ...chosen })
}
