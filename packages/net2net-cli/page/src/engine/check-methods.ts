/** Runs two models on the same inputs: in a worker of its own, so that models grow meanwhile. */

import { compareSubjects } from 'net2net/internal/check/comparison'
import { decodeModel } from 'net2net/internal/onnx/decode'
import { linearFormOf } from 'net2net/internal/operators/table'
import type { CheckMethods } from './protocol.ts'
import { runtime } from './runtime.ts'
import { serveMethods } from './serve.ts'

serveMethods<CheckMethods>({
  async check([a, b]) {
    const start = performance.now()
    const subject = (file: Uint8Array) => ({ file, model: decodeModel(file) })
    const result = await compareSubjects(await runtime(), subject(a), subject(b), {
      linearForm: linearFormOf,
    })
    return { ...result, seconds: (performance.now() - start) / 1000 }
  },
})
