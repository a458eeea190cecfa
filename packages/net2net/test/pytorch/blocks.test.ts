/** Residual blocks of networks that PyTorch exported, with both exporters: each by itself, and by modules. */
import { expect, test } from 'vitest'
import { compare } from '../../src/check/compare.ts'
import { Net2NetError } from '../../src/errors.ts'
import { applyPlan, countParameters, inspect, planRepeat } from '../../src/growth/index.ts'
import { decodeModel } from '../../src/onnx/decode.ts'
import { torchPython } from '../../testing/python.ts'
import { type TorchRun, withTorch } from './torch.ts'

/** Of each network: how many blocks layers have, and what refuses the others. */
const expected: Readonly<Record<string, readonly [blocks: number, refusal?: RegExp]>> = {
  gpt: [6],
  llama: [4],
  parallel: [3],
  shared: [6],
  decoder: [6],
  'pre-norm': [4],
  'post-norm': [0, /normalizes its sum \(a post-norm block\)/],
  resnet: [2, /the next sum, adds what Conv/],
  'pre-activation': [2],
  convnext: [2],
  mixer: [4],
  squeeze: [0, /not linear in parameters that could be zero/],
}

/** Modules, and how often the parameters of the network grow: every block is there twice. */
const modules: Readonly<Record<string, readonly [pattern: string, repetitions: number]>> = {
  gpt: ['h.*', 3],
  llama: ['layers.*', 2],
}

test.skipIf(!torchPython)(
  'residual blocks from PyTorch are repeated exactly, or refused with the reason',
  { timeout: 600_000 },
  () => withTorch('blocks.py', {}, [], check, torchPython),
)

async function check(run: TorchRun): Promise<void> {
  const { exported, failed } = run.printed as Record<string, string[]>
  expect(failed).toEqual({})
  for (const file of exported!) {
    const model = decodeModel(run.file(file))
    const [name] = file.split('.') as [string]
    const blocks = new Set<string>()
    const refusals: string[] = []
    for (const layer of inspect(model).layers)
      try {
        const plan = planRepeat(model, [layer.name])
        const [repetition] = plan.repeated!
        const key = `${repetition!.input} ${repetition!.value}`
        if (blocks.has(key)) continue
        blocks.add(key)
        const { equal } = await compare(model, applyPlan(model, plan))
        expect(equal, `${file} ${layer.name}`).toBe(true)
      } catch (error) {
        if (!(error instanceof Net2NetError)) throw error
        refusals.push(error.message)
      }
    const [count, refusal] = expected[name]!
    expect(blocks.size, `${file}\n${refusals.join('\n')}`).toBe(count)
    if (refusal) expect(refusals.join('\n'), file).toMatch(refusal)
    const [pattern, repetitions] = modules[name] ?? []
    if (pattern === undefined) continue
    for (const copy of ['stack', 'interleave'] as const) {
      const plan = planRepeat(model, [pattern], { copy })
      const deeper = applyPlan(model, plan)
      expect(plan.repeated).toHaveLength(copy === 'stack' ? 1 : repetitions!)
      expect((await compare(model, deeper)).equal).toBe(true)
      // The parameters of the copies are those of the blocks, once more, and known as such.
      const own = plan.repeated!.flatMap(({ parameters }) => parameters)
      const size = own.reduce((sum, { dims }) => sum + dims.reduce((a, b) => a * b, 1), 0)
      expect(countParameters(deeper) - countParameters(model)).toBe(size)
      const trained = new Set(inspect(deeper).trainable.map((parameter) => parameter.name))
      expect(own.filter(({ to }) => !trained.has(to))).toEqual([])
      expect(inspect(deeper).trainable).toHaveLength(inspect(model).trainable.length + own.length)
    }
  }
}
