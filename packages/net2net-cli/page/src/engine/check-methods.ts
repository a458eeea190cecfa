/** Runs two models on the same inputs: in a worker of its own, so that models grow meanwhile. */
import { compare, decodeModel } from 'net2net'
import type { CheckMethods } from './protocol.ts'
import { runtime } from './runtime.ts'
import { serveMethods } from './serve.ts'

serveMethods<CheckMethods>({
  async check({ models: [a, b], inputs = [] }) {
    const start = performance.now()
    const before = decodeModel(a)
    const own =
      inputs.length === 0
        ? undefined
        : (await import('./check-inputs.ts')).inputsFrom(inputs, before)
    const result = await compare(before, decodeModel(b), {
      runtime: await runtime(),
      ...(own && { inputs: own.feeds }),
    })
    return {
      ...result,
      seconds: (performance.now() - start) / 1000,
      // Each set of inputs may hold several.
      ...(own && {
        samples: own.feeds.reduce((sum, feeds) => sum + (Object.values(feeds)[0]?.dims[0] ?? 1), 0),
        inputs: inputs.map(({ name }) => name).join(', '),
        aside: own.aside,
      }),
    }
  },
})
