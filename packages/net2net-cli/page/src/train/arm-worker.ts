/** Trains arms that it is given, one after the other; several such workers train side by side. */

import { decodeModel, encodeModel, type Model } from 'net2net'
import { measureStep } from 'net2net/training'
import { type Arm, arms } from '../../../src/mnist/arms.ts'
import { mnistNetwork } from '../../../src/mnist/networks.ts'
import { stepOf, trainArm } from '../../../src/mnist/train-arm.ts'
import { runtime } from '../engine/runtime.ts'
import { failureOf } from '../engine/serve.ts'
import { chooseDevice, findAdapter, orOnCpu } from './device.ts'
import { digitsData } from './digits.ts'
import { Gate, gated } from './gate.ts'
import type { ArmCommand, ArmEvent, ChosenDevice } from './protocol.ts'

const gate = new Gate()
const send = (event: ArmEvent) => postMessage(event)
const fail = (error: unknown) => send({ type: 'failed', failure: failureOf(error) })

addEventListener('message', ({ data }: MessageEvent<ArmCommand>) => {
  switch (data.type) {
    case 'choose':
      choose(data).catch(fail)
      break
    case 'train':
      train(data).catch(fail)
      break
    case 'pause':
      gate.pause()
      break
    case 'resume':
      gate.resume()
      break
    case 'step':
      gate.pause()
      gate.single()
  }
})

async function choose({ threads, settings }: ArmCommand & { type: 'choose' }): Promise<void> {
  const { batchSize, images, seed } = settings
  const data = await digitsData('train', images)
  const engine = await runtime(threads)
  const chosen = await chooseDevice({
    setting: settings.device,
    adapter: findAdapter,
    measure: (device, goOn) => {
      send({ type: 'measuring' })
      const [batch] = data.batches(batchSize)
      return measureStep(mnistNetwork('teacher', seed), batch!, {
        ...stepOf(0),
        runtime: engine,
        session: { device, threads },
        goOn,
      })
    },
  })
  send({ type: 'chosen', ...chosen })
}

async function train(command: ArmCommand & { type: 'train' }): Promise<void> {
  const { threads, settings, device: chosen } = command
  const { epochs, batchSize, seed } = settings
  const known = arms.find(({ name }) => name === command.arm)!
  const arm: Arm = {
    ...known,
    learningRate: known.student ? settings.studentRate : settings.teacherRate,
  }
  const teacher = command.teacher && decodeModel(command.teacher)
  const data = {
    train: await digitsData('train', settings.images),
    test: await digitsData('test', settings.testImages),
  }
  const engine = await runtime(threads)
  let model: Model | undefined
  let steps = 0
  const attempt = ({ device }: ChosenDevice) => {
    const watch = (loss: number) =>
      send({ type: 'loss', loss: { arm: arm.name, step: ++steps, loss } })
    return trainArm(arm, teacher, {
      ...data,
      seed,
      epochs,
      batchSize,
      threads,
      device,
      runtime: gated(engine, gate, watch),
      onEvent(event) {
        if (event.kind === 'start') send({ type: 'start', arm: event.arm })
        else if (event.kind === 'epoch') {
          const { arm: name, step, result } = event
          const bytes = new Uint8Array(encodeModel(model!))
          send({ type: 'epoch', arm: name, step, result, model: bytes })
        }
      },
      async onModel(current) {
        model = current
      },
    })
  }
  await orOnCpu(chosen, attempt, (instead) => {
    send({ type: 'again', steps, instead })
    steps = 0
  })
  send({ type: 'trained' })
}
