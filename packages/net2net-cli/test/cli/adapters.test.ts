import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { compare, inspect, load, save } from 'net2net'
import { dense, embedding, flatten, sequential } from 'net2net/layers'
import { expect, test } from 'vitest'
import { net2net, temporaryFolder } from './net2net.ts'

const folder = temporaryFolder()
const at = (name: string) => join(folder, name)

test('adapters are inserted, trained alone, and merged', async () => {
  const model = at('model.onnx')
  const layers = [dense(8, { activation: 'tanh', name: 'q_proj' }), dense(2, { name: 'out' })]
  await save(sequential(layers, { input: [2], seed: 4 }), model)
  const lines = Array.from({ length: 60 }, (_, i) => {
    const [x, y] = [Math.sin(1.7 * i), Math.cos(2.9 * i)]
    return `${x},${y},${x * x + y * y < 1 ? 'inside' : 'outside'}`
  })
  writeFileSync(at('table.csv'), `x,y,where\n${lines.join('\n')}\n`)

  const adapted = at('adapted.onnx')
  const insert = ['lora', model, '--rank', '2', '--targets', '*proj', '-o', adapted, '--json']
  const inserted = JSON.parse((await net2net(insert)).out)
  expect(inserted).toMatchObject({ check: { equal: true }, parameters: { before: 42, after: 62 } })
  expect(inserted.plan.adapters).toMatchObject([{ layers: ['q_proj'], rank: 2, scale: 1 }])

  const train = ['train', adapted, '--data', at('table.csv'), '--epochs', '2', '-o', at('run')]
  const trained = await net2net(train)
  expect(trained.code, trained.err).toBe(0)
  expect(trained.err).toMatch(/low-rank adapters: these are trained, and nothing else/)
  const merge = ['merge', at('run/model.onnx'), '-o', at('merged.onnx'), '--json']
  const merged = await net2net(merge)
  expect(merged.code, merged.err).toBe(0)
  expect(JSON.parse(merged.out)).toMatchObject({
    check: { equal: true },
    parameters: { before: 62, after: 42 },
  })
  const { layers: names } = inspect(await load(at('merged.onnx')))
  expect(names.map(({ name }) => name)).toEqual(['q_proj', 'out'])
  expect((await compare(model, at('merged.onnx'))).equal).toBe(false)

  const there = await net2net(merge)
  expect([there.code, there.err]).toEqual([2, expect.stringMatching(/exists already/)])
  const again = await net2net(['merge', model, '-o', at('no.onnx')])
  expect([again.code, again.err]).toEqual([2, expect.stringMatching(/no low-rank adapters/)])
  const refused = await net2net(['lora', adapted, 'q_proj', '-o', at('no.onnx')])
  expect([refused.code, refused.err]).toEqual([3, expect.stringMatching(/cannot have an adapter/)])
}, 60_000)

test('adapters of a table of tokens are merged into rows that no sample has looked up', async () => {
  const model = at('tokens.onnx')
  const layers = [embedding(300, 6, { name: 'tokens' }), flatten(), dense(2, { name: 'out' })]
  await save(sequential(layers, { input: [4], seed: 4 }), model)
  const rows = Array.from({ length: 40 }, (_, i) =>
    [i, 7 * i, 3 * i + 1, 5, i % 2].map((id) => id % 300).join(','),
  )
  writeFileSync(at('tokens.csv'), `a,b,c,d,y\n${rows.join('\n')}\n`)
  await net2net(['lora', model, '--rank', '2', '-o', at('t.onnx')])
  const train = ['train', at('t.onnx'), '--data', at('tokens.csv'), '--epochs', '1']
  const trained = await net2net([...train, '-o', at('tokens')])
  expect(trained.code, trained.err).toBe(0)
  const merge = ['merge', at('tokens/model.onnx'), '-o', at('merged-tokens.onnx'), '--json']
  const merged = await net2net(merge)
  expect(JSON.parse(merged.out), merged.err).toMatchObject({ check: { equal: true } })
}, 60_000)
