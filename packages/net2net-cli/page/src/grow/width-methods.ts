/** What new units of each layer gain on data, for widths within a budget: in a worker of its own, since it takes a while. */
import { decodeModel } from 'net2net'
import { type MeasuredWidths, measureWidths, type WidthBudget } from 'net2net/growing'
import { usageError } from '../../../src/errors.ts'
import type { NamedBytes } from '../engine/protocol.ts'
import { runtime } from '../engine/runtime.ts'
import { serveMethods } from '../engine/serve.ts'
import { lossFor, outputFor, ownData } from '../train/own/data.ts'
import type { OwnSettings } from '../train/own/protocol.ts'

export interface WidthMethods {
  /** Measures on data; returns how many samples it looked at. */
  measure(question: {
    readonly model: Uint8Array<ArrayBuffer>
    readonly settings: OwnSettings
    readonly files: readonly NamedBytes[]
  }): number
  /** Widths by what was measured last. */
  within(budget: WidthBudget): Readonly<Record<string, number>>
}

/** So many samples tell enough for an order. */
const most = 300

let measured: MeasuredWidths | undefined

serveMethods<WidthMethods>({
  async measure({ model: bytes, settings, files }) {
    measured = undefined
    const model = decodeModel(bytes)
    const data = await ownData(settings, files, model)
    const samples = Math.min(most, data.train.length)
    measured = await measureWidths(model, data.train, {
      runtime: await runtime(),
      loss: lossFor(settings, data),
      output: outputFor(settings, data, model),
      samples,
      turns: 1,
      seed: settings.seed,
    })
    return samples
  },

  within(budget) {
    if (measured === undefined) throw usageError('Nothing is measured.')
    return measured.within(budget)
  },
})
