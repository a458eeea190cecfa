/** Runs two models on the same inputs: in a worker of its own, so that models grow meanwhile. */
import { compare, decodeModel } from 'net2net'
import type { CheckMethods } from './protocol.ts'
import { runtime } from './runtime.ts'
import { serveMethods } from './serve.ts'

serveMethods<CheckMethods>({
  async check([a, b]) {
    const start = performance.now()
    const result = await compare(decodeModel(a), decodeModel(b), { runtime: await runtime() })
    return { ...result, seconds: (performance.now() - start) / 1000 }
  },
})
