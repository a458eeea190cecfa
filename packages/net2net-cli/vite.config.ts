/**
 * The program as a bundle for Node: three programs and what they share, with the library inside. A start reads a handful
 * of files then, instead of 300: see docs/decisions/the-program-is-a-bundle.md.
 */
import { fileURLToPath } from 'node:url'
import { defineConfig, type Plugin } from 'vite'
import type { Program } from './src/package-files.ts'

const programs: readonly Program[] = [
  'cli/main',
  'cli/explore/rung-process',
  'mnist/arm-process',
  'sweep/trial/trial-process',
]
/** What cannot be bundled (native code), is large and seldom needed, or is left to the user to install. */
const external = [
  'onnxruntime-node',
  'onnxruntime-web',
  'sharp',
  'vega',
  'vega-lite',
  'bullmq',
  'ioredis',
]

/** A single character beyond ASCII doubles what Node's compiler has to read of a file: they are escaped. */
const asciiAlone: Plugin = {
  name: 'ascii-alone',
  generateBundle(_, bundle) {
    for (const chunk of Object.values(bundle))
      if (chunk.type === 'chunk')
        chunk.code = chunk.code.replace(
          /[\u0080-\uffff]/g,
          (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
        )
  },
}

export default defineConfig({
  plugins: [asciiAlone],
  root: fileURLToPath(new URL('.', import.meta.url)),
  publicDir: false,
  resolve: { conditions: ['net2net-source'] },
  ssr: {
    noExternal: true,
    external,
    resolve: { conditions: ['net2net-source', 'node', 'import', 'default'] },
  },
  build: {
    ssr: true,
    outDir: 'dist',
    emptyOutDir: true,
    target: 'node20',
    license: { fileName: 'licenses.md' },
    rolldownOptions: {
      input: Object.fromEntries(
        programs.map((name) => [name, fileURLToPath(new URL(`src/${name}.ts`, import.meta.url))]),
      ),
      external: external.map((name) => new RegExp(`^${name}(/|$)`)),
      output: {
        entryFileNames: '[name].js',
        chunkFileNames: 'chunks/[name]-[hash].js',
        codeSplitting: {
          // Each file costs a start half a millisecond: what always goes together is one.
          groups: [
            { name: 'help', test: /cli.commands\.ts$/, priority: 2 },
            // What makes, changes or writes models, and the weights of new units that training chooses: no start reads it, though its folders are those of the next group.
            {
              name: 'changes',
              test: /net2net.src.(growth.(apply.(unit|chosen)-weights|plan.new-units)|model.(builder|common-subexpressions|output-(meaning|names)|preparation|tensor-outputs)|index.(model|save)|onnx.(save|part-writer)|tensor.index|files.(index|atomic-files?|cop(ier|y-range)|make-folder|pending-source|read-whole|target|temporary-name|write-whole)|passes.upgrade-opset)/,
              priority: 2,
              includeDependenciesRecursively: false,
            },
            {
              name: 'models',
              test: /net2net.src.(tensor|model|files|onnx|operators|growth|arguments|errors|index)/,
              priority: 1,
            },
            {
              name: 'program',
              test: /commander|net2net-cli.src.(cli.(command|run|table)|errors|package-files)\.ts$/,
            },
          ],
        },
        // The names of functions stay, for stack traces; comments and long names inside cost a start 5 ms.
        minify: { mangle: { toplevel: false }, codegen: { removeWhitespace: true } },
        // What calls have no effect is told to bundlers, and this is what one has made.
        comments: { annotation: false },
      },
      treeshake: { moduleSideEffects: (id) => !id.includes('/packages/net2net/src/') },
    },
  },
})
