import { defineConfig } from 'vitest/config'

const application = 'packages/net2net-cli'

export default defineConfig({
  // The packages find one another as source: nothing has to be built to run one test of the library.
  resolve: { conditions: ['net2net-source'] },
  ssr: { resolve: { conditions: ['net2net-source'] } },
  test: {
    // ONNX Runtime must not be torn down inside a worker thread: processes, not threads.
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 60_000,
    // `npm run coverage` reports; nothing is asked of the figure.
    coverage: { include: ['packages/*/src/**'], reporter: ['text-summary', 'html'] },
    projects: [
      {
        extends: true,
        test: {
          name: 'library',
          include: ['packages/net2net/{src,test}/**/*.test.ts', `${application}/src/**/*.test.ts`],
        },
      },
      {
        extends: true,
        test: {
          name: 'programs',
          include: [`${application}/test/{,cli/}*.test.ts`, 'tools/**/*.test.ts'],
          globalSetup: `${application}/testing/build-program.ts`,
        },
      },
      {
        extends: true,
        test: {
          name: 'page',
          include: [`${application}/test/page/**/*.test.ts`],
          globalSetup: ['build-program', 'build-page'].map(
            (name) => `${application}/testing/${name}.ts`,
          ),
        },
      },
    ],
  },
})
