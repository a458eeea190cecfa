/**
 * The vectors that are trained (biases, scales, shifts), or those of running statistics, one after the other in one tensor. A deep network has hundreds,
 * each with five to thirty nodes that update a few numbers: what a node costs beside its arithmetic is
 * most of that. Together they take as many nodes as one parameter. Every element is computed as it would be alone.
 */
import type { GraphEmitter } from '../../autodiff/emitter.ts'
import { attributes } from '../../model/attributes.ts'
import type { GraphBuilder } from '../../model/builder.ts'
import { capturedValues } from '../../model/links.ts'
import type { Graph, Node } from '../../model/model.ts'
import type { RunningAverage } from '../../operators/contract/facets.ts'
import type { Emitter } from '../../operators/contract/gradient.ts'
import { ints } from '../../operators/helpers/emission.ts'
import { formula } from '../../operators/helpers/formula.ts'
import { averaged } from '../../operators/helpers/running-average.ts'
import { elementCount, float32 } from '../../tensor/tensor.ts'
import { LEARNING_RATE } from './forward-graph.ts'
import {
  type Optimizer,
  type Scalars,
  type Slot,
  slotName,
  slotsOf,
  type Update,
  type UpdateContext,
} from './optimizers/optimizer.ts'

/** What is declared of a state that is joined. */
export interface JoinedState {
  /** Of the graph's input; the output is `NAME.next`. */
  readonly name: string
  /** The tensors of the state, in their order. */
  readonly parts: readonly string[]
}

export const isVector = (emitter: Emitter, parameter: string): boolean => {
  const { dtype, shape } = emitter.info(parameter)
  return dtype === 'float32' && shape?.length === 1
}

export class JoinedVectors {
  readonly vectors: readonly string[]
  /** The graph's input. */
  readonly name: string
  readonly #sizes: readonly number[]
  /** Constant: the sizes. */
  readonly #counts: string
  /** Name of the node that takes the input apart. */
  readonly #parts: string
  readonly #builder: GraphBuilder
  readonly #emitter: GraphEmitter
  /** What the optimizer computes from slots of one number, a vector with one for each of the vectors. */
  #scalars: Scalars | undefined

  constructor(
    builder: GraphBuilder,
    emitter: GraphEmitter,
    vectors: readonly string[],
    hint = 'vectors',
  ) {
    this.vectors = vectors
    this.#builder = builder
    this.#emitter = emitter
    this.name = builder.names.fresh(hint)
    this.#sizes = vectors.map((name) => elementCount(emitter.info(name).shape as readonly number[]))
    this.#counts = ints(emitter, this.#sizes)
    this.#parts = builder.names.fresh('parts')
  }

  /** What one update of all is made from. */
  context(optimizer: Optimizer, gradients: ReadonlyMap<string, string>): UpdateContext {
    const emitter = this.#emitter
    const total = this.#sizes.reduce((a, b) => a + b, 0)
    this.#input(this.name, total)
    const parts = this.vectors.map((name) => gradients.get(name)!)
    // A number for each vector, as one for each element.
    const owners = ints(
      emitter,
      this.#sizes.flatMap((size, i) => Array<number>(size).fill(i)),
    )
    const slots = new Map(
      slotsOf(optimizer, false).map((slot) => {
        const size = slot.shape === 'parameter' ? total : this.vectors.length
        return [slot.name, this.#input(this.#slotName(slot), size)] as const
      }),
    )
    const spread = (value: string) =>
      emitter.info(value).shape?.[0] === this.vectors.length
        ? emitter.op('Gather', [value, owners])
        : value
    const scalars = optimizer.scalars?.(emitter, (name) => slots.get(name)!)
    this.#scalars = scalars
    return {
      emitter,
      parameter: this.name,
      gradient: emitter.op('Concat', parts, { axis: 0 }),
      learningRate: LEARNING_RATE,
      slot: (name) => {
        const { shape } = optimizer.slots.find((slot) => slot.name === name)!
        return shape === 'parameter' ? slots.get(name)! : spread(slots.get(name)!)
      },
      ...(scalars && {
        scalars: Object.fromEntries(
          Object.entries(scalars).map(([name, value]) => [name, spread(value)]),
        ),
      }),
    }
  }

  /** The next value of each state by its input's name. */
  next(optimizer: Optimizer, update: Update): ReadonlyMap<string, string> {
    let first = 0
    const firsts = ints(
      this.#emitter,
      this.#sizes.map((size) => {
        first += size
        return first - size
      }),
    )
    const slots = slotsOf(optimizer, false).map((slot) => {
      const value = update.slots[slot.name]!
      const known = this.#scalars?.[slot.name]
      const kept = slot.shape === 'parameter' ? value : this.#emitter.op('Gather', [value, firsts])
      return [this.#slotName(slot), known ?? kept] as const
    })
    return new Map([[this.name, update.parameter], ...slots])
  }

  /** Emits one update of running averages; returns their next values. */
  follow(averages: ReadonlyMap<string, RunningAverage>): string {
    const emitter = this.#emitter
    const own = this.vectors.map((name) => averages.get(name)!)
    this.#input(
      this.name,
      this.#sizes.reduce((a, b) => a + b, 0),
    )
    const batch = emitter.op(
      'Concat',
      own.map((average) => average.batch),
      { axis: 0 },
    )
    const [{ momentum }] = own as [RunningAverage]
    if (own.every((average) => average.momentum === momentum))
      return averaged(emitter, this.name, { batch, momentum })
    const each = (part: (momentum: number) => number): string => {
      const numbers = own.flatMap((one, i) =>
        Array<number>(this.#sizes[i]!).fill(part(one.momentum)),
      )
      return emitter.constant(float32([numbers.length], numbers))
    }
    const [stays, moves] = [each((part) => part), each((part) => 1 - part)]
    const { add, mul } = formula(emitter, batch)
    return add(mul(this.name, stays), mul(batch, moves))
  }

  /** Which slots show what is not finite, by their inputs' names. */
  shown(optimizer: Optimizer): readonly string[] {
    return slotsOf(optimizer, false)
      .filter(({ shows }) => shows)
      .map((slot) => this.#slotName(slot))
  }

  /** The graph in which the vectors are parts of the input. */
  split(graph: Graph): Graph {
    const initializers = new Map(graph.initializers)
    for (const name of this.vectors) initializers.delete(name)
    const read = new Set(graph.nodes.flatMap((node) => [...node.inputs, ...capturedValues(node)]))
    if (!this.vectors.some((name) => read.has(name))) return { ...graph, initializers }
    const split: Node = {
      name: this.#parts,
      opType: 'Split',
      domain: '',
      inputs: [this.name, this.#counts],
      outputs: this.vectors,
      attributes: attributes({ axis: 0 }),
    }
    return { ...graph, initializers, nodes: [split, ...graph.nodes] }
  }

  states(optimizer?: Optimizer): readonly JoinedState[] {
    const parts = (slot: Slot) => this.vectors.map((name) => slotName(name, slot.name))
    return [
      { name: this.name, parts: this.vectors },
      ...(optimizer ? slotsOf(optimizer, false) : []).map((slot) => ({
        name: this.#slotName(slot),
        parts: parts(slot),
      })),
    ]
  }

  #slotName = (slot: Slot): string => slotName(this.name, slot.name)

  #input(name: string, length: number): string {
    this.#builder.input(name, 'float32', [length])
    this.#emitter.declare(name, { dtype: 'float32', shape: [length] })
    return name
  }
}
