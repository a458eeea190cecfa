/** Which growth pays on data: measured in a worker of its own, since it takes a while. */
import { decodeModel } from 'net2net'
import { type RankedGrowth, rank } from 'net2net/growing'
import type { NamedBytes } from '../../engine/protocol.ts'
import { runtime } from '../../engine/runtime.ts'
import { serveMethods } from '../../engine/serve.ts'
import { forClassesOf, lossFor, outputFor, ownData } from './data.ts'
import type { OwnSettings } from './protocol.ts'

export interface RankMethods {
  rank(question: {
    readonly model: Uint8Array<ArrayBuffer>
    readonly settings: OwnSettings
    readonly files: readonly NamedBytes[]
    readonly by: 'parameters' | 'multiply-adds'
  }): readonly RankedGrowth[]
}

/** So many samples tell enough for an order. */
const samples = 300

serveMethods<RankMethods>({
  async rank({ model: bytes, settings, files, by }) {
    const given = decodeModel(bytes)
    const data = await ownData(settings, files, given)
    const model = forClassesOf(data, given)
    return rank(model, data.train, {
      runtime: await runtime(),
      loss: lossFor(settings, data),
      output: outputFor(settings, data, model),
      samples: Math.min(samples, data.train.length),
      turns: 1,
      by,
      seed: settings.seed,
    })
  },
})
