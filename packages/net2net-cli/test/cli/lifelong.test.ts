/** Trainings that go on for life: growth by itself, earlier data among new, new classes, data in stages. */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { load, save } from 'net2net'
import { dense, sequential } from 'net2net/layers'
import { classesOf } from 'net2net/model'
import { randomStream } from 'net2net/tensor'
import { beforeAll, expect, test } from 'vitest'
import { trainSettings, writeExploration } from './explorations.ts'
import { net2net, temporaryFolder } from './net2net.ts'

const folder = temporaryFolder()
const { table } = await writeExploration(folder)
const small = join(folder, 'small.onnx')
const classifier = join(folder, 'classifier.onnx')

/** Points around centres, named after them. */
function points(file: string, names: readonly string[], seed: number): string {
  const centres = ['north', 'east', 'south', 'west']
  const random = randomStream(seed, 'points')
  const rows = Array.from({ length: 160 }, (_, i) => {
    const name = names[i % names.length]!
    const angle = (centres.indexOf(name) * Math.PI) / 2
    const at = (centre: number) => (2 * centre + 0.5 * random.normal()).toFixed(4)
    return `${at(Math.cos(angle))},${at(Math.sin(angle))},${name}`
  })
  writeFileSync(join(folder, file), `x,y,place\n${rows.join('\n')}\n`)
  return join(folder, file)
}
const first = points('first.csv', ['north', 'east'], 1)
const second = points('second.csv', ['south', 'west'], 2)

const train = (model: string, data: string, output: string, ...flags: readonly string[]) =>
  net2net(['train', model, '--data', data, '-o', join(folder, output), '--threads', '1', ...flags])
const quick = ['--optimizer', 'adam', '--learning-rate', '0.02', '--epochs', '8']

beforeAll(async () => {
  const hidden = (units: number) => dense(units, { activation: 'relu', name: 'fc1' })
  await save(sequential([hidden(2), dense(1, { name: 'out' })], { input: [3], seed: 2 }), small)
  const layers = [hidden(12), dense(2, { activation: 'softmax', name: 'out' })]
  await save(sequential(layers, { input: [2], seed: 1 }), classifier)
  const { code, err } = await train(classifier, first, 'first', ...quick)
  expect(code, err).toBe(0)
}, 60_000)

test('--grow auto grows within the limit, says why, and its recipe replays it to the same bytes', async () => {
  const flags = [...trainSettings, '--epochs', '30']
  const limits = ['--grow', 'auto', '--limit', 'parameters=40', '--grow-patience', '1']
  const { code, out, err } = await train(small, table, 'auto', ...flags, ...limits, '--json')
  expect(code, err).toBe(0)
  const [{ parameters, decisions }] = JSON.parse(out).arms
  expect(parameters).toBeGreaterThan(11)
  expect(parameters).toBeLessThanOrEqual(40)
  const grown = decisions.filter(({ grow }: { grow: boolean }) => grow)
  expect(grown.length).toBeGreaterThan(0)
  expect(err).toContain(`after epoch ${grown[0].epoch}: it grows: ${grown[0].reason}`)
  const report = readFileSync(join(folder, 'auto', 'report.html'), 'utf8')
  expect(report).toContain('When it grew, and why')
  const recipe = join(folder, 'auto', 'recipe.resolved.yaml')
  const again = await train(small, table, 'replayed', ...flags, '--recipe', recipe)
  expect(again.code, again.err).toBe(0)
  const bytes = (run: string) => readFileSync(join(folder, run, 'model.onnx'))
  expect(bytes('replayed').equals(bytes('auto'))).toBe(true)
}, 120_000)

test('a network that overfits does not grow, which is told once and is one line of the report', async () => {
  const few = join(folder, 'few.csv')
  writeFileSync(few, readFileSync(table, 'utf8').split('\n').slice(0, 31).join('\n'))
  const large = join(folder, 'large.onnx')
  const layers = [dense(48, { activation: 'relu', name: 'fc1' }), dense(1, { name: 'out' })]
  await save(sequential(layers, { input: [3], seed: 2 }), large)
  const flags = [...trainSettings, '--epochs', '60', '--grow', 'auto', '--validation', '0.4']
  const { code, out, err } = await train(large, few, 'overfit', ...flags, '--json')
  expect(code, err).toBe(0)
  const [{ parameters, decisions }] = JSON.parse(out).arms
  expect(parameters).toBe(48 * 5 + 1)
  expect(decisions.length).toBeGreaterThan(10)
  const told = err.match(/it does not grow: it overfits/g) ?? []
  const report = readFileSync(join(folder, 'overfit', 'report.html'), 'utf8')
  expect(report.match(/it overfits/g)).toHaveLength(told.length)
  expect(told.length).toBeLessThan(decisions.length / 3)
}, 60_000)

