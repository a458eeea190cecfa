/**
 * What does exploring by growth save? The same search with the same compute (multiply-adds that are trained), in four ways: networks
 * that grow from one another (`explore`), the same scheduler with each candidate trained from scratch, random search from scratch,
 * and the start network trained alone. Writes docs/study/exploring.md and exploring.json. What is done is kept in the folder
 * and not done again. Usage: npm run docs:exploring -- [FOLDER] [SEEDS] [SCALE] [TASKS] (SCALE of the compute; TASKS: mnist,fashion,table).
 */
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Arm, arms, type Point, run } from './exploration-study/arms.ts'
import { studyDocument } from './exploration-study/document.ts'
import { type Task, tasksOf } from './exploration-study/tasks.ts'

const [folder = 'runs/exploring', seedCount = '5', scale = '1', names] = process.argv.slice(2)
const tasks = tasksOf(Number(scale))
const chosen = tasks.filter(({ name }) => names?.split(',').includes(name) ?? true)
/** Others than those with which the schedule was tried while it was made. */
const seeds = Array.from({ length: Number(seedCount) }, (_, i) => 11 + i)

const placeOf = (task: Task, arm: Arm, seed: number) =>
  join(folder, `${task.name}-${task.compute}-${arm}-${seed}.json`)

function pointsOf(task: Task, arm: Arm, seed: number): readonly Point[] | undefined {
  const place = placeOf(task, arm, seed)
  return existsSync(place)
    ? (JSON.parse(readFileSync(place, 'utf8')) as readonly Point[])
    : undefined
}

async function complete(task: Task, arm: Arm, seed: number): Promise<void> {
  if (pointsOf(task, arm, seed)) return
  const points = await run(task, arm, seed)
  const place = placeOf(task, arm, seed)
  writeFileSync(`${place}.part`, JSON.stringify(points))
  renameSync(`${place}.part`, place)
  const seconds = points.at(-1)?.seconds.toFixed(0)
  process.stderr.write(
    `${task.name}, ${arm}, seed ${seed}: ${points.length} trainings, ${seconds} s\n`,
  )
}

function write(): void {
  const { text, results } = studyDocument(tasks, seeds, pointsOf)
  const place = (name: string) =>
    fileURLToPath(new URL(`../docs/study/exploring.${name}`, import.meta.url))
  writeFileSync(place('md'), text)
  writeFileSync(place('json'), `${JSON.stringify(results)}\n`)
}

mkdirSync(folder, { recursive: true })
const [last, ...others] = [...arms].reverse()
for (const some of [others.reverse(), [last!]])
  for (const seed of seeds)
    for (const task of chosen) for (const arm of some) await complete(task, arm, seed)
write()
