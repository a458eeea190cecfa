import { nodeRuntime } from '../src/runtime/onnxruntime.node.ts'
import type { Feeds, Runtime } from '../src/runtime/runtime.ts'

/** ONNX Runtime, of which somebody is told what it is fed before each run. */
export const watchedRuntime = (onRun: (feeds: Feeds) => void): Runtime => ({
  ...nodeRuntime,
  async createSession(model, options) {
    const session = await nodeRuntime.createSession(model, options)
    return {
      inputs: session.inputs,
      outputs: session.outputs,
      run(feeds, outputs) {
        onRun(feeds)
        return session.run(feeds, outputs)
      },
      release: () => session.release(),
    }
  },
})
