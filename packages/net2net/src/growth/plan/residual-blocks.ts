/**
 * Residual blocks: the smallest parts of a graph between two points of its residual stream.
 *
 * A block begins at a value x of the stream and ends at a sum of it and of what branches compute of x. Where the branches add
 * up side by side, each computed from x (x + f(x) + g(x)), the sums are one block. If the stream that the next block takes is an
 * activation of the sum (ResNet's Relu), the block ends behind it.
 */
import { subgraphs } from '../../model/attributes.ts'
import { capturedValues } from '../../model/links.ts'
import type { Node } from '../../model/model.ts'
import { describeNode } from '../../model/names.ts'
import { isNonNegative } from '../../operators/sign.ts'
import { operatorOf } from '../../operators/table.ts'
import type { Facts, LayerSite } from '../solve/facts.ts'
import type { Solution } from '../solve/index.ts'

/** What a branch computes: an operand of a sum. */
export interface BranchEnd {
  readonly sum: Node
  readonly input: number
}

export interface ResidualBlock {
  /** The values of the stream before the block and behind it. */
  readonly from: string
  readonly to: string
  /**
   * In the order of the graph: every node that depends on the elements of `from` and that `to` depends on. What depends on
   * its sizes alone is the same for a copy.
   */
  readonly nodes: readonly Node[]
  /** Those of the last sum first. */
  readonly branches: readonly BranchEnd[]
  readonly layers: readonly LayerSite[]
  /** The activation of the sum that the block ends with. */
  readonly activation?: Node
  /** Why the block would not be the identity if its branches were zero. */
  readonly refusal?: string
}

/** Sums that are taken together, x + f(x) + g(x) + …: more are not looked for. */
const MOST_SUMS = 4

/** The residual blocks of a model, in the order in which they end. */
export const residualBlocks = (solution: Solution): readonly ResidualBlock[] =>
  new BlockFinder(solution).run()

/** A sum that is a residual block, without what may follow it. */
interface ResidualSum extends Pick<ResidualBlock, 'from' | 'branches'> {
  readonly sum: Node
  readonly nodes: ReadonlySet<Node>
}

class BlockFinder {
  readonly #facts: Facts
  readonly #positions: ReadonlyMap<Node, number>
  /** Nodes that normalize: they average over features, or use stored statistics. */
  readonly #norms: ReadonlySet<Node>
  /** By the value that the sum computes. */
  readonly #sums = new Map<string, ResidualSum>()

