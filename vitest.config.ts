import { defineConfig } from 'vitest/config'

export default defineConfig({
  // The packages find one another as source: nothing has to be built to run one test.
  resolve: { conditions: ['net2net-source'] },
  ssr: { resolve: { conditions: ['net2net-source'] } },
  test: {
    include: ['packages/*/src/**/*.test.ts', 'packages/*/test/**/*.test.ts', 'tools/**/*.test.ts'],
    // ONNX Runtime must not be torn down inside a worker thread: processes, not threads.
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 60_000,
    // `npm run coverage` reports; nothing is asked of the figure.
    coverage: { include: ['packages/*/src/**'], reporter: ['text-summary', 'html'] },
  },
})