test('new classes are learned while old samples are replayed; what is forgotten is told', async () => {
  const run = join(folder, 'first')
  const flags = [...quick, '--replay', `${first}:50%`, '--json']
  const { code, out, err } = await train(run, second, 'second', ...flags)
  expect(code, err).toBe(0)
  expect(err).toMatch(/New classes: south, west\./)
  expect(err).toMatch(/The optimizer's state goes on from .*first\./)
  const [{ forgetting }] = JSON.parse(out).arms
  expect(forgetting).toMatchObject({ measure: 'accuracy', newClasses: ['south', 'west'] })
  expect(forgetting.old.before).toBeGreaterThan(0.9)
  expect(forgetting.forgetting).toBeLessThan(0.1)
  const names = forgetting.perClass.map((one: { class: string }) => one.class)
  expect(names).toEqual(['east', 'north', 'south', 'west'])
  for (const { class: name, before, after } of forgetting.perClass) {
    if (name === 'south' || name === 'west') expect(before).toBe(0)
    expect(after, name).toBeGreaterThan(0.6)
  }
  const model = await load(join(folder, 'second', 'model.onnx'))
  expect(classesOf(model)).toEqual(names)
  const report = readFileSync(join(folder, 'second', 'report.html'), 'utf8')
  expect(report).toContain('What it kept, class by class')
  expect(report).toMatch(/west \(new\)<\/th><td class="number">\d+<\/td><td class="number">0.00%/)
}, 60_000)

test('samples of several earlier data sets are replayed together', async () => {
  const renamed = join(folder, 'renamed-first.csv')
  writeFileSync(renamed, readFileSync(first, 'utf8'))
  const replay = ['--replay', `${first},${renamed}:50%`]
  const run = join(folder, 'first')
  const { code, out, err } = await train(run, second, 'both', ...quick, ...replay, '--json')
  expect(code, err).toBe(0)
  const [{ forgetting }] = JSON.parse(out).arms
  const { old } = JSON.parse(readFileSync(join(folder, 'second', 'results.json'), 'utf8')).arms[0]
    .forgetting
  expect(forgetting.old.samples).toBe(2 * old.samples)
  // Without a replay the classes stay as they are, and it is said what adds some.
  const without = await train(run, second, 'without', ...quick)
  expect(without.code).toBe(4)
  expect(without.err).toMatch(/is none of the classes east, north\. A model gets more .*--replay/)
  expect(existsSync(join(folder, 'without'))).toBe(false)
}, 60_000)

test('what is forgotten is told where nothing is held out, and of which samples', async () => {
  const flags = ['--replay', `${first}:30%`, '--validation', '0', '--class-weights', '1,1,2,2']
  const run = join(folder, 'first')
  const { code, out, err } = await train(run, second, 'unheld', ...quick, ...flags, '--json')
  expect(code, err).toBe(0)
  const [{ forgetting, evaluation }] = JSON.parse(out).arms
  expect(evaluation).toBeUndefined()
  expect(forgetting).toMatchObject({ heldOut: false, newClasses: ['south', 'west'] })
  expect(forgetting.old.samples).toBe(16)
  expect(forgetting.old.before).toBeGreaterThan(0.9)
  expect(forgetting.perClass).toHaveLength(4)
  const text = await train(run, second, 'told', ...quick, ...flags)
  expect(text.out).toMatch(/Earlier data \(samples of the training, since none are held out\): acc/)
}, 60_000)

test('stages replay those that came before, and tell what is forgotten of each', async () => {
  // The same places under other names: what was learned is wrong now, but for what is replayed.
  const renamed = join(folder, 'renamed.csv')
  const swapped = { north: 'east', east: 'north' } as const
  const rows = readFileSync(first, 'utf8')
  writeFileSync(
    renamed,
    rows.replace(/north|east/g, (name) => swapped[name as keyof typeof swapped]),
  )
  const forgotten = async (output: string, ...flags: readonly string[]) => {
    const more = [...quick, '--validation', '0', ...flags, '--json']
    const { code, out, err } = await train(classifier, `${first},${renamed}`, output, ...more)
    expect(code, err).toBe(0)
    const { measured } = JSON.parse(out).stages[1]
    expect(measured).toMatchObject([{ heldOut: false }, { heldOut: false }])
    expect(measured[1].forgetting).toBeUndefined()
    return measured[0].forgetting
  }
  expect(await forgotten('forgetful')).toBeGreaterThan(0.9)
  expect(await forgotten('replaying', '--replay', '80%')).toBeLessThan(0.2)
}, 120_000)

test('stages are trained one after the other, and an interrupted one goes on', async () => {
  const stages = `${first},${second}`
  const log = ['--log', join(folder, 'steps.csv')]
  const { code, out, err } = await train(classifier, stages, 'stages', ...quick, ...log, '--json')
  expect(code, err).toBe(0)
  const { stages: found } = JSON.parse(out)
  expect(found).toHaveLength(2)
  expect(found[1].measured).toHaveLength(2)
  for (const stage of [1, 2]) {
    const lines = readFileSync(join(folder, `steps.stage-${stage}.csv`), 'utf8')
      .trim()
      .split('\n')
    expect(lines).toHaveLength(1 + found[stage - 1].results.steps)
  }
  // Without old samples, the first stage's classes are forgotten: it is told, not hidden.
  expect(found[0].measured[0].accuracy).toBeGreaterThan(0.9)
  const again = await train(classifier, stages, 'stages', ...quick, '--resume', '--json')
  expect(again.code, again.err).toBe(0)
  expect(again.err).toMatch(/Stage 1 .* is done already/)
  expect(JSON.parse(again.out).stages[1].measured).toEqual(found[1].measured)
  const others = await train(classifier, stages, 'stages', ...quick, '--replay', '10%', '--resume')
  expect(others.code).toBe(2)
  expect(others.err).toMatch(/The training in \S*stage-1 was begun without --replay\./)
  const model = join(folder, 'stages', 'model.onnx')
  const bytes = readFileSync(model)
  // As a stage is left that was killed when its last epoch was done, before it was evaluated.
  const stage = join(folder, 'stages', 'stage-2')
  rmSync(join(stage, 'report.html'))
  const ended = await train(classifier, stages, 'stages', ...quick, '--resume')
  expect(ended.code, ended.err).toBe(0)
  expect(existsSync(join(stage, 'report.html'))).toBe(true)
  expect(readFileSync(model).equals(bytes)).toBe(true)
  // As a stage is left that was killed before its first checkpoint.
  rmSync(stage, { recursive: true })
  mkdirSync(join(stage, 'checkpoints'), { recursive: true })
  writeFileSync(join(stage, 'metrics.jsonl'), '')
  const anew = await train(classifier, stages, 'stages', ...quick, '--resume')
  expect(anew.code, anew.err).toBe(0)
  expect(readFileSync(model).equals(bytes)).toBe(true)
  const on = await train(join(folder, 'stages'), second, 'on', ...quick)
  expect(on.err).toMatch(/The optimizer's state goes on from .*stages\./)
}, 120_000)

test('data of a later stage that are not there are refused before the first one is trained', async () => {
  const missing = join(folder, 'missing.csv')
  const { code, err } = await train(classifier, `${first},${missing}`, 'early')
  expect(err).toMatch(/missing\.csv does not exist/)
  expect(code).toBe(4)
  expect(existsSync(join(folder, 'early'))).toBe(false)
})

test.each([
  [['--limit', 'parameters=9'], /--limit is for --grow auto/],
  [['--replay', 'old.csv'], /does not say which data and how much/],
  [['--replay', '20%'], /with several --data, --replay 20% is of those that came before/],
  [['--replay', 'old.csv:150%'], /does not say which data and how much/],
])('%s is refused', async (flags, message) => {
  const { code, err } = await train(classifier, first, 'wrong', ...flags)
  expect(err).toMatch(message)
  expect(code).toBe(2)
  expect(existsSync(join(folder, 'wrong'))).toBe(false)
})

test('what stages cannot have is refused before the first one', async () => {
  const stages = `${first},${second}`
  const recipe = join(folder, 'grow.yaml')
  writeFileSync(recipe, 'stages: [{ when: { epoch: 1 }, steps: [{ widen: { fc1: 16 } }] }]')
  const { code, err } = await train(classifier, stages, 'refused', ...quick, '--recipe', recipe)
  expect(err).toMatch(/--recipe is for one data set/)
  expect(code).toBe(2)
  expect(existsSync(join(folder, 'refused'))).toBe(false)
})

test('--grow auto of a network that costs more than its limit is refused', async () => {
  const limits = ['--grow', 'auto', '--limit', 'parameters=5']
  const { code, err } = await train(small, table, 'beyond', ...trainSettings, ...limits)
  expect(err).toMatch(/beyond the limit of parameters: it has 11, and the limit is 5\./)
  expect(code).toBe(2)
  expect(existsSync(join(folder, 'beyond'))).toBe(false)
})