  constructor({ facts, relations }: Solution) {
    const { nodes } = facts.model.graph
    this.#facts = facts
    this.#positions = new Map(nodes.map((node, at) => [node, at]))
    this.#norms = new Set([
      ...relations.balanced.flatMap(({ at }) => nodes[at] ?? []),
      ...nodes.filter((node) => operatorOf(node)?.growth?.normalization),
    ])
  }

  run(): readonly ResidualBlock[] {
    for (const node of this.#facts.model.graph.nodes) {
      const found = this.#sumAt(node)
      if (found) this.#sums.set(node.outputs[0]!, found)
    }
    const streams = new Set([...this.#sums.values()].map(({ from }) => from))
    return [...this.#sums.values()].flatMap((sum) => {
      const { nodes: inner } = sum
      const layers = this.#facts.layers.filter(({ node }) => inner.has(node))
      if (layers.length === 0) return []
      const { to, tail, refusal } = this.#endOf(sum, streams)
      const nodes = [...inner, sum.sum, ...tail].sort(this.#inOrder)
      const holder = nodes.find((node) => subgraphs(node).length > 0)
      const why = holder ? `${describeNode(holder)} in it holds a graph of its own` : refusal
      const { from, branches } = sum
      const [activation] = tail
      return {
        from,
        to,
        nodes,
        branches,
        layers,
        ...(activation && { activation }),
        ...(why !== undefined && { refusal: why }),
      }
    })
  }

  readonly #inOrder = (a: Node, b: Node): number =>
    this.#positions.get(a)! - this.#positions.get(b)!

  #sumAt(sum: Node): ResidualSum | undefined {
    const { links, provenance } = this.#facts
    if (!operatorOf(sum)?.growth?.sum || sum.inputs.length < 2) return undefined
    if (sum.inputs.some((name) => provenance(name).kind !== 'activation')) return undefined
    for (const [i, stream] of sum.inputs.entries()) {
      const own = sum.inputs.flatMap((_, input) => (input === i ? [] : [{ sum, input }]))
      const nodes = new Set<Node>()
      const branches = [...own]
      for (let from = stream, count = 0; count < MOST_SUMS; count++) {
        const between = this.#between(
          from,
          branches.map((end) => end.sum.inputs[end.input]!),
        )
        if (between) return { sum, from, branches, nodes: new Set([...nodes, ...between]) }
        // Not computed from this value, then perhaps from the one before an earlier sum.
        const earlier = this.#sums.get(from)
        if (!earlier || !links.producers.has(from)) break
        nodes.add(earlier.sum)
        branches.push(...earlier.branches)
        from = earlier.from
      }
    }
    return undefined
  }

  /** The nodes on all ways from a value to others; undefined if one of these does not depend on it. */
  #between(from: string, to: readonly string[]): ReadonlySet<Node> | undefined {
    const { producers } = this.#facts.links
    const start = producers.get(from)
    const first = start ? this.#positions.get(start)! : -1
    const seen = new Set<Node>()
    const stack = [...to]
    for (let name = stack.pop(); name !== undefined; name = stack.pop()) {
      const node = producers.get(name)
      if (!node || seen.has(node) || this.#positions.get(node)! <= first) continue
      seen.add(node)
      stack.push(...node.inputs, ...capturedValues(node))
    }
    const reached = new Set([from])
    const found = new Set<Node>()
    for (const node of [...seen].sort(this.#inOrder)) {
      if (operatorOf(node)?.reads?.shapes) continue
      if (![...node.inputs, ...capturedValues(node)].some((name) => reached.has(name))) continue
      found.add(node)
      for (const name of node.outputs) reached.add(name)
    }
    return to.every((name) => name !== from && reached.has(name)) ? found : undefined
  }

  /** Where the block ends: at the sum, or at the activation that the next block starts from. */
  #endOf(
    { sum, from, nodes }: ResidualSum,
    streams: ReadonlySet<string>,
  ): { readonly to: string; readonly tail: readonly Node[]; readonly refusal?: string } {
    const { links, model, values } = this.#facts
    const value = sum.outputs[0]!
    const plain = { to: value, tail: [] }
    // The stream consists of sums.
    if (streams.has(value) || this.#sums.has(from)) return plain
    const uses = links.uses.get(value) ?? []
    const isOutput = model.graph.outputs.some(({ name }) => name === value)
    const before = links.producers.get(from)
    const [next] = uses.length === 1 && !isOutput ? uses.map(({ node }) => node) : []
    const facet = next && operatorOf(next)?.growth?.activation
    if (next && facet && next.inputs[0] === value) {
      const constant = (i: number) => values.get(next.inputs[i] ?? '')?.constant
      const isIdempotent = facet.idempotent(next, constant)
      const isAlike =
        (before && operatorOf(before) === operatorOf(next)) ||
        (isIdempotent && isNonNegative(from, links.producers, values))
      if (!isAlike) return plain
      const to = next.outputs[0]!
      if (isIdempotent) return { to, tail: [next] }
      const refusal = `${describeNode(next)} follows its sum, and applied twice it is not what it is once`
      return { to, tail: [next], refusal }
    }
    if ([...nodes].some((node) => this.#norms.has(node))) return plain
    const norm = uses.map(({ node }) => node).find((node) => this.#norms.has(node))
    const keepsShape = (node: Node) =>
      String(values.get(node.outputs[0]!)?.shape) === String(values.get(value)?.shape)
    if (!norm || (uses.length === 1 && !keepsShape(norm))) return plain
    const refusal = `${describeNode(norm)} normalizes its sum (a post-norm block), and normalizing twice is not what it is once`
    return { ...plain, refusal }
  }
}

/**
 * Does each block begin where the one before ends, on a stream of one kind? Then a copy of all of them is the identity behind the last
 * one: activations within are those at its end.
 */
export function isChain(blocks: readonly ResidualBlock[]): boolean {
  const end = blocks.at(-1)?.activation
  return blocks.every(
    ({ from, activation }, i) =>
      (i === 0 || from === blocks[i - 1]!.to) && (!activation || areAlike(activation, end)),
  )
}

const areAlike = (a: Node, b: Node | undefined): boolean =>
  b !== undefined &&
  operatorOf(a) === operatorOf(b) &&
  `${a.inputs.slice(1)}` === `${b.inputs.slice(1)}` &&
  JSON.stringify([...a.attributes], withBigInts) === JSON.stringify([...b.attributes], withBigInts)

const withBigInts = (_: string, value: unknown) =>
  typeof value === 'bigint' ? Number(value) : value

/** Those of which the nodes are not all nodes of another one. */
export function outermost<T>(
  blocks: readonly T[],
  nodesOf: (block: T) => readonly Node[],
): readonly T[] {
  const sets = blocks.map((block) => new Set(nodesOf(block)))
  return blocks.filter((_, i) => {
    const own = sets[i]!
    return !sets.some(
      (other, k) =>
        k !== i &&
        (other.size > own.size || (other.size === own.size && k < i)) &&
        [...own].every((node) => other.has(node)),
    )
  })
}

/** Why no residual block holds a layer. */
export function whyNoBlock({ links, model, provenance }: Facts, { node }: LayerSite): string {
  const reached = new Set(node.outputs)
  for (const next of model.graph.nodes) {
    const ins = next.inputs.filter((name) => reached.has(name))
    if (ins.length === 0) continue
    for (const name of next.outputs) reached.add(name)
    if (!operatorOf(next)?.growth?.sum) continue
    const other = next.inputs.find((name) => !reached.has(name) || ins.length > 1)
    if (other === undefined || provenance(other).kind !== 'activation') continue
    const producer = links.producers.get(other)
    const what = producer ? `what ${describeNode(producer)} computes` : `"${other}"`
    return `no residual block holds it: ${describeNode(next)}, the next sum, adds ${what}, and not the value that it is computed from`
  }
  return 'no residual block holds it: no sum behind it adds the value that it is computed from'
}
