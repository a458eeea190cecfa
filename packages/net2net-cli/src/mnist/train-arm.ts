/** Trains one arm as the Keras example does: SGD with momentum 0.9, validation after each epoch. */
import { inspect, type Model } from 'net2net'
import type { Dataset } from 'net2net/data'
import type { Device, Runtime } from 'net2net/runtime'
import { randomStream } from 'net2net/tensor'
import { evaluate, type StepEvent, sgd, train as trainNetwork } from 'net2net/training'
import type { ArmEvent, ArmResult } from '../runs/results.ts'
import type { Arm } from './arms.ts'

const loss = 'softmax-cross-entropy'
const momentum = 0.9
/** What a step of every arm is made of. */
export const stepOf = (learningRate: number) =>
  ({ loss, optimizer: sgd({ learningRate, momentum }) }) as const
/** Images per run of the validation: larger ones need more memory and are no faster. */
const evaluationBatchSize = 100
/** Steps between two lines of metrics. */
const metricsEvery = 10

export interface ArmOptions {
  readonly train: Dataset
  readonly test: Dataset
  readonly seed: number
  readonly epochs: number
  readonly batchSize: number
  readonly threads: number
  /** Default: the CPU. */
  readonly device?: Device | undefined
  readonly runtime: Runtime
  readonly signal?: AbortSignal | undefined
  readonly onEvent: (event: ArmEvent) => void
  /** Takes the network after each epoch, and is waited for. */
  readonly onModel?: ((model: Model) => Promise<void>) | undefined
}

/**
 * Builds and trains an arm. All students see the same batches in the same order, so that they
 * differ in nothing but their start.
 *
 * @throws interrupted where the signal said so
 */
export async function trainArm(
  arm: Arm,
  teacher: Model | undefined,
  options: ArmOptions,
): Promise<{ readonly result: ArmResult; readonly model: Model }> {
  const { train, test, seed, epochs, batchSize, threads, runtime, signal, onEvent } = options
  const start = arm.build(teacher as Model, seed)
  const session = { threads, device: options.device }
  const initial = arm.student
    ? await evaluate(start, test, {
        loss,
        runtime,
        session,
        signal,
        batchSize: evaluationBatchSize,
      })
    : undefined
  let result: ArmResult = {
    name: arm.name,
    parameters: inspect(start).parameters,
    learningRate: arm.learningRate,
    threads,
    ...(initial
      ? { initial: { valLoss: initial.loss, valAccuracy: initial.accuracy ?? Number.NaN } }
      : {}),
    epochs: [],
  }
  onEvent({ kind: 'start', arm: result })
  const training = trainNetwork(start, train, {
    ...stepOf(arm.learningRate),
    epochs,
    batchSize,
    validation: test,
    evaluationBatchSize,
    seed: arm.student ? randomStream(seed, 'students').below(2 ** 31) : seed,
    runtime,
    session,
    onStep: progressReporter(arm.name, onEvent),
    signal,
  })
  for await (const epoch of training) {
    const { accuracy = Number.NaN, valLoss = Number.NaN, valAccuracy = Number.NaN } = epoch
    const done = {
      epoch: epoch.epoch,
      loss: epoch.loss,
      accuracy,
      valLoss,
      valAccuracy,
      seconds: epoch.seconds,
    }
    result = { ...result, epochs: [...result.epochs, done] }
    await options.onModel?.(training.model)
    onEvent({ kind: 'epoch', arm: arm.name, step: epoch.step, result: done })
  }
  return { result, model: training.model }
}

/** Reports the mean over every few steps. */
function progressReporter(arm: string, onEvent: (event: ArmEvent) => void) {
  let [steps, loss, accuracy, images, seconds] = [0, 0, 0, 0, 0]
  return (event: StepEvent): void => {
    const { batch, batches = batch, epoch, step, learningRate } = event
    if (batch === 1) seconds = 0
    steps++
    loss += event.loss
    accuracy += event.accuracy ?? Number.NaN
    images += event.predictions
    if (steps < metricsEvery && batch !== batches) return
    onEvent({
      kind: 'progress',
      metrics: { arm, epoch, step, loss: loss / steps, accuracy: accuracy / steps, learningRate },
      batch,
      batches,
      epochLoss: event.epochLoss,
      epochAccuracy: event.epochAccuracy ?? Number.NaN,
      imagesPerSecond: images / (event.seconds - seconds),
    })
    seconds = event.seconds
    steps = loss = accuracy = images = 0
  }
}
