import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts'],
    // ONNX Runtime must not be torn down inside a worker thread: processes, not threads.
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 60_000,
  },
})
