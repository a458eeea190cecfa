import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { defineConfig, type Plugin } from 'vite'
import { contentSecurityPolicy, isolationHeaders } from '../src/server/headers.ts'

/**
 * Static hosts set no headers of ours: the built page carries its policy itself. (What only a
 * header can say, frame-ancestors, is left out.)
 */
const policyInPage: Plugin = {
  name: 'policy-in-page',
  apply: 'build',
  transformIndexHtml: () => [
    {
      tag: 'meta',
      attrs: {
        'http-equiv': 'Content-Security-Policy',
        content: contentSecurityPolicy.replace(/; frame-ancestors [^;]*/, ''),
      },
      injectTo: 'head-prepend',
    },
  ],
}

const publicFolder = fileURLToPath(new URL('./public/', import.meta.url))

/** Fetched where they are used, and kept then: ONNX Runtime for WebGPU, fonts of other scripts (but for the Δ of differences), and the sets of digits but MNIST. */
const kept = (file: string): boolean =>
  !/asyncify|cyrillic|greek-ext|mono-greek|vietnamese|latin-ext|fashion|service-worker|\.html$/.test(
    file,
  )

/** Tells the service worker the files of the page. */
const filesOfPage: Plugin = {
  name: 'files-of-page',
  apply: 'build',
  enforce: 'post',
  generateBundle(_, bundle) {
    const worker = bundle['service-worker.js']
    if (worker?.type !== 'chunk') return
    const folders = ['data', 'ort'].flatMap((folder) =>
      readdirSync(join(publicFolder, folder)).map((file) => `${folder}/${file}`),
    )
    const files = [...Object.keys(bundle), ...folders, 'icon.svg'].filter(kept).sort()
    const hash = createHash('sha256').update(files.join('\n'))
    // The others have a hash of what they hold in their names.
    for (const file of folders.filter(kept)) hash.update(readFileSync(join(publicFolder, file)))
    worker.code = worker.code
      .replaceAll('__FILES__', JSON.stringify(['./', ...files]))
      .replaceAll('__VERSION__', JSON.stringify(hash.digest('hex').slice(0, 16)))
  },
}

export default defineConfig({
  root: fileURLToPath(new URL('.', import.meta.url)),
  // Relative addresses: the page works from any folder of any web server.
  base: './',
  plugins: [policyInPage, filesOfPage],
  // Only where the build could have it: see build-assets.ts.
  define: {
    __HAS_FASHION_MNIST__: JSON.stringify(
      existsSync(join(publicFolder, 'data', 'fashion-mnist-train.bin')),
    ),
  },
  // ONNX Runtime loads its WebAssembly from the files that the build lays beside the page.
  resolve: {
    conditions: [
      'net2net-source',
      'onnxruntime-web-use-extern-wasm',
      'module',
      'browser',
      'import',
      'default',
    ],
  },
  build: {
    outDir: 'dist',
    emptyOutDir: true,
    target: 'es2022',
    sourcemap: false,
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 1500,
    rollupOptions: {
      input: {
        index: fileURLToPath(new URL('./index.html', import.meta.url)),
        'service-worker': fileURLToPath(new URL('./src/service-worker.ts', import.meta.url)),
      },
      output: {
        // A service worker serves the folder in which it lies.
        entryFileNames: ({ name }) =>
          name === 'service-worker' ? '[name].js' : 'assets/[name]-[hash].js',
      },
    },
  },
  worker: { format: 'es' },
  server: { headers: isolationHeaders },
})
