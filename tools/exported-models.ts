/**
 * Grows every layer of the ONNX files in a folder, and prints a line for each file with what came of it, and the reasons of refusals.
 * Usage: tsx --conditions=net2net-source tools/exported-models.ts FOLDER [PART OF A FILE NAME …]
 *
 * `packages/net2net/test/exporters/exported_models.py FOLDER` fills such a folder with small networks of many kinds, exported
 * in many ways.
 */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { Net2NetError } from '../packages/net2net/src/errors.ts'
import { load } from '../packages/net2net/src/index.ts'
import {
  type GrowthResult,
  grow,
  growthsOf,
  Teacher,
} from '../packages/net2net/test/real-models/grow-layers.ts'

const [folder = '.', ...parts] = process.argv.slice(2)
const reasons = new Map<string, string[]>()
const sums = { files: 0, layers: 0, widened: 0, deepened: 0, wrong: 0, unsure: 0, failed: 0 }
for (const name of readdirSync(folder).sort()) {
  if (!name.endsWith('.onnx') || (parts.length > 0 && !parts.some((part) => name.includes(part))))
    continue
  sums.files++
  const start = performance.now()
  try {
    const model = await load(join(folder, name))
    const teacher = new Teacher(model)
    const results: GrowthResult[] = []
    for (const growth of growthsOf(model)) {
      const result = await grow(teacher, growth, { samples: 1 })
      const again = result.notThisWidth && growth.kind === 'widen'
      results.push(again ? await grow(teacher, { ...growth, width: 'x2' }, { samples: 1 }) : result)
    }
    await teacher.release()
    const of = (kind: string) => results.filter((each) => each.kind === kind)
    const grown = (kind: string) => of(kind).filter(({ refusal }) => refusal === undefined).length
    const wrong = results.filter(({ equal }) => equal === false)
    const unsure = results.filter(({ equal }) => equal === null)
    sums.layers += of('widen').length
    sums.widened += grown('widen')
    sums.deepened += grown('deepen')
    sums.wrong += wrong.length
    sums.unsure += unsure.length
    const seconds = ((performance.now() - start) / 1000).toFixed(1)
    console.log(
      `${name}: ${of('widen').length} layers, widened ${grown('widen')}, deepened ${grown('deepen')}, wrong ${wrong.length}, unsure ${unsure.length}, ${seconds} s`,
    )
    for (const { kind, layer, maxAbs } of wrong)
      console.log(`  WRONG: ${kind} ${layer}: max |Δ| ${maxAbs}`)
    for (const { kind, layer, refusal } of results)
      if (refusal !== undefined) {
        const reason = `${kind}: ${refusal.slice(refusal.indexOf(': ') + 2)}`
        reasons.set(reason, [...(reasons.get(reason) ?? []), `${name} ${layer}`])
      }
  } catch (error) {
    sums.failed++
    const said =
      error instanceof Net2NetError
        ? `${error.kind}: ${error.message}`
        : String((error as Error).stack)
    console.log(`${name}: FAILED ${said}`)
  }
}
console.log()
for (const [reason, places] of [...reasons].sort((a, b) => b[1].length - a[1].length))
  console.log(`${places.length} × ${reason}\n    ${places.slice(0, 4).join('; ')}`)
console.log(`\n${JSON.stringify(sums)}`)
process.exitCode = sums.wrong + sums.failed === 0 ? 0 : 1
