/**
 * If, Loop and Scan without their subgraphs, where it is known what they run: the branch of a condition that is known
 * takes the place of its If, and the steps of a network that repeats a known number of times stand one after the
 * other, all with the same weights. So they are ordinary nodes of the graph, which grow and are trained as others.
 * TensorFlow's converter writes GRU, SimpleRNN and masked layers of Keras as Loop.
 * https://onnx.ai/onnx/operators/onnx__Loop.html, onnx__Scan.html
 *
 * Numbers that only count (the loop's counter, its condition) are computed here, and become constants.
 */
import {
  type AttributeLike,
  attributes,
  intAttribute,
  intsAttribute,
  withSubgraphs,
} from '../model/attributes.ts'
import { ancestors } from '../model/links.ts'
import type { Graph, Initializer, Model, Node } from '../model/model.ts'
import { opsetOf } from '../model/model.ts'
import { NameSupply, nodeLabel, valueNames } from '../model/names.ts'
import type { ValueInfo } from '../operators/contract/infer.ts'
import { elementsOf } from '../operators/helpers/elements.ts'
import { inferModel, inferNode } from '../operators/inference.ts'
import { operatorOf } from '../operators/table.ts'
import { isFloat } from '../tensor/dtype.ts'
import { int64, type LazyTensor, scalar } from '../tensor/tensor.ts'

/** More steps, or more nodes of all subgraphs, are left as they are. */
const MOST_STEPS = 512
const MOST_NODES = 20_000

const runsSubgraph = ({ opType, domain }: Node): boolean =>
  domain === '' && (opType === 'If' || opType === 'Loop' || opType === 'Scan')

/** The same function; the model itself where it runs no subgraph of which all is known. */
export function withoutSubgraphs(model: Model): Model {
  // What one of them gives may decide about another, or stand inside of it.
  let budget = MOST_NODES
  for (let known = model; ; ) {
    if (!known.graph.nodes.some(runsSubgraph)) return known
    const unrolling = new Unrolling(known, budget)
    if (unrolling.result === known) return known
    known = unrolling.result
    budget = unrolling.budget
  }
}

interface Step {
  /** The values that the outputs of the subgraph are. */
  readonly results: readonly string[]
  /** Does it compute with weights of its own? What only counts and selects stays a loop. */
  readonly hasWeights: boolean
}

class Unrolling {
  readonly result: Model
  /** How many more nodes of subgraphs may be looked at, also in vain. */
  budget: number
  readonly #opset: number
  readonly #values: Map<string, ValueInfo>
  readonly #names: NameSupply
  /** Values of the main graph. */
  readonly #placed: Set<string>
  /** Names of its nodes. */
  readonly #labels: Set<string>
  readonly #stored = new Map<LazyTensor, string>()
  readonly #initializers: Map<string, Initializer>
  readonly #nodes: Node[] = []
  /** Constants that were added for the node at hand. */
  readonly #added: string[] = []

