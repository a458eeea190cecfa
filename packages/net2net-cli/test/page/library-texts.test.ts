/** What the library says is said in Chinese, too: all that the page can meet, with names and numbers in their places. */
import { decodeModel, grow, inspect, planTables, solve, widen } from 'net2net'
import { conv2d, dense, flatten, relu, residual, sequential, softmax } from 'net2net/layers'
import { GraphBuilder } from 'net2net/model'
import { float32 } from 'net2net/tensor'
import { describe, expect, it } from 'vitest'
import { planTranslator, translator } from '../../page/src/text/translator.ts'
import { zhLibrary } from '../../page/src/text/zh-library/index.ts'
import { planCells, planHeads } from '../../page/src/text/zh-plan.ts'
import { sentencesFrom } from './sentences.ts'

/** What nobody meets on the page, by file. */
const unmet: readonly (readonly [path: RegExp, why: string])[] = [
  [/arguments\.ts$|kinds\.ts$|\/index(\.\w+)?\.ts$/, 'calls without a compiler'],
  [/net2net\/src\/layers\//, 'networks that programs build'],
  [/growth\/describe-plan\.ts$/, 'the plan, whose words have a catalogue of their own'],
  [/recipe\/(growth-recipe|plan-schema)\.ts$/, 'descriptions in the schema of recipes'],
  [
    /growing\/(capacity|auto-growth|schedule|stream|train-growing)\.ts$/,
    'trainings that grow themselves',
  ],
  [/measuring\/limits\.ts$/, 'limits of explorations'],
  [/training\/metrics\/|training\/run\/(generate|distill)\.ts$/, 'not offered on the page'],
  [/optimizers\/(average|adafactor|accumulate)\.ts$/, 'not offered on the page'],
  [/data\/(normalize|known-datasets)\.ts$/, 'not offered on the page'],
  [/page\/src\/grow\/samples\.ts$/, 'titles, which are texts of the page'],
  [/net2net-cli\/src\//, 'the experiment of the command line'],
  [/bridges\/hugging-face\//, 'folders of Hugging Face, which are not opened here'],
]
/** Texts of the page's workers that nobody reads. */
const unread = new Set([
  ...['to keep it', 'to send it', 'not kept', 'net2net runs'],
  // Attributes and places of a difference, in the words of ONNX.
  ...['graph of {0} nodes', '{0} graphs', 'output {0}'],
])

describe('the sentences of the library in Chinese', () => {
  const spoken = sentencesFrom(['packages/net2net-cli/page/src/engine/worker.ts'])

  it('are there for all that the workers of the page can say', () => {
    const missing: string[] = []
    let count = 0
    for (const [file, texts] of spoken) {
      if (unmet.some(([path]) => path.test(file))) continue
      for (const text of texts) {
        count++
        if (!(text in zhLibrary) && !unread.has(text)) missing.push(`${file}: ${text}`)
      }
    }
    expect(count).toBeGreaterThan(700)
    expect([...new Set(missing)]).toEqual([])
  })

  it('have the same places, and none is there that nobody says any more', () => {
    const places = (text: string) => [...new Set(text.match(/\{\d+\}/g))].sort()
    for (const [english, chinese] of Object.entries(zhLibrary))
      expect(places(chinese), english).toEqual(places(english))
    const said = new Set([...spoken.values(), ...main.values()].flat())
    expect(Object.keys(zhLibrary).filter((english) => !said.has(english))).toEqual([])
  })
  const main = sentencesFrom(['packages/net2net-cli/page/src/main.tsx'])

  const say = translator(zhLibrary)
  it('are found again with names and numbers filled in', () => {
    const fill = (text: string) => text.replaceAll(/\{(\d+)\}/g, (_, i) => `conv${i}`)
    for (const [english, chinese] of Object.entries(zhLibrary))
      expect(say(fill(english)), english).toBe(fill(chinese))
  })

  it('are put together from what refuses growth, down to the last reason', () => {
    const left = (sentence: string) =>
      // Names stand in quotes, or are those of operators.
      say(sentence)
        .replaceAll(/“[^”]*”|"[^"]*"/g, '')
        .match(/\b[a-z]{3,} [a-z]{2,}/)?.[0]
    const graph = new GraphBuilder()
    const x = graph.input('x', 'float32', ['n', 6])
    const weight = (name: string, dims: readonly number[]) =>
      graph.initializer(
        name,
        float32(
          dims,
          Array.from({ length: dims.reduce((a, b) => a * b, 1) }, (_, i) => i / 7),
        ),
      )
    const hidden = graph.node('MatMul', [x, weight('w1', [6, 6])], {}, { name: 'first' })
    const soft = graph.node('Softmax', [hidden], { axis: 1 }, { name: 'soft' })
    const top = graph.node(
      'CumSum',
      [soft, graph.initializer('axis', float32([], [1]))],
      {},
      { name: 'sums' },
    )
    graph.output(graph.node('MatMul', [top, weight('w2', [6, 3])], {}, { name: 'last' }))
    const network = sequential(
      [conv2d(4, 3, { name: 'c' }), relu(), flatten(), dense(3, { name: 'd' })],
      { input: [1, 6, 6], seed: 1 },
    )
    const reasons: string[] = []
    for (const model of [graph.model(), network])
      for (const { widen: wider, deepen: deeper } of inspect(solve(model)).layers)
        for (const answer of [wider, deeper]) if (answer !== true) reasons.push(answer)
    for (const attempt of [
      () => widen(network, { c: 3 }),
      () => widen(network, { e: 8 }),
      () => widen(network, { c: 'many' }),
      () => widen(network, { d: 8 }),
      () => grow(network, [{ repeat: ['*'] }]),
      () => decodeModel(new Uint8Array([1, 2, 3])),
      () => decodeModel(new TextEncoder().encode('<!doctype html>')),
    ])
      try {
        attempt()
        throw new Error('not refused')
      } catch (error) {
        const { message, hint } = error as Error & { hint?: string }
        reasons.push(message, ...(hint === undefined ? [] : [hint]))
      }
    expect(reasons.length).toBeGreaterThan(8)
    expect(
      reasons.filter((reason) => left(reason) !== undefined).map((r) => `${r} → ${say(r)}`),
    ).toEqual([])
  })
})

describe('the plan of a growth in Chinese', () => {
  const say = planTranslator(planHeads, planCells, translator(zhLibrary))

  it('has all that the library says of plans', () => {
    const texts = sentencesFrom(['packages/net2net/src/growth/describe-plan.ts']).get(
      'packages/net2net/src/growth/describe-plan.ts',
    )!
    expect(texts.length).toBeGreaterThan(15)
    expect(texts.filter((text) => !(text in planHeads || text in planCells))).toEqual([])
  })

  it('leaves names alone in English, in plans of every kind', () => {
    const network = sequential(
      [
        conv2d(4, 3, { name: 'c', padding: 'same' }),
        relu({ name: 'r' }),
        residual([conv2d(4, 3, { name: 'k', padding: 'same' })]),
        flatten(),
        dense(3, { name: 'd' }),
        softmax({ name: 's' }),
      ],
      { input: [1, 6, 6], seed: 1 },
    )
    const { plans } = grow(network, [
      { widen: { c: 7 }, seed: 1 },
      { deepen: ['c'] },
      { repeat: ['k'] },
      { kernel: { c: 5 } },
      { extend: { outputs: { [network.graph.outputs[0]!.name]: 2 } } },
      { extend: { inputs: { [network.graph.inputs[0]!.name]: 1 } } },
    ])
    const shrunk = grow(grow(network, [{ widen: { c: 8 }, noise: 'none' }]).model, [
      { shrink: '*' },
    ])
    const tables = [...plans, ...shrunk.plans].flatMap(planTables)
    expect(new Set(tables.map(({ head }) => head.join())).size).toBeGreaterThan(5)
    const english: string[] = []
    for (const { head, rows } of tables) {
      english.push(...head.filter((name) => !/\p{Script=Han}/u.test(say.head(name))))
      for (const row of rows)
        row.forEach((cell, k) => {
          if (typeof cell === 'number' || /^\S*(, \S+)*$/.test(cell)) return
          const text = say.cell(head[k]!, cell)
          if (/\b[a-z]{3,} [a-z]{2,}/.test(text.replaceAll(/"[^"]*"/g, '')))
            english.push(`${cell} → ${text}`)
        })
    }
    expect(english).toEqual([])
    expect(say.cell('how', 'axis 0 copied, axis 1 split, new entries zeros')).toBe(
      '轴 0 复制，轴 1 拆分，新项为零',
    )
  })
})
