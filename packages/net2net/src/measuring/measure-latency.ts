/** How long a network takes for one sample, in the runtime that it will run in. */
import type { SampleSet } from '../data/samples.ts'
import { batchesOf } from '../data/samples.ts'

import type { Model } from '../model/model.ts'
import { encodeModel } from '../onnx/encode.ts'
import type { Runtime, SessionOptions } from '../runtime/runtime.ts'
import { feedsOf } from './channel-statistics.ts'

export interface LatencyOptions {
  readonly runtime: Runtime
  readonly session?: SessionOptions | undefined
}

const warmUps = 3
const leastRuns = 21
/** Fast networks run more often: their times spread more. */
const leastMilliseconds = 200

/** The median time of one run on one sample of the data, in milliseconds. */
export async function measureLatency(
  model: Model,
  data: SampleSet,
  { runtime, session: options }: LatencyOptions,
): Promise<number> {
  const session = await runtime.createSession(encodeModel(model), options)
  try {
    const feed = feedsOf(session.inputs.map(({ name }) => name))
    for await (const batch of batchesOf(data, 1, [0])) {
      const feeds = feed(batch)
      for (let i = 0; i < warmUps; i++) await session.run(feeds)
      const times: number[] = []
      for (let spent = 0; times.length < leastRuns || spent < leastMilliseconds; ) {
        const start = performance.now()
        await session.run(feeds)
        const time = performance.now() - start
        times.push(time)
        spent += time
      }
      return times.sort((a, b) => a - b)[times.length >> 1]!
    }
    return Number.NaN
  } finally {
    await session.release()
  }
}
