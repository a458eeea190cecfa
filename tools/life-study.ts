/**
 * Does growth pay for a network that learns for life? Data arrive in five portions, and networks that learn on, small, large and
 * growing ones, are compared with a large one that is trained from scratch at each portion. Writes
 * docs/study/learning-for-life.md and .json; lives that the .json has are not lived again, so that a study that was stopped goes on.
 *
 * Usage: npm run docs:life -- [--seeds 5] [--scale 0.333] [--arms small,auto] [--results FILE]
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { documentOf, type Results } from './life-study/document.ts'
import { settings } from './life-study/settings.ts'
import { arms, live } from './life-study/trial.ts'

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '5' },
    scale: { type: 'string', default: '0.333' },
    arms: { type: 'string' },
    results: { type: 'string' },
  },
})
const scale = Number(values.scale)
const chosen = values.arms?.split(',')
const file =
  values.results ?? fileURLToPath(new URL('../docs/study/learning-for-life.json', import.meta.url))
const known = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Results) : undefined
const results: Results = known?.scale === scale ? known : { scale, lives: {} }

for (let seed = 1; seed <= Number(values.seeds); seed++)
  for (const setting of settings(scale))
    for (const arm of arms) {
      const key = `${setting.name}, ${arm}, seed ${seed}`
      if (key in results.lives || (chosen && !chosen.includes(arm))) continue
      results.lives[key] = { setting: setting.name, arm, seed, ...(await live(setting, arm, seed)) }
      writeFileSync(file, `${JSON.stringify(results)}\n`)
      const { compute, seconds, accuracy } = results.lives[key].after.at(-1)!
      process.stderr.write(
        `${key}: accuracy ${accuracy.toFixed(4)}, ${compute.toFixed(0)} · 10^9 multiply-adds, ${seconds.toFixed(0)} processor seconds\n`,
      )
    }
writeFileSync(file.replace(/\.json$/, '.md'), documentOf(results, settings(scale)))