  constructor(model: Model, budget: number) {
    const { graph } = model
    this.budget = budget
    this.#opset = opsetOf(model)
    this.#values = new Map(inferModel(model))
    this.#names = new NameSupply([...valueNames(graph), ...graph.nodes.map(({ name }) => name)])
    this.#placed = new Set(this.#values.keys())
    this.#labels = new Set(graph.nodes.map(({ name }) => name))
    this.#initializers = new Map(graph.initializers)
    let isChanged = false
    for (const node of graph.nodes) {
      const before = this.#nodes.length
      this.#added.length = 0
      if (runsSubgraph(node) && this.#isReplaced(node)) {
        isChanged = true
        continue
      }
      this.#nodes.length = before
      this.#nodes.push(node)
      for (const name of this.#added) this.#initializers.delete(name)
    }
    this.result = isChanged
      ? { ...model, graph: { ...graph, nodes: this.#nodes, initializers: this.#initializers } }
      : model
  }

  #isReplaced(node: Node): boolean {
    const before = this.#nodes.length
    const results =
      node.opType === 'If'
        ? this.#branch(node)
        : node.opType === 'Loop'
          ? this.#loop(node)
          : this.#scan(node)
    if (!results) return false
    this.#nodes.push(...ancestors(this.#nodes.splice(before), results))
    for (const [k, output] of node.outputs.entries())
      if (output !== '') this.#add('Identity', [results[k]!], {}, output)
    return true
  }

  #branch(node: Node): readonly string[] | undefined {
    const condition = this.#number(node.inputs[0])
    if (condition === undefined) return undefined
    const branch = graphOf(node, condition === 0 ? 'else_branch' : 'then_branch')
    return branch && this.#step(branch, [], 0)?.results
  }

  #loop(node: Node): readonly string[] | undefined {
    const body = graphOf(node, 'body')
    const [most = '', given = '', ...first] = node.inputs
    const limit = most === '' ? Number.POSITIVE_INFINITY : this.#number(most)
    let goesOn = given === '' ? 1 : this.#number(given)
    if (!body || limit === undefined || limit < 1 || goesOn !== 1) return undefined
    let carried: readonly string[] = first
    const collected: (readonly string[])[] = []
    for (let k = 0; goesOn !== 0 && k < limit; k++) {
      const count = this.#constant(scalar('int64', k))
      const step = this.#step(body, [count, this.#constant(scalar('bool', 1)), ...carried], k)
      if (!step?.hasWeights || k >= MOST_STEPS) return undefined
      const [condition, ...results] = step.results
      goesOn = this.#number(condition)
      if (goesOn === undefined) return undefined
      carried = results.slice(0, first.length)
      collected.push(results.slice(first.length))
    }
    return [...carried, ...joined(collected).map((parts) => this.#stacked(parts, 0))]
  }

  #scan(node: Node): readonly string[] | undefined {
    const body = graphOf(node, 'body')
    const list = (name: string) => intsAttribute(node, name) ?? []
    const first = node.inputs.length - intAttribute(node, 'num_scan_inputs', 0)
    const sequences = node.inputs.slice(first)
    const axes = list('scan_input_axes')
    const length = this.#values.get(sequences[0] ?? '')?.shape?.at(axes[0] ?? 0)
    // Before operator set 9 all values of a Scan have a batch.
    if (!body || typeof length !== 'number' || length < 1 || this.#opset < 9) return undefined
    let carried: readonly string[] = node.inputs.slice(0, first)
    const collected: (readonly string[])[] = []
    for (let k = 0; k < length; k++) {
      const entries = sequences.map((name, i) => {
        const at = list('scan_input_directions')[i] === 1 ? length - 1 - k : k
        const position = this.#constant(scalar('int64', at))
        return this.#add('Gather', [name, position], { axis: axes[i] ?? 0 })
      })
      const step = this.#step(body, [...carried, ...entries], k)
      if (!step?.hasWeights || k >= MOST_STEPS) return undefined
      carried = step.results.slice(0, first)
      collected.push(step.results.slice(first))
    }
    const outputs = joined(collected).map((parts, i) => {
      const isReversed = list('scan_output_directions')[i] === 1
      return this.#stacked(
        isReversed ? parts.toReversed() : parts,
        list('scan_output_axes')[i] ?? 0,
      )
    })
    return [...carried, ...outputs]
  }

  /** The nodes of a subgraph for these inputs; undefined where there are too many. */
  #step(graph: Graph, inputs: readonly string[], k: number): Step | undefined {
    const names = new Map<string, string>([['', '']])
    for (const [i, { name }] of graph.inputs.entries()) names.set(name, inputs[i] ?? '')
    for (const [name, { tensor }] of graph.initializers) names.set(name, this.#shared(tensor, name))
    let hasWeights = false
    this.budget -= graph.nodes.length
    if (this.budget < 0) return undefined
    for (const node of graph.nodes) {
      for (const name of node.outputs) if (name !== '') names.set(name, this.#place(name, k))
      const own = renamed(node, names, this.#label(nodeLabel(node), k))
      const counted = this.#infer(own).map((info) => this.#countOf(info))
      if (counted.every((constant) => constant !== undefined)) {
        for (const [i, name] of node.outputs.entries()) names.set(name, counted[i]!)
        continue
      }
      hasWeights ||= this.#isLayer(own)
      this.#nodes.push(own)
    }
    return { results: graph.outputs.map(({ name }) => names.get(name) ?? name), hasWeights }
  }

  /** The name that a value of a subgraph has in the main graph: its own in the first step. */
  #place(name: string, k: number): string {
    const own = this.#placed.has(name) ? this.#names.fresh(`${name}.${k}`) : name
    this.#placed.add(own)
    return own
  }

  #label(name: string, k: number): string {
    const own = this.#labels.has(name) ? this.#names.fresh(`${name}.${k}`) : name
    this.#labels.add(own)
    this.#names.claim(own)
    return own
  }

  #infer(node: Node): readonly ValueInfo[] {
    const infos = inferNode(node, node.domain === '' ? this.#opset : 1, (name) =>
      this.#values.get(name),
    )
    for (const [i, name] of node.outputs.entries()) this.#values.set(name, infos[i] ?? {})
    return infos
  }

