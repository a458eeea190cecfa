/**
 * Compares the gradients that a model's operators emit, run in float32, with central differences
 * of an independent float64 forward pass. For tests only.
 */

import type { AttributeLike } from '../src/model/attributes.ts'
import { GraphBuilder, modelOf } from '../src/model/builder.ts'
import type { Model, Shape } from '../src/model/model.ts'
import { encodeModel } from '../src/onnx/encode.ts'
import type { Target } from '../src/operators/contract/gradient.ts'
import { inferModel } from '../src/operators/inference.ts'
import { nodeRuntime } from '../src/runtime/onnxruntime.node.ts'
import { permutation, type RandomStream, randomStream } from '../src/tensor/random.ts'
import { elementCount, float32, Tensor } from '../src/tensor/tensor.ts'
import { type WithGradients, withGradients } from './emitted-gradients.ts'
import { Evaluator64 } from './evaluate64.ts'

export interface GradientCase {
  readonly model: Model
  /** Values of the graph inputs. */
  readonly inputs: Readonly<Record<string, Tensor>>
  /** What to differentiate by; default: every float32 input. */
  readonly wrt?: readonly string[]
  /** Graph outputs that the loss depends on; default: every float output. */
  readonly outputs?: readonly string[]
}

export interface GradientCheck {
  /** One random case per draw. */
  readonly draw: (random: RandomStream, index: number) => GradientCase | Promise<GradientCase>
  /** Default 20. */
  readonly draws?: number
  /** Largest error, relative to the largest gradient of the same tensor. Default 1e-4. */
  readonly tolerance?: number
  /** Forms to check; default: standard and the CPU's. */
  readonly targets?: readonly Target[]
  readonly seed?: number
}

/** At most so many elements of a tensor are differenced (chosen at random). */
const maxElements = 48
const step = 1e-5
/** Gradients below this size are compared absolutely. */
const floor = 1e-3

/**
 * Checks the gradients of random cases, with the loss Σ output · r for random r. Throws an error
 * that names the draw, the input and the element.
 */
export async function checkGradients(check: GradientCheck): Promise<void> {
  const { draws = 20, tolerance = 1e-4, seed = 0 } = check
  const { targets = ['standard', 'onnxruntime-cpu'] } = check
  for (let index = 0; index < draws; index++) {
    const random = randomStream(seed, 'gradient check', index)
    const drawn = await check.draw(random, index)
    try {
      await checkCase(drawn, random, tolerance, targets)
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause)
      throw new Error(`Draw ${index} (${describeCase(drawn)}): ${reason}`, { cause })
    }
  }
}

const describeCase = ({ model, inputs }: GradientCase) =>
  [
    ...model.graph.nodes.map((node) => {
      const attributes = [...node.attributes].map(([name, attribute]) =>
        'value' in attribute ? `${name}=${String(attribute.value)}` : name,
      )
      return `${node.opType}(${attributes.join(' ')})`
    }),
    ...Object.entries(inputs).map(([name, tensor]) => `${name}[${tensor.dims}]`),
  ].join(' ')

async function checkCase(
  { model, inputs, wrt, outputs }: GradientCase,
  random: RandomStream,
  tolerance: number,
  targets: readonly Target[],
): Promise<void> {
  const differentiated =
    wrt ?? Object.keys(inputs).filter((name) => inputs[name]!.dtype === 'float32')
  const reference = new Evaluator64(model)
  const values = await reference.run(inputs)
  const observed =
    outputs ?? Object.keys(values).filter((name) => values[name]!.data instanceof Float64Array)
  const weights = new Map(
    observed.map((name) => [
      name,
      Float64Array.from({ length: values[name]!.data.length }, () => Math.fround(random.normal())),
    ]),
  )

  const loss = async (changed: Readonly<Record<string, Tensor>>) => {
    const results = await reference.run(changed)
    let total = 0
    for (const [name, factors] of weights)
      (results[name]!.data as Float64Array).forEach((value, i) => {
        total += value * factors[i]!
      })
    return total
  }
  const differences = new Map<string, Map<number, number>>()
  for (const name of differentiated) {
    const tensor = inputs[name]!
    const numbers = Float64Array.from(tensor.data as Float32Array)
    const found = new Map<number, number>()
    for (const i of permutation(numbers.length, random).subarray(0, maxElements)) {
      const at = async (value: number) => {
        const data = numbers.slice()
        data[i] = value
        return loss({ ...inputs, [name]: new Tensor('float64', tensor.dims, data) })
      }
      const x = numbers[i]!
      found.set(i, ((await at(x + step)) - (await at(x - step))) / (2 * step))
    }
    differences.set(name, found)
  }
  await reference.release()

  const seeds = new Map(
    [...weights].map(([name, factors]) => [
      name,
      float32(values[name]!.dims, Float32Array.from(factors)),
    ]),
  )
  for (const target of targets) {
    const gradients = await computed(withGradients(model, inputs, differentiated, seeds, target))
    for (const [name, found] of differences) {
      const emitted = gradients[name]
      const { dims } = inputs[name]!
      if (emitted && String(emitted.dims) !== String(dims))
        throw new Error(
          `the ${target} gradient of ${name} has shape [${emitted.dims}] instead of [${dims}].`,
        )
      const scale = Math.max(floor, ...[...found.values()].map(Math.abs))
      for (const [i, expected] of found) {
        const actual = emitted ? Number(emitted.data[i]) : 0
        const error = Math.abs(actual - expected) / scale
        if (!(error <= tolerance))
          throw new Error(
            `the ${target} gradient of ${name}[${i}] is ${actual}, by differences ${expected} ` +
              `(relative error ${error.toExponential(2)}).`,
          )
      }
    }
  }
}

