/** Growth of networks that PyTorch exported: every layer, by itself and all of them at once. */
import { expect, test } from 'vitest'
import { applyPlan, inspect, planDeepen, planWiden } from '../../src/growth/index.ts'
import type { Model } from '../../src/model/model.ts'
import { decodeModel } from '../../src/onnx/decode.ts'
import type { Feeds } from '../../src/runtime/runtime.ts'
import { randomStream } from '../../src/tensor/random.ts'
import { float32 } from '../../src/tensor/tensor.ts'
import { type Growth, grow, growthsOf, Teacher } from '../real-models/grow-layers.ts'
import { hasTorch, type TorchRun, withTorch } from './torch.ts'

/**
 * Layers that cannot be widened: those whose units are the outputs, …
 */
const outputs: Readonly<Record<string, readonly string[]>> = {
  basic: ['/6/Gemm'],
  bottleneck: ['/5/Gemm'],
  resnext: ['/5/Gemm'],
  inverted: ['/5/Gemm'],
  dense: ['/6/Gemm'],
  inception: ['/5/Gemm'],
  squeeze: ['/6/Gemm'],
  'squeeze-linear': ['/5/Gemm'],
  unet: ['/head/Conv'],
  'unet-upsample': ['/head/Conv'],
  'shuffle-unit': ['/6/Gemm'],
  'group-shuffle': ['/5/Gemm'],
  'group-shuffle-even': ['/5/Gemm'],
  'pixel-shuffle': ['/9/Conv'],
  'group-norm': ['/12/Gemm'],
  convnext: ['/7/Gemm'],
  encoder: ['/head/Gemm'],
  gated: ['/head/Gemm'],
  mixer: ['/head/Gemm'],
  decoder: ['/head/MatMul'],
  'grouped-queries': ['/head/Gemm'],
  'by-hand': ['/head/Gemm'],
  tutorial: ['/fc2/Gemm'],
  recurrent: ['/head/Gemm'],
  'one-dimension': ['/10/Gemm'],
  'three-dimensions': ['/7/Gemm'],
}

/** … and those that a shape of the image or a shuffle holds fast. */
const others: Readonly<Record<string, readonly string[]>> = {
  // The groups of the next convolution cut across the shuffled channels.
  'group-shuffle': ['/1/first/first.0/Conv'],
  // Its units are the patches of the image.
  mixer: ['/blocks/blocks.0/tokens/tokens.2/MatMul'],
}

/** Layers that cannot be deepened: nothing recurrent computes the identity. */
const recurrent: Readonly<Record<string, readonly string[]>> = {
  recurrent: ['/gru/GRU', '/lstm/LSTM'],
}

const random = randomStream(7, 'image')
const feeds: Feeds = {
  x: float32(
    [2, 3, 12, 16],
    Array.from({ length: 2 * 3 * 12 * 16 }, () => random.normal()),
  ),
}
const inputs = { inputs: [feeds], tolerance: 1e-5 }

test.skipIf(!hasTorch)(
  'every layer of networks from PyTorch grows, or is refused',
  async () => {
    await withTorch('growth.py', {}, [], async (run) => {
      const { exported, failed } = run.printed as Record<string, string[]>
      expect(failed).toEqual({})
      const names = Object.keys(outputs)
      expect(exported).toHaveLength(names.length * 5)
      for (const file of exported!) await check(file, run)
      expect(counts.proven / counts.all).toBeGreaterThan(0.95)
    })
  },
  600_000,
)

const counts = { all: 0, proven: 0 }

/**
 * The outputs agree, and hardly ever the check cannot tell more: nothing shows a mistake in the weight that an
 * LSTM, written out, multiplies with its first state, which is zero.
 */
function expectAgreement(equal: boolean | null | undefined, label: string): void {
  expect([true, null], label).toContain(equal)
  counts.all++
  if (equal) counts.proven++
}

async function check(file: string, run: TorchRun): Promise<void> {
  const [name] = file.split('.') as [string]
  const model = decodeModel(run.file(file))
  const { layers } = inspect(model)
  const refused = layers.filter(({ widen }) => widen !== true).map((layer) => layer.name)
  const expected = [...outputs[name]!, ...(others[name] ?? [])]
  expect(refused.sort(), `${file}: cannot be widened`).toEqual(expected.sort())
  const shallow = layers.filter(({ deepen }) => deepen !== true).map((layer) => layer.name)
  expect(shallow.sort(), `${file}: cannot be deepened`).toEqual(recurrent[name] ?? [])

  const teacher = new Teacher(model)
  try {
    for (const growth of growthsOf(model)) await checkGrowth(teacher, growth, file)
    const deeper = growTwice(model)
    const report = await teacher.compare(deeper, inputs)
    expectAgreement(report.equal, `${file}: everything at once`)
  } finally {
    await teacher.release()
  }
}

async function checkGrowth(teacher: Teacher, growth: Growth, file: string): Promise<void> {
  const label = `${file}: ${JSON.stringify(growth)}`
  let result = await grow(teacher, growth, inputs)
  if (result.notThisWidth && growth.kind === 'widen') {
    expect(result.refusal, label).toMatch(/cannot have width \d+.*choose/)
    result = await grow(teacher, { ...growth, width: 'x2' }, inputs)
  }
  if (result.refusal === undefined) expectAgreement(result.equal, label)
  else expect(result.refusal, label).toContain(`${growth.layer} cannot be`)
}

/** Everything wider, then deeper, then wider again. */
function growTwice(model: Model): Model {
  const wider = applyPlan(model, planWiden(model, { '*': 'x1.5' }))
  const layers = inspect(wider).layers.flatMap(({ name, deepen }) =>
    deepen === true ? [name] : [],
  )
  const deeper = applyPlan(wider, planDeepen(wider, layers))
  return applyPlan(deeper, planWiden(deeper, { '*': 'x1.3' }, { seed: 1 }))
}
