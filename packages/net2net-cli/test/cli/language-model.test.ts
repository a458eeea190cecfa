/**
 * A language model as PyTorch exports it while it is fresh: weights in a second file, and one scale and one shift for all its norms,
 * which training takes apart. It is ranked, grown, explored and trained on a text.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { compare, load, save } from 'net2net'
import { GraphBuilder, modelOf } from 'net2net/model'
import { fillTensor } from 'net2net/tensor'
import { expect, test } from 'vitest'
import { resultsOf } from './explorations.ts'
import { net2net, temporaryFolder } from './net2net.ts'

const folder = temporaryFolder()
const at = (name: string) => join(folder, name)
const tale = 'the cat sat on the mat. the rat sat on the cat. '.repeat(30)
const characters = new Set(tale).size
const width = 6

/** ids [batch, 8] → scores [batch, 8, characters]: an embedding, two residual blocks of norm and two layers, a head. */
async function writeModel(): Promise<void> {
  const builder = new GraphBuilder()
  const scopes = new Map<string, string>()
  const weight = (name: string, dims: readonly number[], mean = 0, deviation = 0) =>
    builder.initializer(
      name,
      fillTensor({ kind: 'normal', mean, deviation }, 'float32', dims, 1, name),
    )
  const node = (module: string, type: string, inputs: readonly string[]) => {
    const name = builder.node(type, inputs)
    scopes.set(name, module)
    return name
  }
  builder.input('ids', 'int64', ['batch', 8])
  let x = node('token', 'Gather', [weight('token.weight', [characters, width], 0, 0.3), 'ids'])
  const norm = [weight('h.0.norm.weight', [width], 1), weight('h.0.norm.bias', [width])]
  for (const block of ['h.0', 'h.1']) {
    let y = node(`${block}.norm`, 'LayerNormalization', [x, ...norm])
    const layer = (name: string, from: number, to: number) =>
      node(`${block}.${name}`, 'MatMul', [y, weight(`${block}.${name}.weight`, [from, to], 0, 0.3)])
    y = node(`${block}.active`, 'Tanh', [layer('up', width, 10)])
    x = node(block, 'Add', [x, layer('down', 10, width)])
  }
  const scores = node('head', 'MatMul', [x, weight('head.weight', [width, characters], 0, 0.3)])
  builder.output(scores, 'float32', ['batch', 8, characters])
  const graph = builder.graph()
  const nodes = graph.nodes.map((one) => {
    const note = `['', '${scopes.get(one.name)}', '${one.name}']`
    return { ...one, metadata: new Map([['pkg.torch.onnx.name_scopes', note]]) }
  })
  await save(modelOf({ ...graph, nodes }), at('fresh.onnx'), { externalData: true })
}
await writeModel()
writeFileSync(at('tale.txt'), tale)

const model = at('fresh.onnx')
const data = ['--data', at('tale.txt'), '--text', 'characters', '--loss', 'softmax-cross-entropy']
const adam = ['--optimizer', 'adam', '--learning-rate', '0.01', '--threads', '1']
async function done(...args: readonly string[]): Promise<string> {
  const { code, out, err } = await net2net(args)
  expect(code, err).toBe(0)
  return out
}

test('a fresh model is measured on a text, and grows by what is measured', async () => {
  const { growths } = JSON.parse(await done('rank', model, ...data, '--json'))
  const ways = growths.map(({ step }: { step: object }) => Object.keys(step)[0])
  expect(new Set(ways)).toEqual(new Set(['widen', 'deepen', 'repeat']))
  expect(JSON.parse(await done('evaluate', model, ...data, '--json')).samples).toBe(179)
  const grow = ['widen', model, 'h.0.up=12', '--init', 'gradmax']
  await done(...grow, ...data, '-o', at('wider.onnx'))
}, 60_000)

test('explored on a text, it leaves recipes that fit the model that is kept', async () => {
  const output = at('explored')
  const search = ['--trials', '6', '--rung-steps', '40', '--rung-factor', '3', '--jobs', '1']
  await done('explore', model, ...data, ...adam, ...search, '-o', output)
  const { front, trials } = resultsOf(output)
  // A network has one size, before its norms have numbers of their own and behind.
  const [first] = trials
  expect(new Set(first!.rungs.map(({ parameters }) => parameters)).size).toBe(1)
  const grown = front.find(({ recipe }) => recipe !== null)!
  const start = join(output, 'start.onnx')
  await done('grow', join(output, grown.recipe!), start, '-o', at('again.onnx'))
  const { equal } = await compare(await load(model), await load(at('again.onnx')))
  expect(equal).toBe(true)
}, 90_000)

test('trained and grown on the way, its resolved recipe makes the same model of the same file', async () => {
  const recipe = at('grow.yaml')
  writeFileSync(recipe, 'stages: [{ when: { step: 3 }, steps: [{ repeat: h.* }] }]\n')
  const train = ['train', model, ...data, ...adam, '--recipe']
  await done(...train, recipe, '-o', at('first'))
  await done(...train, at('first/recipe.resolved.yaml'), '-o', at('second'))
  expect(readFileSync(at('second/model.onnx'))).toEqual(readFileSync(at('first/model.onnx')))
}, 60_000)