/** The gradients of Σ output · seed by the names of the inputs, computed by the emitted graph in ONNX Runtime. */
async function computed(
  graph: WithGradients | undefined,
): Promise<Readonly<Record<string, Tensor>>> {
  if (graph === undefined) return {}
  const session = await nodeRuntime.createSession(encodeModel(graph.model))
  try {
    const results = await session.run(graph.feeds)
    return Object.fromEntries(graph.names.map((name) => [name, results[`${name}.gradient`]!]))
  } finally {
    await session.release()
  }
}

export interface OneNode {
  readonly op: string
  readonly domain?: string
  readonly opset?: number
  readonly attributes?: Readonly<Record<string, AttributeLike>>
  /** In the node's order; undefined: omitted. */
  readonly inputs: readonly (Tensor | undefined)[]
  /** Positions of inputs that are constants of the model (shapes, axes) instead of fed. */
  readonly constants?: readonly number[]
  /** Declared shapes where they are not the tensors' own (symbolic dimensions), by position. */
  readonly shapes?: Readonly<Record<number, Shape>>
  /** How many outputs the node has (default 1). */
  readonly outputs?: number
}

/** A model of one node, and the values of its inputs (`x0`, `x1`, …). Outputs: `y0`, `y1`, …. */
export function oneNode(spec: OneNode): GradientCase {
  const { op, domain = '', opset = 18, attributes = {}, constants = [], shapes = {} } = spec
  const builder = new GraphBuilder()
  const inputs: Record<string, Tensor> = {}
  const names = spec.inputs.map((tensor, i) => {
    if (!tensor) return ''
    const name = `x${i}`
    if (constants.includes(i)) return builder.initializer(name, tensor)
    inputs[name] = tensor
    return builder.input(name, tensor.dtype, shapes[i] ?? tensor.dims)
  })
  const outputs = Array.from({ length: spec.outputs ?? 1 }, (_, k) => `y${k}`)
  builder.nodeOutputs(op, names, attributes, { name: op, domain, outputs })
  const withDomain = (model: Model): Model =>
    domain === '' ? model : { ...model, opsets: new Map([...model.opsets, [domain, 1]]) }
  const known = inferModel(withDomain(modelOf(builder.graph(), opset)))
  for (const name of outputs) {
    const { dtype, shape } = known.get(name) ?? {}
    builder.output(name, dtype ?? 'float32', shape)
  }
  return { model: withDomain(modelOf(builder.graph(), opset)), inputs }
}

/** A float32 tensor of normal numbers (times `scale`, plus `shift`). */
export function normalTensor(
  random: RandomStream,
  dims: readonly number[],
  { scale = 1, shift = 0 } = {},
): Tensor {
  return float32(
    dims,
    Float32Array.from({ length: elementCount(dims) }, () => random.normal() * scale + shift),
  )
}

/** A float32 tensor of uniform numbers on [from, to). */
export function uniformTensor(
  random: RandomStream,
  dims: readonly number[],
  from = 0,
  to = 1,
): Tensor {
  return float32(
    dims,
    Float32Array.from({ length: elementCount(dims) }, () => from + (to - from) * random.uniform()),
  )
}
