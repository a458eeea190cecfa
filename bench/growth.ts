/** Widening a model in a file against copying the file. */
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { GraphBuilder } from '../src/model/builder.ts'
import type { Model } from '../src/model/model.ts'
import { save } from '../src/onnx/file.ts'
import type { LazyTensor } from '../src/tensor/tensor.ts'
import { interleave, type Run, speedup, type Timing } from './measure.ts'
import { type Row, type Section, short, times } from './report.ts'
import type { Settings } from './steps.ts'

/** Weights of some repeating noise, made when they are read. */
function weights(dims: readonly number[]): LazyTensor {
  const noise = new Float32Array(1 << 16).map(Math.random)
  const bytes = new Uint8Array(noise.buffer)
  return {
    dtype: 'float32',
    dims,
    byteLength: 4 * dims.reduce((a, b) => a * b, 1),
    read(offset, length) {
      const result = new Uint8Array(length)
      for (let done = 0; done < length; ) {
        const from = (offset + done) % bytes.length
        const part = bytes.subarray(from, from + length - done)
        result.set(part, done)
        done += part.length
      }
      return result
    },
  }
}

/** A chain of dense layers, about this large as a file. */
export function denseChain(bytes: number, layers = 10): Model {
  const width = Math.round(Math.sqrt(bytes / 4 / layers))
  const builder = new GraphBuilder()
  let value = builder.input('input', 'float32', ['batch', width])
  for (let i = 0; i < layers; i++) {
    const name = `dense${i}`
    const weight = builder.initializer(`${name}.weight`, weights([width, width]))
    value = builder.node('MatMul', [value, weight], {}, { name })
    if (i < layers - 1) value = builder.node('Relu', [value], {}, { name: `${name}.relu` })
  }
  builder.output(value, 'float32', ['batch', width])
  return builder.model('dense chain')
}

export async function benchmarkGrowth({ quick }: Settings): Promise<Section> {
  const folder = mkdtempSync(path.join(tmpdir(), 'net2net-bench-'))
  const script = fileURLToPath(new URL('./grow-file.js', import.meta.url))
  const root = fileURLToPath(new URL('..', import.meta.url))
  execFileSync('npm', ['run', '--silent', 'build'], { cwd: root, stdio: 'inherit' })
  const rows: Row[] = []
  try {
    for (const [label, bytes] of [
      ['100 MB', 1e8],
      ...(quick
        ? []
        : [
            ['1 GB', 1e9],
            ['4 GB', 4e9],
          ]),
    ] as const) {
      const from = path.join(folder, 'model.onnx')
      const to = path.join(folder, 'wider.onnx')
      const copy = path.join(folder, 'copy.onnx')
      rmSync(`${from}.data`, { force: true })
      await save(denseChain(bytes as number), from, { force: true })
      const resident: number[] = []
      let fileBytes = 0
      // Both write a new file, neither finds the other's in memory, and nobody pays for the removal.
      const cleared = () => {
        for (const file of [copy, to, `${to}.data`]) rmSync(file, { force: true })
        execFileSync('sync', ['-f', folder])
      }
      const inside = async (runs: number) => {
        const found: Run[] = []
        for (let i = 0; i < runs; i++) {
          cleared()
          const { stdout, stderr, status } = spawnSync(process.execPath, [script, from, to], {
            encoding: 'utf8',
          })
          if (status !== 0) throw new Error(stderr)
          const result = JSON.parse(stdout) as { milliseconds: number; megabytes: number }
          found.push({ wall: result.milliseconds, processor: Number.NaN })
          resident.push(result.megabytes)
          fileBytes = statSync(existsSync(`${to}.data`) ? `${to}.data` : to).size
        }
        return found
      }
      const [cp, ours] = (await interleave(
        [
          {
            name: 'cp',
            async run(runs) {
              const found: Run[] = []
              for (let i = 0; i < runs; i++) {
                cleared()
                const source = existsSync(`${from}.data`) ? `${from}.data` : from
                const start = performance.now()
                execFileSync('sh', ['-c', `cp "${source}" "${copy}" && sync "${copy}"`])
                found.push({ wall: performance.now() - start, processor: Number.NaN })
              }
              return found
            },
          },
          { name: 'widen', run: inside },
        ],
        { rounds: quick ? 3 : 7, times: 1 },
      )) as [Timing, Timing]
      const ratio = speedup(ours, cp)
      const memory = Math.max(...resident)
      rows.push(
        {
          figure: `${label}: time of widening over that of cp and sync`,
          measured: `${times(ratio)}; ${short(ours.median / 1000)} s`,
          target: '≤ 1.5×',
          reached: ratio.median <= 1.5,
          values: { ratio: ratio.median, seconds: ours.median / 1000, cp: cp.median / 1000 },
        },
        {
          figure: `${label}: resident memory`,
          measured: `${memory.toFixed(0)} MB`,
          target: '≤ 400 MB',
          reached: memory <= 400,
          values: {
            megabytes: memory,
            fileBytes,
          },
        },
      )
      rmSync(to, { force: true })
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
  return {
    title: 'Growth on disk',
    method:
      'Load, widen one of ten dense layers by a tenth, save (synced to disk), in a process of its own with the built package; against `cp` of the input and `sync` of the copy. Before each run the earlier copies are removed and the file system is synced. Memory is the process’s largest resident set.',
    rows,
  }
}
