/**
 * Judges the gradients of a module that PyTorch exported: everything that a training step computes,
 * against PyTorch in float64.
 */
import { Net2NetError } from '../../src/errors.ts'
import type { Model } from '../../src/model/model.ts'
import { decodeModel, encodeModel } from '../../src/onnx/index.ts'
import { nodeRuntime } from '../../src/runtime/onnxruntime.node.ts'
import { float32, type Tensor } from '../../src/tensor/tensor.ts'
import { buildStep, sgd, softmaxCrossEntropy } from '../../src/training/index.ts'
import { withoutDefaults } from '../../src/training/run/create-stepper.ts'
import { targetOf } from '../../src/training/run/targets.ts'

/** What `gradients.py` prints of one module. */
export interface JudgedModule {
  readonly name: string
  readonly file: string
  readonly loss: 'mse' | 'ce' | 'ce last'
  /** What a refusal must name, where one is expected. */
  readonly refused?: string
  /** Parameters that cannot be found in the file, and must be named as left out. */
  readonly untrained: readonly string[]
  readonly trainOnly?: readonly string[]
  /** Why PyTorch could not export it. */
  readonly failed?: string
}

/** What is wrong with our gradients; an empty list if nothing is. */
export async function judge(
  judged: JudgedModule,
  bytes: () => Uint8Array,
  arrays: ReadonlyMap<string, Tensor>,
): Promise<readonly string[]> {
  if (judged.failed !== undefined) return [`PyTorch: ${judged.failed}`]
  const model = decodeModel(bytes())
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
  const step = buildStep(model, {
    loss: judged.loss === 'mse' ? 'mse' : softmaxCrossEntropy(),
    optimizer: sgd({ learningRate: 1 }),
    gradients: true,
    target: targetOf(nodeRuntime, 'cpu'),
    ...(judged.trainOnly ? { trainOnly: judged.trainOnly } : {}),
  })
  const feeds: Record<string, Tensor> = {
    ...Object.fromEntries(step.state),
    learning_rate: float32([], [1]),
    target: inType(arrays.get('target')!, step.target.dtype),
  }
  for (const name of step.inputs) feeds[name] = arrays.get(name)!
  const session = await nodeRuntime.createSession(encodeModel(withoutDefaults(step.model)), {
    threads: 1,
  })
  const results = await session.run(feeds)
  await session.release()

  const wrong: string[] = []
  const ours = oursByName(model, step.parameters, step.statistics, results)
  const expected = expectedOf(arrays)
  const largest = Math.max(...[...expected.values()].map(({ value }) => size(value)))
  for (const [key, { value, error }] of expected) {
    const name = key.slice(key.indexOf(' ') + 1)
    if (judged.untrained.includes(name)) {
      if (!step.left.some(({ reason }) => reason.includes(name))) wrong.push(`${name} is not named`)
      continue
    }
    const found = key === 'loss' ? { tensor: results.loss!, isTransposed: false } : ours.get(key)
    if (!found) {
      wrong.push(`${key} is missing`)
      continue
    }
    const numbers = found.isTransposed
      ? transposed(found.tensor)
      : Array.from(found.tensor.data, Number)
    const reference = Array.from(value.data, Number)
    const difference =
      numbers.length === reference.length
        ? Math.max(0, ...reference.map((x, i) => Math.abs(x - numbers[i]!)))
        : Number.NaN
    // What is zero by nature has nothing to be measured by but the other gradients.
    const allowed = Math.max(1e-3 * size(value), 4 * error, 1e-6 * largest)
    if (!(difference <= allowed))
      wrong.push(
        `${key} is off by ${difference.toExponential(1)} of ${size(value).toExponential(1)}`,
      )
  }
  for (const key of ours.keys()) if (!expected.has(key)) wrong.push(`${key} is none of PyTorch's`)
  return wrong
}

interface Found {
  readonly tensor: Tensor
  readonly isTransposed: boolean
}

/** Gradients and next statistics, by PyTorch's names. */
function oursByName(
  model: Model,
  parameters: readonly string[],
  statistics: readonly string[],
  results: Readonly<Record<string, Tensor>>,
): ReadonlyMap<string, Found> {
  const found = new Map<string, Found>()
  for (const name of parameters) {
    const tensor = results[`${name}.gradient`]!
    const source = foldedFrom(model, name)
    found.set(`gradient ${source ?? name}`, { tensor, isTransposed: source !== undefined })
  }
  for (const name of statistics)
    found.set(`next ${name}`, { tensor: results[`${name}.next`]!, isTransposed: false })
  return found
}

/** PyTorch's parameter of which the exporter wrote the transpose instead. */
function foldedFrom({ graph }: Model, name: string): string | undefined {
  const declaration = graph.values.find((value) => value.name === name)
  const sources = declaration?.metadata?.get('pkg.onnxscript.optimizer.folded_from')
  return sources?.match(/^\['([^',]+)'\]$/)?.[1]
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

function transposed({ dims, data }: Tensor): readonly number[] {
  const [rows, columns] = dims as readonly [number, number]
  return Array.from({ length: rows * columns }, (_, i) =>
    Number(data[(i % rows) * columns + Math.floor(i / rows)]),
  )
}
