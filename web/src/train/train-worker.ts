/** Trains the arms, one after the other, off the page's thread. */
import { selectArms } from '../../../src/experiments/arms.ts'
import { mnistNetwork } from '../../../src/experiments/networks.ts'
import { stepOf, trainArm } from '../../../src/experiments/train-arm.ts'
import type { Model } from '../../../src/model/model.ts'
import { encodeModel } from '../../../src/onnx/encode.ts'
import type { Runtime, Session } from '../../../src/runtime/runtime.ts'
import { float32 } from '../../../src/tensor/tensor.ts'
import { measureStep } from '../../../src/training/measure.ts'
import { runtime, threads } from '../engine/runtime.ts'
import { failureOf } from '../engine/serve.ts'
import { chooseDevice, findAdapter, orOnCpu } from './device.ts'
import { digitsData, loadDigits } from './digits.ts'
import { Gate, gated } from './gate.ts'
import type { ChosenDevice, Command, StepLoss, TrainEvent, TrainSettings } from './protocol.ts'

const gate = new Gate()
const models = new Map<string, Model>()
/** Sessions for predictions, made when first asked for. */
const sessions = new Map<string, { readonly model: Model; readonly session: Session }>()

const send = (event: TrainEvent) => postMessage(event)

addEventListener('message', ({ data }: MessageEvent<Command>) => {
  switch (data.type) {
    case 'run':
      if (data.paused) gate.pause()
      run(data.settings).catch((error) => send({ type: 'failed', failure: failureOf(error) }))
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
      break
    case 'predict':
      void predict(data.id, data.pixels)
      break
    case 'model': {
      const model = models.get(data.arm)
      const bytes = model && new Uint8Array(encodeModel(model))
      send({ type: 'model', id: data.id, bytes })
      break
    }
    case 'example':
      void example(data.id, data.index)
  }
})

async function run(settings: TrainSettings): Promise<void> {
  const start = performance.now()
  const { epochs, batchSize, seed, teacherRate, studentRate } = settings
  const arms = selectArms(settings.arms)
  const train = await digitsData('train', settings.images)
  const test = await digitsData('test', settings.testImages)
  const stepsPerEpoch = Math.ceil(train.length / batchSize)
  send({ type: 'plan', arms: arms.map(({ name }) => name), stepsPerEpoch })
  const meter = new Meter(arms.length * epochs * stepsPerEpoch, batchSize)
  const engine = await runtime()
  let chosen = await chooseDevice({
    setting: settings.device,
    adapter: findAdapter,
    measure: (device, goOn) => {
      send({ type: 'measuring' })
      const [batch] = train.batches(batchSize)
      const session = { device, threads: threads() }
      return measureStep(mnistNetwork('teacher', seed), batch!, {
        ...stepOf(0),
        runtime: engine,
        session,
        goOn,
      })
    },
  })
  send({ type: 'device', ...chosen })
  let teacher: Model | undefined
  for (const arm of arms) {
    const rate = arm.student ? studentRate : teacherRate
    const attempt = async ({ device }: ChosenDevice) => {
      let step = 0
      const watch = (loss: number) => meter.add({ arm: arm.name, step: ++step, loss })
      try {
        return await trainArm({ ...arm, learningRate: rate }, teacher, {
          train,
          test,
          seed,
          epochs,
          batchSize,
          threads: threads(),
          device,
          runtime: gated(engine, gate, watch),
          onEvent(event) {
            if (event.kind === 'start') send({ type: 'start', arm: event.arm })
            else if (event.kind === 'epoch') {
              meter.flush()
              send({ type: 'epoch', arm: event.arm, step: event.step, result: event.result })
            }
          },
          async onModel(current) {
            models.set(arm.name, current)
          },
        })
      } catch (error) {
        meter.takeBack(step)
        throw error
      }
    }
    const { model } = await orOnCpu(chosen, attempt, (instead) => {
      chosen = instead
      send({ type: 'device', ...instead })
    })
    models.set(arm.name, model)
    if (arm.name === 'teacher') teacher = model
  }
  meter.flush()
  send({ type: 'done', seconds: (performance.now() - start) / 1000 })
}

/** Collects losses and sends them a few times a second. */
class Meter {
  readonly #total: number
  readonly #batchSize: number
  #losses: StepLoss[] = []
  #done = 0
  #last = performance.now()

  constructor(total: number, batchSize: number) {
    this.#total = total
    this.#batchSize = batchSize
  }

  add(loss: StepLoss): void {
    this.#losses.push(loss)
    this.#done++
    if (performance.now() - this.#last > 120) this.flush()
  }

  /** Steps that have to be made once more. */
  takeBack(steps: number): void {
    this.#losses = []
    this.#done -= steps
  }

  flush(): void {
    const losses = this.#losses
    if (losses.length === 0) return
    const now = performance.now()
    send({
      type: 'steps',
      losses,
      done: this.#done,
      total: this.#total,
      imagesPerSecond: (losses.length * this.#batchSize * 1000) / (now - this.#last),
    })
    this.#losses = []
    this.#last = now
  }
}

async function predict(id: number, pixels: Float32Array): Promise<void> {
  const engine = await runtime()
  const predictions = []
  for (const [arm, model] of models) {
    const session = await predictor(engine, arm, model)
    const input = session.inputs[0]!.name
    const results = await session.run({ [input]: float32([1, 1, 28, 28], pixels) })
    const output = results[session.outputs[0]!.name]!
    predictions.push({ arm, probabilities: Array.from(output.data, Number) })
  }
  send({ type: 'predicted', id, predictions })
}

async function predictor(engine: Runtime, arm: string, model: Model): Promise<Session> {
  const known = sessions.get(arm)
  if (known?.model === model) return known.session
  await known?.session.release()
  const session = await engine.createSession(encodeModel(model))
  sessions.set(arm, { model, session })
  return session
}

async function example(id: number, index: number): Promise<void> {
  const { labels, images } = await loadDigits('test')
  const i = index % labels.length
  const pixels = Float32Array.from(images.subarray(i * 784, (i + 1) * 784), (byte) => byte / 255)
  send({ type: 'example', id, pixels, label: labels[i]! })
}
