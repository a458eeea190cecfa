/**
 * Attention as a thing of its own, whatever nodes compute it: an operator that says so (`attends`), or a softmax over what a
 * product of two computed values gives, and another product of its result. The axis that the first one sums over is the size of a
 * head; the axes beside it in the layers that write queries and keys, and that the product keeps, are the heads.
 */
import type { Node } from '../../model/model.ts'
import { nodeLabel } from '../../model/names.ts'
import type { AttentionAxes } from '../../operators/contract/axes.ts'
import { type Axis, product } from '../../operators/contract/axis.ts'
import type { Solution } from './index.ts'
import type { Layer } from './relate.ts'
import type { AttendingNode, Contraction } from './rule-context.ts'

export interface Attention extends AttentionAxes {
  /** The module that its layers have in common, or the node. */
  readonly name: string
  /** The layers that write its queries, keys and values. */
  readonly layers: readonly Layer[]
}

/** All attentions, in the order of the graph. */
export function attentionsOf(solution: Solution): readonly Attention[] {
  const attentions = known.get(solution) ?? new Finder(solution).attentions()
  known.set(solution, attentions)
  return attentions
}

/** Each name of an attention is looked up among all of them. */
const known = new WeakMap<Solution, readonly Attention[]>()

/** The axes, and where the queries, keys and values come from. */
interface Found extends AttentionAxes {
  readonly node: Node
  readonly layers: readonly Layer[]
}

class Finder {
  readonly #solution: Solution
  readonly #layers: ReadonlyMap<Node, Layer>
  /** Sums of products of two computed values. */
  readonly #products = new Map<Node, Contraction>()

  constructor(solution: Solution) {
    this.#solution = solution
    const { facts, relations } = solution
    this.#layers = new Map(relations.layers.map((layer) => [layer.node, layer]))
    for (const each of relations.contractions) {
      const values = each.factors?.filter(
        ({ input }) => facts.provenance(each.node.inputs[input] ?? '').kind === 'activation',
      )
      if (values?.length === 2) this.#products.set(each.node, each)
    }
  }

  attentions(): readonly Attention[] {
    const { facts, relations } = this.#solution
    const told = new Map(relations.attending.map((each) => [each.node, each]))
    const found = facts.model.graph.nodes.flatMap((node): readonly Found[] => {
      const whole = told.get(node)
      if (whole) return [this.#toldAt(whole)]
      const composed = this.#composedAt(node)
      return composed ? [composed] : []
    })
    const names = found.map(({ layers }) => commonName(layers.map(nameOf)))
    return found.map(({ node, ...rest }, i) => {
      const name = names[i]!
      const isKnown = name !== '' && names.indexOf(name) === names.lastIndexOf(name)
      return { ...rest, name: isKnown ? name : nodeLabel(node) }
    })
  }

  /** Attention of one node. Keys and values may have been repeated before it: their heads are those that a layer writes. */
  #toldAt({ node, inputs, ...told }: AttendingNode): Found {
    const { axes } = this.#solution
    const own = this.#layers.get(node)
    const layers = own ? [own] : this.#layersBefore(node, inputs)
    const fewest = this.#headsOf(layers, told.headSize, new Set(axes.leaves(told.heads)))[0]
    const isFewer = fewest && axes.leaves(fewest).length < axes.leaves(told.keyValueHeads).length
    return { ...told, node, layers, ...(isFewer && { keyValueHeads: fewest }) }
  }

