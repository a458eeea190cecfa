/**
 * Judges the gradients of a module that PyTorch exported: everything that a training step computes,
 * against PyTorch in float64.
 */
import { expect, test } from 'vitest'
import { Net2NetError } from '../../src/errors.ts'
import type { Model } from '../../src/model/model.ts'
import { decodeModel } from '../../src/onnx/decode.ts'
import { encodeModel } from '../../src/onnx/encode.ts'
import { separateConstants } from '../../src/operators/shared-constants.ts'
import { FOLDED_FROM } from '../../src/operators/trainable.ts'
import { plainly } from '../../src/passes/plainly.ts'
import { nodeRuntime } from '../../src/runtime/onnxruntime.node.ts'
import { randomStream } from '../../src/tensor/random.ts'
import { float32, type Tensor } from '../../src/tensor/tensor.ts'
import { buildStep, type StepGraph, sgd, softmaxCrossEntropy } from '../../src/training/index.ts'
import { withoutDefaults } from '../../src/training/run/create-stepper.ts'
import { targetOf } from '../../src/training/run/targets.ts'
import { torchPython } from '../../testing/python.ts'
import { withTorch } from './torch.ts'

/** What `gradients.py` prints of one module. */
export interface JudgedModule {
  readonly name: string
  readonly file: string
  readonly loss: 'mse' | 'ce' | 'ce last'
  /** What a refusal must name, where one is expected. */
  readonly refused?: string
  /** Parameters that cannot be found in the file, and must be named as left out. */
  readonly untrained: readonly string[]
  /** Parameters that the exporter dropped. */
  readonly absent: readonly string[]
  readonly trainOnly?: readonly string[]
  /** For each name of a parameter the one that its numbers are written under: ties have several. */
  readonly aliases?: Readonly<Record<string, string>>
  /** Why PyTorch could not export it. */
  readonly failed?: string
}

/** Tests that judge all modules of a group of `gradients.py`. */
export function judgeGroup(group: string): void {
  test.skipIf(torchPython === undefined)(
    `${group}: every module is right or refused by name`,
    () =>
      withTorch(
        'gradients.py',
        {},
        [group],
        async ({ printed, arrays, file }) => {
          const modules = printed as readonly JudgedModule[]
          const wrong: Record<string, readonly string[]> = {}
          for (const [position, module] of modules.entries()) {
            const prefix = `${position} `
            const own = [...arrays]
              .filter(([key]) => key.startsWith(prefix))
              .map(([key, tensor]) => [key.slice(prefix.length), tensor] as const)
            const found = await judge(module, () => file(module.file), new Map(own))
            if (found.length > 0) wrong[module.name] = found
          }
          expect(wrong).toEqual({})
          expect(modules.length).toBeGreaterThanOrEqual(sizes[group]!)
        },
        torchPython,
      ),
    600_000,
  )
}

/** How many modules there are at least, so that none is lost. */
const sizes: Readonly<Record<string, number>> = {
  convolution: 31,
  transformer: 34,
  older: 6,
  transformers: 5,
  arithmetic: 12,
  functions: 16,
  recurrent: 8,
}

/** What is wrong with our gradients; an empty list if nothing is. */
export async function judge(
  judged: JudgedModule,
  bytes: () => Uint8Array,
  arrays: ReadonlyMap<string, Tensor>,
): Promise<readonly string[]> {
  if (judged.failed !== undefined) return [`PyTorch: ${judged.failed}`]
  const model = plainly(decodeModel(bytes()))
  try {
    const wrong = await compared(judged, model, arrays)
    return judged.refused === undefined ? wrong : [`expected a refusal of ${judged.refused}`]
  } catch (error) {
    if (!(error instanceof Net2NetError)) throw error
    const isExpected = judged.refused !== undefined && error.message.includes(judged.refused)
    return isExpected && error.kind === 'refused' ? [] : [`${error.kind}: ${error.message}`]
  }
}

async function compared(
  judged: JudgedModule,
  model: Model,
  arrays: ReadonlyMap<string, Tensor>,
): Promise<readonly string[]> {
  const step = stepOf(judged, model)
  const results = await resultsOf(step, step.state, arrays)
  const wrong: string[] = []
  const expected = expectedOf(arrays)
  const ours = oursByName(separateConstants(model), judged, step, results, expected)
  const largest = Math.max(...[...expected.values()].map(({ value }) => size(value)))
  for (const [key, { value, error }] of expected) {
    const name = key.slice(key.indexOf(' ') + 1)
    if (judged.absent.includes(name)) continue
    if (judged.untrained.includes(name)) {
      if (!step.left.some(({ reason }) => reason.includes(name))) wrong.push(`${name} is not named`)
      continue
    }
    const found = key === 'loss' ? results.loss : ours.get(key)
    if (!found) {
      wrong.push(`${key} is missing`)
      continue
    }
    const difference = distance(found, value)
    // What is zero by nature has nothing to be measured by but the other gradients.
    const allowed = Math.max(1e-3 * size(value), 4 * error, 1e-6 * largest)
    if (!(difference <= allowed))
      wrong.push(
        `${key} is off by ${difference.toExponential(1)} of ${size(value).toExponential(1)}`,
      )
  }
  for (const key of ours.keys()) if (!expected.has(key)) wrong.push(`${key} is none of PyTorch's`)
  return [...wrong, ...(await withOtherNumbers(judged, model, step, arrays))]
}