  /** A constant of what is known to be one number that counts or decides. */
  #countOf(info: ValueInfo): string | undefined {
    const [element] = elementsOf(info) ?? []
    const isCount = info.dtype === 'int64' || info.dtype === 'int32' || info.dtype === 'bool'
    if (!isCount || info.shape?.length !== 0 || typeof element !== 'number') return undefined
    return this.#constant(scalar(info.dtype as 'int64', element))
  }

  #number(name: string | undefined): number | undefined {
    const [element] = elementsOf(this.#values.get(name ?? '') ?? {}) ?? []
    return typeof element === 'number' ? element : undefined
  }

  #constant(tensor: LazyTensor, hint = 'step'): string {
    const name = this.#place(this.#placed.has(hint) ? this.#names.fresh(hint) : hint, 0)
    this.#initializers.set(name, { tensor })
    this.#added.push(name)
    this.#values.set(name, { dtype: tensor.dtype, shape: tensor.dims, constant: tensor })
    return name
  }

  /** A constant of a subgraph, which all steps share. */
  #shared(tensor: LazyTensor, name: string): string {
    const known = this.#stored.get(tensor)
    if (known !== undefined && this.#initializers.has(known)) return known
    const stored = this.#constant(tensor, name)
    this.#stored.set(tensor, stored)
    return stored
  }

  /** Is one of its inputs a weight? */
  #isLayer(node: Node): boolean {
    const isWeight = (i: number) => {
      const { constant, dtype } = this.#values.get(node.inputs[i] ?? '') ?? {}
      return (
        constant !== undefined && dtype !== undefined && isFloat(dtype) && constant.dims.length > 1
      )
    }
    return operatorOf(node)?.growth?.layer?.weight(isWeight, node) !== undefined
  }

  #add(
    opType: string,
    inputs: readonly string[],
    entries: Readonly<Record<string, AttributeLike>>,
    output = this.#names.fresh(opType),
  ): string {
    const node: Node = {
      name: output,
      opType,
      domain: '',
      inputs,
      outputs: [output],
      attributes: attributes(entries),
    }
    this.#infer(node)
    this.#nodes.push(node)
    return output
  }

  /** Values beside one another along a new axis. */
  #stacked(parts: readonly string[], axis: number): string {
    const rank = (this.#values.get(parts[0]!)?.shape?.length ?? 0) + 1
    const at = axis < 0 ? axis + rank : axis
    const isInput = this.#opset >= 13
    const axes = isInput ? [this.#constant(int64([at]))] : []
    const entries = isInput ? {} : { axes: [at] }
    const each = parts.map((part) => this.#add('Unsqueeze', [part, ...axes], entries))
    return this.#add('Concat', each, { axis: at })
  }
}

/** What each output was in all steps. */
const joined = (steps: readonly (readonly string[])[]): readonly (readonly string[])[] =>
  steps[0]!.map((_, i) => steps.map((results) => results[i]!))

function graphOf(node: Node, name: string): Graph | undefined {
  const attribute = node.attributes.get(name)
  return attribute?.type === 'graph' ? attribute.value : undefined
}

/** A node with other names for values, those that its own subgraphs read included. */
function renamed(node: Node, names: ReadonlyMap<string, string>, label: string): Node {
  const rename = (name: string) => names.get(name) ?? name
  const inside = (graph: Graph): Graph => ({
    ...graph,
    nodes: graph.nodes.map((each) => renamed(each, names, each.name)),
    outputs: graph.outputs.map((output) => ({ ...output, name: rename(output.name) })),
  })
  return {
    ...withSubgraphs(node, inside),
    name: label,
    inputs: node.inputs.map(rename),
    outputs: node.outputs.map(rename),
  }
}