  /** The heads in what layers write, where sizes of heads are on their axes: those of which there are fewest first. */
  #headsOf(layers: readonly Layer[], headSize: Axis, kept: ReadonlySet<number>): readonly Axis[] {
    const { axes } = this.#solution
    return layers
      .flatMap(({ axis }) => this.#besides(axes.expand(axis), axes.leaves(headSize)))
      .map((beside) => product(beside.filter((axis) => this.#isWithin(axis, kept))))
      .sort((a, b) => axes.leaves(a).length - axes.leaves(b).length)
  }

  /** Attention whose last product, that with the values, is at this node. */
  #composedAt(node: Node): Found | undefined {
    const { axes, relations } = this.#solution
    const last = this.#products.get(node)
    if (!last) return undefined
    for (const { input } of last.factors!) {
      const softmax = this.#nearest(node, [input], (each) =>
        this.#isSoftmaxOver(each, last.axis),
      )[0]
      const scores = softmax && this.#nearest(softmax, [0], (each) => this.#products.has(each))[0]
      if (!scores) continue
      const { axis: headSize, factors } = this.#products.get(scores)!
      const layers = this.#layersBefore(
        scores,
        factors!.map((each) => each.input),
      )
      const kept = new Set(
        (relations.axes.get(scores.outputs[0] ?? '') ?? []).flatMap((axis) => axes.leaves(axis)),
      )
      const heads = this.#headsOf(layers, headSize, kept)
      const [fewest, most] = [heads[0], heads.at(-1)]
      const others = last.factors!.filter((each) => each.input !== input).map((each) => each.input)
      const writers = this.#layersBefore(node, others)
      const valueSize = most && this.#valueSize(node, others[0]!, writers, most)
      if (!fewest || !most || !valueSize) continue
      return {
        node: scores,
        layers: [...new Set([...layers, ...writers])],
        heads: most,
        keyValueHeads: fewest,
        headSize,
        valueSize,
      }
    }
    return undefined
  }

  #isSoftmaxOver(node: Node, axis: Axis): boolean {
    const { axes, facts, relations } = this.#solution
    const link = facts.operatorOf(node)?.training?.link
    const own = relations.axes.get(node.outputs[0] ?? '')
    if (link?.kind !== 'softmax' || !own) return false
    const over = own.at(link.axis?.(node, own.length) ?? -1)
    const leaves = axes.leaves(axis)
    return over !== undefined && axes.leaves(over).some((leaf) => leaves.includes(leaf))
  }

  #isWithin(axis: Axis, leaves: ReadonlySet<number>): boolean {
    const own = this.#solution.axes.leaves(axis)
    return own.length > 0 && own.every((leaf) => leaves.has(leaf))
  }

  /** For every place of the variables in an axis: the factors beside it, outermost first. */
  #besides(axis: Axis, variables: readonly number[]): readonly (readonly Axis[])[] {
    if (axis.kind === 'variable') return variables.includes(axis.id) ? [[]] : []
    if (axis.kind === 'sum') return axis.terms.flatMap((term) => this.#besides(term, variables))
    return axis.factors.flatMap((factor, i) =>
      this.#besides(factor, variables).map((inner) => [
        ...axis.factors.slice(0, i),
        ...inner,
        ...axis.factors.slice(i + 1),
      ]),
    )
  }

  /** Of the values that a product reads at an input, the axis that its layers write and that is none of heads. */
  #valueSize(node: Node, input: number, writers: readonly Layer[], heads: Axis): Axis | undefined {
    const { axes, relations } = this.#solution
    const known = new Set(axes.leaves(heads))
    const written = new Set(writers.flatMap(({ axis }) => axes.leaves(axis)))
    return relations.axes
      .get(node.inputs[input] ?? '')
      ?.find((axis) => axes.leaves(axis).some((leaf) => written.has(leaf) && !known.has(leaf)))
  }

  #layersBefore(node: Node, inputs: readonly number[]): readonly Layer[] {
    return this.#nearest(node, inputs, (each) => this.#layers.has(each)).map(
      (each) => this.#layers.get(each)!,
    )
  }

  /** The nearest nodes of a kind that inputs of a node are computed by, products of two computed values not passed. */
  #nearest(node: Node, inputs: readonly number[], is: (node: Node) => boolean): readonly Node[] {
    const { producers } = this.#solution.facts.links
    const found = new Set<Node>()
    const seen = new Set<Node>()
    const names = inputs.map((input) => node.inputs[input] ?? '')
    // Breadth first: names that are appended while this runs are met later.
    for (const name of names) {
      const before = producers.get(name)
      if (!before || seen.has(before)) continue
      seen.add(before)
      if (is(before)) found.add(before)
      else if (!this.#products.has(before) && !this.#layers.has(before))
        names.push(...before.inputs)
    }
    return [...found]
  }
}

const nameOf = ({ module, name }: Layer): string => module ?? name

/** The modules that names have in common: `h.0.attn` of `h.0.attn.q` and `h.0.attn.k`, or of the first alone. */
function commonName(names: readonly string[]): string {
  const parts = names.map((name) => name.split(/(?<=[./])/))
  const [first = []] = parts
  let count = 0
  while (count < first.length - 1 && parts.every((each) => each[count] === first[count])) count++
  return first.slice(0, count).join('').replace(/[./]$/, '')
}
