/**
 * Kills `net2net train` (SIGKILL) at random moments, resumes it every time, and compares what
 * comes of it with a run that nobody stopped. Usage, after
 * `npm run build`: tsx scripts/kill-training.ts [KILLS] [SEED]
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { dense, sequential } from '../packages/net2net/src/layers/index.ts'
import { save } from '../packages/net2net/src/onnx/file.node.ts'
import { randomStream } from '../packages/net2net/src/tensor/random.ts'

const [wanted, seed] = [Number(process.argv[2] ?? 100), Number(process.argv[3] ?? Date.now())]
const interval = 2
const random = randomStream(seed, 'kills')
const folder = mkdtempSync(join(tmpdir(), 'net2net-kills-'))
const at = (...names: string[]) => join(folder, ...names)
await save(
  sequential([dense(8, { activation: 'tanh' }), dense(2)], { input: [2], seed: 4 }),
  at('model.onnx'),
)
const rows = Array.from({ length: 64 }, (_, i) => [Math.sin(1.7 * i), Math.cos(2.9 * i)] as const)
writeFileSync(
  at('data.csv'),
  `x,y,c\n${rows.map(([x, y]) => `${x},${y},${x * y > 0 ? 'a' : 'b'}`).join('\n')}\n`,
)

const command = (name: string, ...more: string[]) =>
  spawn(
    process.execPath,
    [
      ...[
        'packages/net2net-cli/bin/net2net.js',
        'train',
        at('model.onnx'),
        '--data',
        at('data.csv'),
      ],
      ...['--optimizer', 'adam', '--batch-size', '8', '--epochs', String(6 * wanted)],
      ...['--checkpoint-every', String(interval), '--threads', '1', '-o', at(name), ...more],
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  )
async function ended(child: ChildProcess) {
  let text = ''
  child.stderr!.on('data', (data) => {
    text += data
  })
  const code = await new Promise((resolve) => child.on('close', resolve))
  return { code, text }
}
const newest = () => {
  if (!existsSync(at('killed', 'checkpoints'))) return 0
  const names = readdirSync(at('killed', 'checkpoints')).filter((name) => /^checkpoint/.test(name))
  return Number(/\d+/.exec(names.sort().at(-1) ?? '0')![0])
}
/** The last step that was recorded. */
const reached = () => {
  if (!existsSync(at('killed', 'metrics.jsonl'))) return 0
  const lines = readFileSync(at('killed', 'metrics.jsonl'), 'utf8').split('\n')
  const steps = lines.map((line) => {
    try {
      return Number((JSON.parse(line) as { step: number }).step)
    } catch {
      return 0 // torn
    }
  })
  return Math.max(...steps)
}

const started = performance.now()
const straight = await ended(command('straight'))
if (straight.code !== 0) throw new Error(straight.text)
const whole = performance.now() - started
let [kills, inTraining, worst, finished] = [0, 0, 0, false]
while (!finished) {
  const before = newest()
  const child = command('killed', ...(before > 0 ? ['--resume'] : ['--force']))
  const end = ended(child)
  if (kills < wanted) {
    // One time in five at any moment, the others soon after the first new checkpoint.
    const atOnce = random.below(5) === 0
    const limit = performance.now() + (atOnce ? random.uniform() * 1500 : 60_000)
    while (performance.now() < limit && (atOnce || newest() === before) && child.exitCode === null)
      await sleep(2)
    await sleep(atOnce ? 0 : random.uniform() * 60)
    child.kill('SIGKILL')
  }
  const { code, text } = await end
  if (code === 0) finished = true
  else if (code !== null) throw new Error(`exit code ${code} after ${kills} kills:\n${text}`)
  else {
    kills++
    if (newest() > before) inTraining++
    worst = Math.max(worst, reached() - newest())
    if (worst > interval) throw new Error(`${worst} steps were lost by kill ${kills}`)
  }
  if (/older one is used/.test(text)) throw new Error(text)
}
if (kills < wanted) throw new Error(`The training ended after ${kills} kills, before ${wanted}.`)
const same = (file: string) =>
  readFileSync(at('killed', file)).equals(readFileSync(at('straight', file)))
for (const file of ['model.onnx', 'metrics.jsonl'])
  if (!same(file)) throw new Error(`${file} differs; see ${folder}, seed ${seed}`)
const leftovers = readdirSync(at('killed')).filter((name) => name.startsWith('.'))
console.log(
  JSON.stringify({
    seed,
    kills,
    inTraining,
    worstLossInSteps: worst,
    interval,
    leftovers,
    straightMs: Math.round(whole),
  }),
)
rmSync(folder, { recursive: true })
