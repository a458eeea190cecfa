import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

const application = 'packages/net2net-cli'

/** Tests that start programs, browsers and other frameworks take longest: they come first, so that all workers end together. */
class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files)
    const isUnit = ({ moduleId }: TestSpecification) => moduleId.includes('/src/')
    return [...sorted.filter((file) => !isUnit(file)), ...sorted.filter(isUnit)]
  }
}

export default defineConfig({
  // The packages find one another as source: nothing has to be built to run one test of the library.
  resolve: { conditions: ['net2net-source'] },
  ssr: { resolve: { conditions: ['net2net-source'] } },
  test: {
    // ONNX Runtime must not be torn down inside a worker thread: processes, not threads.
    pool: 'forks',
    maxWorkers: 2,
    sequence: { sequencer: LongestFirst },
    setupFiles: ['packages/net2net/testing/seed.ts'],
    // No test may fail because the machine is busy.
    testTimeout: 180_000,
    hookTimeout: 180_000,
    expect: { poll: { timeout: 30_000 } },
    // `npm run coverage` reports; nothing is asked of the figure.
    coverage: { include: ['packages/*/src/**'], reporter: ['text-summary', 'html'] },
    projects: [
      {
        extends: true,
        test: {
          name: 'units',
          include: ['packages/*/src/**/*.test.ts'],
          // These files are many and short: a process for each of them takes half as long again. A file that
          // replaces modules (`vi.mock`) belongs in `packages/net2net/test`, where every file has its own process.
          isolate: false,
          setupFiles: ['packages/net2net/testing/first-session.ts'],
        },
      },
      {
        extends: true,
        test: {
          name: 'library',
          include: ['packages/net2net/test/**/*.test.ts'],
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
