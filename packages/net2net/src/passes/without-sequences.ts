/**
 * Sequences whose length is known, as the tensors that they hold. Exporters take tensors apart and put them together by
 * sequences (`torch.split`, `chunk`, lists of tensors); nothing of that needs a sequence.
 */
import { attributes, intAttribute } from '../model/attributes.ts'
import { capturedValues } from '../model/links.ts'
import type { Initializer, Model, Node } from '../model/model.ts'
import { opsetOf } from '../model/model.ts'
import { NameSupply, valueNames } from '../model/names.ts'
import type { ValueInfo } from '../operators/contract/infer.ts'
import { elementsOf } from '../operators/helpers/elements.ts'
import { inferModel } from '../operators/inference.ts'
import { int64 } from '../tensor/tensor.ts'

/** Longer sequences are none of a network's. */
const LONGEST = 1024

/** The same function without the sequences whose length is known; the model itself where it has none. */
export function withoutSequences(model: Model): Model {
  if (!model.graph.nodes.some(({ opType }) => /Sequence/.test(opType))) return model
  return new Sequences(model).result
}

class Sequences {
  readonly result: Model
  readonly #model: Model
  readonly #values: ReadonlyMap<string, ValueInfo>
  readonly #names: NameSupply
  readonly #initializers: Map<string, Initializer>
  readonly #opset: number
  /** What sequences hold, by their names. */
  readonly #held = new Map<string, readonly string[]>()

  constructor(model: Model) {
    const { graph } = model
    this.#model = model
    this.#opset = opsetOf(model)
    this.#values = inferModel(model)
    this.#names = new NameSupply(valueNames(graph))
    this.#initializers = new Map(graph.initializers)
    const kept = this.#kept()
    const nodes = graph.nodes.flatMap((node) => {
      if (kept.has(node)) return [node]
      return this.#replaced(node)
    })
    this.result = { ...model, graph: { ...graph, nodes, initializers: this.#initializers } }
  }

  /** The nodes that stay as they are: all but those about sequences of which everything is known. */
  #kept(): ReadonlySet<Node> {
    const { graph } = this.#model
    const kept = new Set<Node>()
    const lengths = new Map<string, number>()
    for (const node of graph.nodes) {
      const length = this.#lengthAfter(node, lengths)
      if (length === undefined) kept.add(node)
      else if (length !== 'tensor') lengths.set(node.outputs[0]!, length)
    }
    // A sequence that somebody else reads stays one, and so do those that it is made of.
    const read = new Set(graph.outputs.map(({ name }) => name))
    for (const node of [...graph.nodes].reverse()) {
      if (node.outputs.some((name) => lengths.has(name) && read.has(name))) kept.add(node)
      if (!kept.has(node)) continue
      for (const name of [...node.inputs, ...capturedValues(node)]) read.add(name)
    }
    // And whoever reads it goes on to read it.
    const whole = new Set<string>()
    for (const node of graph.nodes) {
      if (node.inputs.some((name) => whole.has(name))) kept.add(node)
      if (kept.has(node)) for (const name of node.outputs) if (lengths.has(name)) whole.add(name)
    }
    return kept
  }

  /** How long the sequence is that a node makes; 'tensor' for nodes that read one; undefined for others. */
  #lengthAfter(node: Node, lengths: ReadonlyMap<string, number>): number | 'tensor' | undefined {
    const length = lengths.get(node.inputs[0] ?? '')
    const at = (i: number) => this.#position(node, i, length)
    switch (node.opType) {
      case 'SequenceEmpty':
        return 0
      case 'SequenceConstruct':
        return node.inputs.length
      case 'SplitToSequence':
        return this.#sizes(node)?.length
      case 'SequenceInsert':
        return length !== undefined && at(2) !== undefined ? length + 1 : undefined
      case 'SequenceErase':
        return length !== undefined && at(1) !== undefined ? length - 1 : undefined
      case 'SequenceAt':
        return length !== undefined && at(1) !== undefined ? 'tensor' : undefined
      case 'ConcatFromSequence':
        return length ? 'tensor' : undefined
      case 'SequenceLength':
        return length === undefined ? undefined : 'tensor'
      default:
        return undefined
    }
  }