const stepOf = (judged: JudgedModule, model: Model): StepGraph =>
  buildStep(model, {
    loss: judged.loss === 'mse' ? 'mse' : softmaxCrossEntropy(),
    optimizer: sgd({ learningRate: 1 }),
    gradients: true,
    target: targetOf(nodeRuntime, 'cpu'),
    ...(judged.trainOnly ? { trainOnly: judged.trainOnly } : {}),
  })

async function resultsOf(
  step: StepGraph,
  state: ReadonlyMap<string, Tensor>,
  arrays: ReadonlyMap<string, Tensor>,
) {
  const feeds: Record<string, Tensor> = {
    ...Object.fromEntries(state),
    learning_rate: float32([], [1]),
    target: inType(arrays.get('target')!, step.target.dtype),
  }
  for (const name of step.inputs) feeds[name] = arrays.get(name)!
  const session = await nodeRuntime.createSession(encodeModel(withoutDefaults(step.model)), {
    threads: 1,
  })
  const results = await session.run(feeds)
  await session.release()
  return results
}

/**
 * A step is made for the numbers that the file has, and computes with others as soon as it has been made: it must be the step of a file
 * that has these. What took a parameter for the constant that it was at first is found so.
 */
async function withOtherNumbers(
  judged: JudgedModule,
  model: Model,
  step: StepGraph,
  arrays: ReadonlyMap<string, Tensor>,
): Promise<readonly string[]> {
  const random = randomStream(1, 'other numbers')
  const separate = separateConstants(model)
  const initializers = new Map(separate.graph.initializers)
  const moved = new Map(step.state)
  for (const [name, tensor] of step.state) {
    if (!initializers.has(name)) continue
    // Near those of the file, and none the same as another.
    const data = Array.from(tensor.data, Number).map((x) => 0.9 * x + 0.1 * random.uniform())
    moved.set(name, float32(tensor.dims, Float32Array.from(data)))
    initializers.set(name, { ...initializers.get(name)!, tensor: moved.get(name)! })
  }
  const other = stepOf(judged, { ...separate, graph: { ...separate.graph, initializers } })
  const [found, expected] = [
    await resultsOf(step, moved, arrays),
    await resultsOf(other, moved, arrays),
  ]
  return Object.entries(expected).flatMap(([key, value]) => {
    const difference = found[key] ? distance(found[key], value) : Number.NaN
    return difference <= 1e-3 * Math.max(size(value), 1e-3)
      ? []
      : [`with other numbers ${key} is off by ${difference.toExponential(1)}`]
  })
}

/** Gradients and next statistics, by PyTorch's names. */
function oursByName(
  { graph }: Model,
  { aliases = {} }: JudgedModule,
  { parameters, statistics }: StepGraph,
  results: Readonly<Record<string, Tensor>>,
  expected: ReadonlyMap<string, { readonly value: Tensor }>,
): ReadonlyMap<string, Tensor> {
  const found = new Map<string, Tensor>()
  const named = (name: string) => `gradient ${aliases[name] ?? name}`
  for (const name of parameters) {
    // The exporter may have written something that it computed from the parameter: its transpose, say.
    const noted = graph.values.find((value) => value.name === name)?.metadata?.get(FOLDED_FROM)
    const sources = noted?.match(/[^'"[\], ]+/g) ?? []
    const source = sources.find((candidate) => expected.has(named(candidate)))
    found.set(named(source ?? name), results[`${name}.gradient`]!)
  }
  for (const name of statistics) found.set(`next ${name}`, results[`${name}.next`]!)
  // The older exporter invents names for what it transposed: the nearest gradient is meant.
  for (const name of parameters) {
    if (!name.startsWith('onnx::')) continue
    const ours = results[`${name}.gradient`]!
    const [nearest] = [...expected]
      .flatMap(([key, { value }]) => {
        const apart = found.has(key) ? Number.NaN : distance(ours, value)
        return Number.isNaN(apart) ? [] : [{ key, apart }]
      })
      .toSorted((a, b) => a.apart - b.apart)
    if (!nearest) continue
    found.delete(named(name))
    found.set(nearest.key, ours)
  }
  return found
}

/** What PyTorch computes, and how far its own float32 is from that. */
function expectedOf(arrays: ReadonlyMap<string, Tensor>) {
  const expected = new Map<string, { readonly value: Tensor; readonly error: number }>()
  for (const [key, value] of arrays) {
    const error = arrays.get(`error ${key}`)
    if (error) expected.set(key, { value, error: Number(error.data[0]) })
  }
  return expected
}

const size = ({ data }: Tensor): number =>
  Array.from(data, Number).reduce((a, b) => Math.max(a, Math.abs(b)), 0)

function inType(tensor: Tensor, dtype: 'float32' | 'int64'): Tensor {
  if (tensor.dtype === dtype) return tensor
  return float32(tensor.dims, Float32Array.from(tensor.data, Number))
}

/** The largest difference, between tensors of one shape, or one of which is the other's transpose. */
function distance(found: Tensor, value: Tensor): number {
  const [a, b] = [Array.from(found.data, Number), Array.from(value.data, Number)]
  if (a.length !== b.length) return Number.NaN
  const [rows, columns] = found.dims as readonly [number, number]
  const isTransposed =
    found.dims.length === 2 && String([columns, rows]) === String(value.dims) && rows !== columns
  const largest = (at: (i: number) => number) =>
    b.reduce((worst, x, i) => Math.max(worst, Math.abs(x - at(i))), 0)
  const plain = () => largest((i) => a[i]!)
  const turned = () => largest((i) => a[(i % rows) * columns + Math.floor(i / rows)]!)
  if (isTransposed) return turned()
  return found.dims.length === 2 && rows === columns ? Math.min(plain(), turned()) : plain()
}
