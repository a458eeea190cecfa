/** Plans a run: the teacher first, then its students side by side; and asks what was trained. */

import { countMultiplyAdds } from 'net2net'
import type { Runtime, Session } from 'net2net/runtime'
import { float32 } from 'net2net/tensor'
import { type Arm, arms, selectArms } from '../../../src/mnist/arms.ts'
import { mnistNetwork } from '../../../src/mnist/networks.ts'
import { cores, runtime } from '../engine/runtime.ts'
import { failureOf } from '../engine/serve.ts'
import { ArmWorkerClient } from './arm-worker-client.ts'
import { Meter } from './meter.ts'
import type { ArmEvent, ChosenDevice, Command, TrainEvent, TrainSettings } from './protocol.ts'
import { planWorkers } from './worker-plan.ts'

type Bytes = Uint8Array<ArrayBuffer>

/** Whoever trains now. */
const clients = new Set<ArmWorkerClient>()
let paused = false
let meter: Meter | undefined
/** The trained networks, as ONNX files. */
const models = new Map<string, Bytes>()
/** Sessions for predictions, made when first asked for. */
const sessions = new Map<string, { readonly model: Bytes; readonly session: Session }>()

let predicting: Promise<void> = Promise.resolve()

const send = (event: TrainEvent) => postMessage(event)

addEventListener('message', ({ data }: MessageEvent<Command>) => {
  switch (data.type) {
    case 'run':
      paused = data.paused
      run(data.settings).catch((error) => {
        for (const client of clients) close(client)
        send({ type: 'failed', failure: failureOf(error) })
      })
      break
    case 'pause':
    case 'resume':
    case 'step':
      paused = data.type !== 'resume'
      if (paused) meter?.flush()
      for (const client of clients) client.tell({ type: data.type })
      break
    case 'predict':
      // One after the other: a session is not released while another question runs on it.
      predicting = predicting
        .then(() => predict(data.id, data.pixels))
        .catch(() => send({ type: 'predicted', id: data.id, predictions: [] }))
      break
    case 'model': {
      send({ type: 'model', id: data.id, bytes: models.get(data.arm) })
      break
    }
  }
})

function open(threads: number, listen: (event: ArmEvent) => void): ArmWorkerClient {
  const client = new ArmWorkerClient(threads, listen)
  if (paused) client.tell({ type: 'pause' })
  clients.add(client)
  return client
}

function close(client: ArmWorkerClient): void {
  client.close()
  clients.delete(client)
}

async function run(settings: TrainSettings): Promise<void> {
  const start = performance.now()
  const chosen = selectArms(settings.arms)
  const stepsPerEpoch = Math.ceil(settings.images / settings.batchSize)
  send({ type: 'plan', arms: chosen.map(({ name }) => name), stepsPerEpoch })
  const steps = settings.epochs * stepsPerEpoch
  const counting = new Meter(
    new Map(chosen.map((arm) => [arm.name, { work: workOf(arm, settings.seed), steps }])),
    settings.batchSize,
    send,
  )
  meter = counting
  const listen = (event: ArmEvent) => {
    switch (event.type) {
      case 'measuring':
      case 'start':
        send(event)
        break
      case 'loss':
        counting.add(event.loss)
        // Whoever makes single steps wants to see each.
        if (paused) counting.flush()
        break
      case 'epoch': {
        const { model, ...epoch } = event
        models.set(event.arm, model)
        counting.flush()
        send(epoch)
      }
    }
  }
  const tell = (instead: ChosenDevice) => send({ type: 'device', ...instead })
  const train = (client: ArmWorkerClient, arm: Arm) =>
    client.train(arm.name, settings, models.get('teacher'), {
      again(count) {
        counting.takeBack(arm.name, count)
        tell(client.device)
      },
    })

  const waiting = [...chosen]
  const isTaught = waiting[0]?.name === 'teacher'
  const students = waiting.length - (isTaught ? 1 : 0)
  // The teacher has as many threads as each student: their times are compared.
  const plan = planWorkers(students, { cores: cores(), isolated: crossOriginIsolated })
  const first = open(plan.threads, listen)
  tell(await first.choose(settings))
  if (isTaught) await train(first, waiting.shift()!)
  const { device } = first
  // A graphics processor is one for all.
  const alone = device.device === 'webgpu' || plan.count === 1
  if (!alone) close(first)
  const workers = alone
    ? [first]
    : Array.from({ length: plan.count }, () => {
        const client = open(plan.threads, listen)
        client.device = device
        return client
      })
  await Promise.all(
    workers.map(async (client) => {
      for (let arm = waiting.shift(); arm; arm = waiting.shift()) await train(client, arm)
      close(client)
    }),
  )
  counting.flush()
  send({ type: 'done', seconds: (performance.now() - start) / 1000 })
}

/** Multiply-adds per image: what steps of different arms cost, compared. */
const workOf = (arm: Arm, seed: number): number =>
  countMultiplyAdds(arm.build(mnistNetwork('teacher', seed), seed)) ?? 1

async function predict(id: number, pixels: Float32Array): Promise<void> {
  const engine = await runtime(1)
  const predictions = []
  for (const { name: arm } of arms) {
    const model = models.get(arm)
    if (!model) continue
    const session = await predictor(engine, arm, model)
    const input = session.inputs[0]!.name
    const results = await session.run({ [input]: float32([1, 1, 28, 28], pixels) })
    const output = results[session.outputs[0]!.name]!
    predictions.push({ arm, probabilities: Array.from(output.data, Number) })
  }
  send({ type: 'predicted', id, predictions })
}

async function predictor(engine: Runtime, arm: string, model: Bytes): Promise<Session> {
  const known = sessions.get(arm)
  if (known?.model === model) return known.session
  await known?.session.release()
  const session = await engine.createSession(model)
  sessions.set(arm, { model, session })
  return session
}
