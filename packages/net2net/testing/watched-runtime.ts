import { aroundRuns } from '../src/runtime/around-runs.ts'
import { nodeRuntime } from '../src/runtime/onnxruntime.node.ts'
import type { Feeds, Runtime } from '../src/runtime/runtime.ts'

/** ONNX Runtime, of which somebody is told what it is fed before each run. */
export const watchedRuntime = (onRun: (feeds: Feeds) => void): Runtime =>
  aroundRuns(nodeRuntime, (session, feeds, outputs) => {
    onRun(feeds)
    return session.run(feeds, outputs)
  })