  /** The position in a sequence that an input names; its end where there is none. */
  #position({ opType, inputs }: Node, i: number, length: number | undefined): number | undefined {
    if (length === undefined) return undefined
    const end = opType === 'SequenceInsert' ? length : length - 1
    if (!inputs[i]) return end
    const [position] = this.#numbers(inputs[i]) ?? []
    if (position === undefined) return undefined
    const from = position < 0 ? position + length : position
    return from >= 0 && from <= end ? from : undefined
  }

  #numbers(name: string): readonly number[] | undefined {
    const elements = elementsOf(this.#values.get(name) ?? {})
    return elements?.every((element) => typeof element === 'number') ? elements : undefined
  }

  /** The sizes of the parts into which a SplitToSequence takes a tensor. */
  #sizes(node: Node): readonly number[] | undefined {
    const [tensor = '', split = ''] = node.inputs
    const shape = this.#values.get(tensor)?.shape
    const axis = intAttribute(node, 'axis', 0)
    const size = shape?.at(axis)
    const wanted = split === '' ? [1] : this.#numbers(split)
    if (!wanted) return undefined
    const isList = split !== '' && this.#values.get(split)?.shape?.length === 1
    if (isList) return wanted.length <= LONGEST ? wanted : undefined
    const [part = 0] = wanted
    if (typeof size !== 'number' || part < 1 || size / part > LONGEST) return undefined
    return Array.from({ length: Math.ceil(size / part) }, (_, i) => Math.min(part, size - i * part))
  }

  #replaced(node: Node): readonly Node[] {
    const [first = '', second = ''] = node.inputs
    const output = node.outputs[0]!
    const held = this.#held.get(first) ?? []
    const at = (i: number) => this.#position(node, i, held.length)!
    const hold = (names: readonly string[]): readonly Node[] => {
      this.#held.set(output, names)
      return []
    }
    switch (node.opType) {
      case 'SequenceEmpty':
        return hold([])
      case 'SequenceConstruct':
        return hold(node.inputs)
      case 'SequenceInsert':
        return hold(held.toSpliced(at(2), 0, second))
      case 'SequenceErase':
        return hold(held.toSpliced(at(1), 1))
      case 'SequenceAt':
        return [plain(node, 'Identity', [held[at(1)]!])]
      case 'SequenceLength':
        return [plain(node, 'Identity', [this.#constant([held.length], [])])]
      case 'ConcatFromSequence':
        return this.#concat(node, held)
      default:
        return this.#split(node, hold)
    }
  }

  #split(node: Node, hold: (names: readonly string[]) => unknown): readonly Node[] {
    const [tensor = '', given = ''] = node.inputs
    const sizes = this.#sizes(node)!
    const axis = intAttribute(node, 'axis', 0)
    const [output = ''] = node.outputs
    const parts = sizes.map((_, i) => this.#names.fresh(`${output}_${i}`))
    const isInput = this.#opset >= 13
    const split: Node = {
      ...plain(node, 'Split', [tensor, ...(isInput ? [this.#constant(sizes)] : [])]),
      outputs: parts,
      attributes: attributes({ axis, ...(isInput ? {} : { split: sizes }) }),
    }
    if (given !== '' || intAttribute(node, 'keepdims', 1) !== 0) {
      hold(parts)
      return [split]
    }
    const squeezed = parts.map((name) => this.#names.fresh(`${name}_squeezed`))
    hold(squeezed)
    return [split, ...parts.map((name, i) => this.#reshaped('Squeeze', name, squeezed[i]!, axis))]
  }

  #concat(node: Node, held: readonly string[]): readonly Node[] {
    const axis = intAttribute(node, 'axis', 0)
    const isNew = intAttribute(node, 'new_axis', 0) !== 0
    const parts = isNew ? held.map((name) => this.#names.fresh(`${name}_unsqueezed`)) : held
    return [
      ...(isNew ? held.map((name, i) => this.#reshaped('Unsqueeze', name, parts[i]!, axis)) : []),
      { ...plain(node, 'Concat', parts), attributes: attributes({ axis }) },
    ]
  }

  /** Takes an axis of size one away, or puts one in. */
  #reshaped(opType: string, from: string, to: string, axis: number): Node {
    const isInput = this.#opset >= 13
    return {
      name: to,
      opType,
      domain: '',
      inputs: [from, ...(isInput ? [this.#constant([axis])] : [])],
      outputs: [to],
      attributes: attributes(isInput ? {} : { axes: [axis] }),
    }
  }

  #constant(numbers: readonly number[], dims: readonly number[] = [numbers.length]): string {
    const name = this.#names.fresh('sizes')
    this.#initializers.set(name, { tensor: int64(numbers, dims) })
    return name
  }
}

/** A node of the same name and outputs. */
const plain = ({ rest: _, ...node }: Node, opType: string, inputs: readonly string[]): Node => ({
  ...node,
  opType,
  inputs,
  attributes: new Map(),
})
