/** Small networks in which a layer called `grown` is widened through an operator. For tests only. */
import type { AttributeLike } from '../src/model/attributes.ts'
import { GraphBuilder, modelOf } from '../src/model/builder.ts'
import type { Model } from '../src/model/model.ts'
import { inferModel } from '../src/operators/inference.ts'
import { fillTensor } from '../src/tensor/fill.ts'
import { int64, scalar, type Tensor } from '../src/tensor/tensor.ts'

/** Units of the layer that grows, and samples of the batch. */
export const WIDTH = 4
export const BATCH = 2

type Attributes = Readonly<Record<string, AttributeLike>>

/** Builds a network around one value; every helper returns the name of a value. */
export class Bench {
  readonly builder = new GraphBuilder()
  readonly opset: number
  #weights = 0

  constructor(opset: number) {
    this.opset = opset
    this.builder.input('x', 'float32', [BATCH, 6])
    this.builder.input('image', 'float32', [BATCH, 3, 5, 4])
  }

  op(
    type: string,
    inputs: readonly string[],
    attributes: Attributes = {},
    options: { readonly name?: string; readonly domain?: string } = {},
  ): string {
    return this.builder.node(type, inputs, attributes, options)
  }

  outputs(
    type: string,
    inputs: readonly string[],
    attributes: Attributes,
    n: number,
    domain = '',
  ): readonly string[] {
    return this.builder.nodeOutputs(type, inputs, attributes, { outputs: n, domain })
  }

  constant(tensor: Tensor): string {
    return this.builder.constant(tensor)
  }

  /** Random numbers between −1 and 1. */
  weight(...dims: readonly number[]): string {
    const fill = { kind: 'uniform', limit: 1 } as const
    return this.builder.constant(fillTensor(fill, 'float32', dims, 5, this.#weights++), 'weight')
  }

  ints(...values: readonly number[]): string {
    return this.builder.constant(int64(values))
  }

  index(value: number): string {
    return this.builder.constant(scalar('int64', value))
  }

  number(value: number): string {
    return this.builder.constant(scalar('float32', value))
  }

  /** The size of an axis as a vector of one number: Shape, Gather, Unsqueeze, as PyTorch writes it. */
  size(x: string, axis: number): string {
    const number = this.op('Gather', [this.op('Shape', [x]), this.index(axis)])
    return this.op('Unsqueeze', [number, this.ints(0)])
  }

  /** Vectors one after the other. */
  join(...parts: readonly string[]): string {
    return this.op('Concat', parts, { axis: 0 })
  }

  /** A dense layer [BATCH, width]. */
  dense(name = 'grown', width = WIDTH): string {
    return this.op('Gemm', ['x', this.weight(6, width), this.weight(width)], {}, { name })
  }

  /** A convolution [BATCH, width, 5, 4]. */
  conv(name = 'grown', width = WIDTH): string {
    return this.op('Conv', ['image', this.weight(width, 3, 1, 1)], {}, { name })
  }

  /** The layer's units as the last axis: [BATCH, 5, 4, WIDTH]. */
  lastAxis(name = 'grown'): string {
    return this.op('Transpose', [this.conv(name)], { perm: [0, 2, 3, 1] })
  }

  /** Values of the layer in (0.1, 0.9), where every function is defined, or as far above `low`. */
  bounded(low = 0.1): string {
    const unit = this.op('Sigmoid', [this.dense()])
    return this.op('Add', [this.op('Mul', [unit, this.number(0.8)]), this.number(low)])
  }

  /** Reads a value along one axis with a weight, so that this axis need not be an output. */
  read(value: string, axis: number): string {
    const shape = inferModel(this.#model()).get(value)!.shape!
    const last = shape.length - 1
    const at = axis < 0 ? axis + shape.length : axis
    const perm = shape.map((_, k) => (k === at ? last : k === last ? at : k))
    const moved = at === last ? value : this.op('Transpose', [value], { perm })
    return this.op('MatMul', [moved, this.weight(Number(shape[at]), 3)])
  }

  #model(): Model {
    const model = modelOf(this.builder.graph(), this.opset)
    const domains = new Set(model.graph.nodes.map(({ domain }) => domain))
    const own = [...domains].filter((domain) => domain !== '').map((domain) => [domain, 1] as const)
    return { ...model, opsets: new Map([...model.opsets, ...own]) }
  }

  finish(outputs: readonly string[]): Model {
    const inferred = inferModel(this.#model())
    for (const name of outputs) {
      const { dtype, shape } = inferred.get(name)!
      this.builder.output(name, dtype ?? 'float32', shape)
    }
    return this.#model()
  }
}

export interface GrowthCase {
  readonly what: string
  /** Builds the network and returns its outputs. */
  readonly build: (bench: Bench) => string | readonly string[]
  /** The reason why `grown` cannot be widened; absent where it can. */
  readonly refused?: RegExp
  readonly opset?: number
  /** Widths that `grown` gets; by default one that is no multiple of its own, and a larger one. */
  readonly widths?: readonly number[]
  /** The reason why one unit less than the first of `widths` is refused. */
  readonly others?: RegExp
  /** `grown` is deepened instead of widened. */
  readonly deepened?: true
  /** Inputs that the node does not read: see `expectEqualFunctions`. */
  readonly unread?: readonly string[]
}

type Options = Pick<GrowthCase, 'opset' | 'widths' | 'others' | 'unread'>

/** `grown` can be widened, and the network computes what it did. */
export const grows = (
  what: string,
  build: GrowthCase['build'],
  options: Options = {},
): GrowthCase => ({
  what,
  build,
  ...options,
})

/** `grown` is refused, and the reason matches. */
export const refuses = (
  what: string,
  refused: RegExp,
  build: GrowthCase['build'],
  options: Options = {},
): GrowthCase => ({ what, build, refused, ...options })

/** A layer after `grown` that computes the identity changes nothing, and a random one does. */
export const deepens = (
  what: string,
  build: GrowthCase['build'],
  options: Options = {},
): GrowthCase => ({ what, build, deepened: true, ...options })

/** The network of a case. */
export function networkOf({ build, opset = 18 }: GrowthCase): Model {
  const bench = new Bench(opset)
  const outputs = build(bench)
  return bench.finish(typeof outputs === 'string' ? [outputs] : outputs)
}
