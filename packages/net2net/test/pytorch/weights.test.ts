/** Networks from PyTorch whose weights are computed in the graph: parametrizations, unfolded. */
import { expect, test } from 'vitest'
import { inspect } from '../../src/growth/index.ts'
import { decodeModel } from '../../src/onnx/decode.ts'
import { grow, growthsOf, Teacher } from '../real-models/grow-layers.ts'
import { hasTorch, withTorch } from './torch.ts'

const image = ['/0/Conv', '/2/Conv', '/6/Gemm', '/8/Gemm']
const outputs = /graph output/
/** A share of v would change the length of the whole row. */
const normalized = /ReduceL2 .*sums over it/

/** Layers, and why those of them that cannot be widened cannot. */
const networks: Readonly<Record<string, [layers: string[], refused: Record<string, RegExp>]>> = {
  plain: [image, { '/8/Gemm': outputs }],
  pruned: [image, { '/8/Gemm': outputs }],
  scaled: [image, { '/8/Gemm': outputs }],
  'low-rank': [image, { '/8/Gemm': outputs }],
  'weight-norm': [image, { '/2/Conv': normalized, '/8/Gemm': outputs }],
  'weight-norm-everywhere': [
    image,
    { '/0/Conv': normalized, '/2/Conv': normalized, '/8/Gemm': outputs },
  ],
  'weight-norm-along-inputs': [
    image,
    { '/2/Conv': normalized, '/6/Gemm': normalized, '/8/Gemm': outputs },
  ],
  // The norm uᵀ·W·v already sums over the inputs with v, which would be split once more.
  'spectral-norm': [
    image,
    {
      '/0/Conv': /MatMul .*sums over it with a weight/,
      '/2/Conv': /MatMul .*sums over it with a weight/,
      '/8/Gemm': outputs,
    },
  ],
  tokens: [['/0/MatMul', '/2/MatMul'], { '/2/MatMul': outputs }],
  'tokens-low-rank': [['/0/MatMul', '/2/MatMul', '/4/MatMul'], { '/4/MatMul': outputs }],
}

test.skipIf(!hasTorch)(
  'layers with parametrized weights grow, or are refused',
  () =>
    withTorch('weights.py', {}, [], async (run) => {
      expect([...(run.printed as string[])].sort()).toEqual(Object.keys(networks).sort())
      for (const [name, [layers, refused]] of Object.entries(networks)) {
        const model = decodeModel(run.file(`${name}.onnx`))
        const found = inspect(model).layers
        expect(
          found.map((layer) => layer.name),
          name,
        ).toEqual(layers)
        for (const { name: layer, widen } of found)
          if (refused[layer]) expect(widen, `${name}: ${layer}`).toMatch(refused[layer])
          else expect(widen, `${name}: ${layer}`).toBe(true)
        const teacher = new Teacher(model)
        try {
          for (const growth of growthsOf(model)) {
            const result = await grow(teacher, growth, { tolerance: 1e-5 })
            const label = `${name}: ${JSON.stringify(growth)}`
            if (growth.kind === 'widen' && refused[growth.layer])
              expect(result.refusal, label).toMatch(refused[growth.layer]!)
            else expect(result, label).toMatchObject({ equal: true })
          }
        } finally {
          await teacher.release()
        }
      }
    }),
  120_000,
)
