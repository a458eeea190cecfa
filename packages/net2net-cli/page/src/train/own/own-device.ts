/** Where the user's networks are trained: the question of device.ts, for any network and data. */
import type { Model } from 'net2net'
import type { Runtime } from 'net2net/runtime'
import {
  adam,
  adamw,
  lion,
  measureStep,
  type Optimizer,
  rmsprop,
  sgd,
  train,
} from 'net2net/training'
import { chooseDevice, findAdapter } from '../device.ts'
import type { ChosenDevice } from '../protocol.ts'
import { lossFor, type OwnData, outputFor } from './data.ts'
import type { OptimizerName, OwnSettings } from './protocol.ts'

const optimizers: Readonly<Record<OptimizerName, (rate: number) => Optimizer>> = {
  sgd: (learningRate) => sgd({ learningRate, momentum: 0.9 }),
  adam: (learningRate) => adam({ learningRate }),
  adamw: (learningRate) => adamw({ learningRate }),
  rmsprop: (learningRate) => rmsprop({ learningRate }),
  lion: (learningRate) => lion({ learningRate }),
}

export const optimizerOf = ({ optimizer, rate }: OwnSettings): Optimizer =>
  optimizers[optimizer](rate)

/** So many steps are made on both devices, and must have the same losses. */
const comparedSteps = 3
/** Of a loss; both compute in float32, in another order. */
const tolerance = 1e-2

/** The model, data and runtime are made only where something is measured. */
export async function chooseFor(
  settings: OwnSettings,
  having: {
    readonly model: Model
    readonly data: () => Promise<OwnData>
    readonly engine: () => Promise<Runtime>
    readonly threads: number
    readonly onMeasure: () => void
  },
): Promise<ChosenDevice> {
  const { model, threads } = having
  const { batchSize, seed } = settings
  const common = async () => ({
    loss: lossFor(settings, await having.data()),
    output: outputFor(settings, await having.data(), model),
    optimizer: optimizerOf(settings),
    runtime: await having.engine(),
  })
  const lossesOn = async (device: ChosenDevice['device']): Promise<readonly number[]> => {
    const { train: all } = await having.data()
    const losses: number[] = []
    const training = train(model, all.slice(0, Math.min(all.length, comparedSteps * batchSize)), {
      ...(await common()),
      session: { device, threads },
      batchSize,
      seed,
      onStep: ({ loss }) => losses.push(loss),
    })
    for await (const _ of training);
    return losses
  }
  return chooseDevice({
    setting: settings.device,
    adapter: findAdapter,
    async differs() {
      having.onMeasure()
      const [cpu, webgpu] = [await lossesOn('cpu'), await lossesOn('webgpu')]
      const at = cpu.findIndex(
        (loss, i) => !(Math.abs(loss - webgpu[i]!) <= tolerance * Math.max(1, Math.abs(loss))),
      )
      return at < 0
        ? undefined
        : `the loss of step ${at + 1} is ${webgpu[at]!.toPrecision(4)}, and ${cpu[at]!.toPrecision(4)} on the CPU`
    },
    async measure(device, goOn) {
      const [batch] = (await having.data()).train.batches(batchSize)
      return measureStep(model, batch!, {
        ...(await common()),
        session: { device, threads },
        goOn,
      })
    },
  })
}
