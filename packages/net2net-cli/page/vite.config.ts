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

export default defineConfig({
  root: fileURLToPath(new URL('.', import.meta.url)),
  // Relative addresses: the page works from any folder of any web server.
  base: './',
  plugins: [policyInPage],
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
  },
  worker: { format: 'es' },
  server: { headers: isolationHeaders },
})
