/** State dicts follow copies of residual blocks, and lose what is taken out. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { growState } from '../../src/bridges/grow-state.node.ts'
import { readSafetensors, safetensorsParts } from '../../src/bridges/safetensors.ts'
import { applyPlan, planRepeat, planShrink } from '../../src/growth/index.ts'
import { conv2d, dense, flatten, residual, sequential } from '../../src/layers/index.ts'
import { float32, type LazyTensor, toNumbers } from '../../src/tensor/tensor.ts'
import { temporaryFolder } from '../../testing/temporary-folder.ts'

const folder = temporaryFolder()
const at = (name: string) => join(folder('.'), name)
const model = sequential(
  [
    conv2d(3, 3, { name: 'stem' }),
    residual([conv2d(3, 3, { name: 'h.0.conv', padding: 'same' })]),
    flatten(),
    dense(2, { name: 'head' }),
  ],
  { input: [1, 5, 4], seed: 6 },
)
const write = (name: string, parts: ReturnType<typeof safetensorsParts>) =>
  writeFileSync(at(name), Buffer.concat(parts.map((part) => part.read(0, part.byteLength))))

test('a state dict has the copies under names like their originals, and shrinks back', () => {
  const entries = new Map<string, LazyTensor>(
    [...model.graph.initializers].map(([name, { tensor }]) => [name, tensor]),
  )
  // A buffer of the block that the export does not hold.
  entries.set('h.0.scale', float32([2], [1, 2]))
  write('state.safetensors', safetensorsParts(entries))
  const plan = planRepeat(model, ['h.0'])
  const grown = [...growState(model, [plan], at('grown'), { weights: at('state.safetensors') })]
  write('grown.safetensors', grown[0]![1] as ReturnType<typeof safetensorsParts>)
  const read = (name: string) => {
    const bytes = readFileSync(at(name))
    const source = { size: bytes.length, read: (a: number, n: number) => bytes.subarray(a, a + n) }
    return readSafetensors(source, name).tensors
  }
  const copies = read('grown.safetensors')
  expect([...copies.keys()].filter((name) => !entries.has(name)).sort()).toEqual([
    'h.0_copy1.conv.bias',
    'h.0_copy1.conv.weight',
    'h.0_copy1.scale',
  ])
  expect(toNumbers(copies.get('h.0_copy1.conv.weight')!).every((value) => value === 0)).toBe(true)
  const deeper = applyPlan(model, plan)
  const back = growState(deeper, [planShrink(deeper)], at('back'), {
    weights: at('grown.safetensors'),
  })
  write('back.safetensors', [...back][0]![1] as ReturnType<typeof safetensorsParts>)
  expect([...read('back.safetensors').keys()].sort()).toEqual(
    [...entries.keys(), 'h.0_copy1.scale'].sort(),
  )
})
