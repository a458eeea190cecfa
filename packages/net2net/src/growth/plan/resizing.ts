/**
 * Other sizes of an input: an image with more pixels, a longer signal. Convolutions, poolings and norms over channels take any size, so
 * that no weight changes. What changes is what the graph declares, and where it writes sizes down: in the targets of
 * Reshape, Expand and Resize. These are followed node by node, with the shapes that each value had and has. Where a
 * weight or a constant is for the old size, inference finds the node whose inputs do not fit any more.
 */
import { Net2NetError, refusedError } from '../../errors.ts'
import { intsAttribute } from '../../model/attributes.ts'
import { type ConstantUse, useKey } from '../../model/links.ts'
import { type Dim, type Model, type Node, opsetOf, type Shape } from '../../model/model.ts'
import { describeNode, NameSupply, nodeKey, valueNames } from '../../model/names.ts'
import { constantsOf } from '../../operators/constants-of.ts'
import type { SizesRead } from '../../operators/contract/facets.ts'
import type { ValueInfo } from '../../operators/contract/infer.ts'
import { productOf } from '../../operators/helpers/dims.ts'
import { elementsOf } from '../../operators/helpers/elements.ts'
import { movesElements, scalingOf } from '../../operators/helpers/scaling.ts'
import { declaredInfo, inferNode } from '../../operators/inference.ts'
import { emptyPlan } from '../empty-plan.ts'
import type { DeclaredAxis, GrowthPlan, IntegerChange } from '../growth-plan.ts'
import type { Solution } from '../solve/index.ts'
import { regrouped } from './regrouped-sizes.ts'

/** An element of a constant that is the size of an axis, and what it becomes where it is read. */
interface Edit {
  readonly constant: string
  readonly index: number
  readonly from: number
  readonly to: number
  readonly use: ConstantUse
}

/** The axes of inputs get their sizes, and every node what follows. */
export class Resizing {
  readonly #solution: Solution
  readonly #model: Model
  readonly #inputs: readonly DeclaredAxis[]
  readonly #constants: ReturnType<typeof constantsOf>
  /** What is known of each value at the new sizes. */
  readonly #known = new Map<string, ValueInfo>()
  /** Old sizes of neighbouring axes, and the sizes that they have now. */
  readonly #changes = new Map<string, Map<string, readonly number[]>>()
  readonly #seen = new Set<Node>()
  #tooNear: Net2NetError | undefined
  /** By the constant, and by where it is read. */
  readonly #edits = new Map<string, Map<string, Edit[]>>()

  constructor(solution: Solution, inputs: readonly DeclaredAxis[]) {
    this.#solution = solution
    this.#model = solution.model
    this.#inputs = inputs
    this.#constants = constantsOf(solution.model)
  }

  plan(seed: number): GrowthPlan {
    const { graph } = this.#model
    for (const input of graph.inputs) {
      const info = declaredInfo(input)
      const resized = this.#inputs
        .filter(({ name }) => name === input.name)
        .reduce<Shape | undefined>((shape, { axis, to }) => shape?.with(axis, to), info.shape)
      this.#known.set(input.name, { ...info, ...(resized && { shape: resized }) })
      this.#note(input.name)
    }
    for (const [name, { tensor }] of graph.initializers)
      this.#known.set(name, { dtype: tensor.dtype, shape: tensor.dims, constant: tensor })
    for (const node of graph.nodes) {
      this.#follow(node)
      this.#seen.add(node)
    }
    return {
      ...emptyPlan(seed),
      integers: this.#integers(),
      declared: [...this.#inputs, ...this.#outputs()],
    }
  }

  #sizesRead(node: Node): SizesRead {
    return this.#solution.facts.operatorOf(node)?.reads?.sizes ?? {}
  }

  #before(name: string): Shape | undefined {
    return this.#solution.facts.values.get(name)?.shape
  }

  #hasChanged(name: string): boolean {
    const [before, after] = [this.#before(name), this.#known.get(name)?.shape]
    return before !== undefined && after !== undefined && String(before) !== String(after)
  }

  /** What the node gives at the new sizes. */
  #follow(node: Node): void {
    const [data = ''] = node.inputs
    const output = node.outputs[0] ?? ''
    const changes = node.inputs.some((name) => this.#hasChanged(name))
    this.#mustBeFarFrom(node)
    if (this.#hasChanged(data)) {
      this.#mustNotBeCut(node)
      const shape = this.#target(node)
      if (shape) {
        const dtype = this.#solution.facts.values.get(output)?.dtype
        this.#known.set(output, { dtype, shape })
        this.#note(output)
        return
      }
    }
    const outputs = this.#infer(node)
    this.#compare(node, outputs[0]?.shape)
    node.outputs.forEach((name, k) => {
      if (name === '') return
      const before = this.#before(name)
      const found = outputs[k] ?? {}
      const isLost = (dim: Dim, axis: number) =>
        typeof dim === 'number' && typeof found.shape?.[axis] !== 'number'
      if (changes && before?.some(isLost))
        throw this.#refused(node, 'the sizes of what it gives cannot be told')
      // A size without a number keeps its name.
      const shape = found.shape?.map((dim, axis) => dim ?? named(before?.[axis]))
      const was = changes ? {} : this.#solution.facts.values.get(name)
      this.#known.set(name, { ...was, ...found, ...(shape && { shape }) })
      this.#note(name)
    })
  }

  #infer(node: Node): readonly ValueInfo[] {
    try {
      return inferNode(node, opsetOf(this.#model, node.domain), (name) => this.#known.get(name))
    } catch (error) {
      if (!(error instanceof Net2NetError)) throw error
      const text = error.message.replace(`${describeNode(node)}: `, '').replace(/\.$/, '')
      throw this.#refused(node, `it is for the old size. ${text}`)
    }
  }

  #refused(node: Node, reason: string): Net2NetError {
    const [{ name } = { name: '' }] = this.#inputs
    const sizes = this.#inputs
      .filter((each) => each.name === name)
      .map(({ axis, from, to }) => `axis ${axis} from ${from} to ${to}`)
    return refusedError(
      `The input "${name}" cannot get another size (${sizes.join(', ')}) because of ${describeNode(node)}: ${reason}.`,
      {
        where: describeNode(node),
        hint: 'Export the model at the new size with the same weights, or with a global pooling before its dense layers.',
      },
    )
  }

  /** Notes the sizes of neighbouring axes of a value that changes. */
  #note(name: string): void {
    const [before, after] = [this.#before(name), this.#known.get(name)?.shape]
    if (!before || !after || before.length !== after.length || !this.#hasChanged(name)) return
    for (let first = 0; first < before.length; first++)
      for (let end = first + 1; end <= before.length; end++) {
        const [old, now] = [before.slice(first, end), after.slice(first, end)]
        if (!isNumeric(old) || !isNumeric(now)) continue
        const found = this.#changes.get(String(old)) ?? new Map<string, readonly number[]>()
        this.#changes.set(String(old), found.set(String(now), now))
      }
  }

  /** Have axes with these old sizes become anything else somewhere? */
  #changesSize(old: string): boolean {
    return [...(this.#changes.get(old)?.keys() ?? [])].some((now) => now !== old)
  }

  /** What axes with these old sizes have become, where all that were seen have become the same. */
  #become(old: readonly Dim[], product?: Dim): readonly number[] | undefined {
    const found = [...(this.#changes.get(String(old))?.values() ?? [])].filter(
      (now) => product === undefined || productOf(now) === product,
    )
    return found.length === 1 ? found[0] : undefined
  }

  /** The sizes that the node's result should have, where the node reads them; undefined where it reads none. */
  #target(node: Node): Shape | undefined {
    const { inputs, outputs } = node
    const { input: at, keeps } = this.#sizesRead(node).target ?? {}
    const target = at === undefined ? undefined : inputs[at]
    if (at === undefined || !target) return undefined
    const written = elementsOf(this.#solution.facts.values.get(target) ?? {})
    const now = elementsOf(this.#known.get(target) ?? {})
    const before = this.#before(outputs[0] ?? '')
    if (!written || !before || written.length !== before.length) return undefined
    const [old, data] = [this.#before(inputs[0]!)!, this.#known.get(inputs[0]!)!.shape!]
    const wanted =
      keeps === 'elements'
        ? regrouped(old, data, before, (sizes, product) => this.#become(sizes, product))
        : this.#alongside(old, data, before)
    if (!wanted) throw this.#refused(node, `which of its sizes [${written}] change cannot be told`)
    wanted.forEach((to, k) => {
      const from = written[k]!
      const isCopied = from === 0 || from === -1
      if (isCopied || now?.[k] === to) return
      if (typeof from !== 'number' || typeof to !== 'number' || from !== before[k])
        throw this.#refused(node, `which of its sizes [${written}] change cannot be told`)
      this.#edit(node, at, { index: k, from, to })
    })
    return wanted
  }

  /** The sizes of a result whose axes are those of the data, aligned at the end. */
  #alongside(old: Shape, data: Shape, before: Shape): Shape | undefined {
    const offset = before.length - old.length
    const changed = [...before.keys()].filter((k) => old[k - offset] !== data[k - offset])
    if (changed.every((k) => before[k] === old[k - offset]))
      return before.map((size, k) => (changed.includes(k) ? data[k - offset]! : size))
    const first = Math.min(2, changed[0]!)
    const now = this.#become(before.slice(first))
    return now && [...before.slice(0, first), ...now]
  }

  /** The number is changed where the model writes it down: in the constant, or in one of those that are joined. */
  #edit(node: Node, input: number, { index, from, to }: Omit<Edit, 'constant' | 'use'>): void {
    const name = node.inputs[input]!
    if (this.#constants.has(name)) {
      this.#want({ constant: name, index, from, to, use: { node: nodeKey(node), input } })
      return
    }
    const { links, operatorOf } = this.#solution.facts
    const producer = links.producers.get(name)
    const part = producer && this.#partAt(producer, index, movesElements(operatorOf(producer)))
    // Who read it before has taken the old number.
    const isTaken = links.uses
      .get(name)
      ?.some((use) => use.node !== node && this.#seen.has(use.node))
    const { elements } = this.#known.get(name) ?? {}
    if (!part || isTaken || !elements || elements[index] !== from)
      throw this.#refused(node, `where its size ${from} is written down cannot be told`)
    this.#known.set(name, { ...this.#known.get(name), elements: elements.with(index, to) })
    this.#edit(producer, part.input, { index: part.index, from, to })
  }

  /** Which element of which input the node passes on at an index of a list. */
  #partAt(
    node: Node,
    index: number,
    moves: boolean,
  ): { readonly input: number; readonly index: number } | undefined {
    let rest = index
    const isList = scalingOf(this.#solution.facts.operatorOf(node))?.joins === true
    for (const [input, name] of node.inputs.entries()) {
      const count = elementsOf(this.#known.get(name) ?? {})?.length
      if (count === undefined || (!isList && !(moves && count === 1))) return undefined
      if (rest < count) return { input, index: rest }
      rest -= count
    }
    return undefined
  }

  #want(edit: Edit): void {
    const uses = this.#edits.get(edit.constant) ?? new Map<string, Edit[]>()
    this.#edits.set(edit.constant, uses)
    const key = useKey(edit.use)
    uses.set(key, [...(uses.get(key) ?? []), edit])
  }

  /** One change for each constant; where readers want different numbers, each gets a copy. */
  #integers(): readonly IntegerChange[] {
    const { graph } = this.#model
    const names = new NameSupply(valueNames(graph))
    const outputs = new Set(graph.outputs.map(({ name }) => name))
    return [...this.#edits].flatMap(([name, uses]) => {
      const byUse = [...uses.values()]
      const asText = (list: readonly Edit[]) =>
        JSON.stringify(list.map(({ index, to }) => [index, to]))
      const readers = this.#solution.facts.links.uses.get(name)?.length ?? 0
      const agree = new Set(byUse.map(asText)).size === 1
      const isWhole = agree && byUse.length === readers && !outputs.has(name)
      return (isWhole ? byUse.slice(0, 1) : byUse).flatMap((list): IntegerChange[] => {
        const copy = isWhole ? {} : { clone: names.fresh(`${name}_resized`), uses: [list[0]!.use] }
        return list.map(({ use: _, ...edit }) => ({ ...edit, ...copy }))
      })
    })
  }

  /** A window or a cut that was meant for the whole of the old size would take a part of the new one. */
  #mustNotBeCut(node: Node): void {
    const { inputs } = node
    const { window, ends: cut } = this.#sizesRead(node)
    const [old, data] = [this.#before(inputs[0]!)!, this.#known.get(inputs[0]!)!.shape!]
    const changed = [...old.keys()].filter((axis) => old[axis] !== data[axis])
    if (window) {
      const kernel = intsAttribute(node, 'kernel_shape') ?? []
      const spatial = changed.map((axis) => axis - 2)
      if (spatial.every((i) => i >= 0 && kernel[i] === old[i + 2] && kernel[i] !== 1))
        throw this.#refused(
          node,
          `its window of ${kernel.join('x')} is the whole of what it reads, and would be a part`,
        )
    }
    if (cut) {
      const numbers = (i: number) => elementsOf(this.#known.get(inputs[i] ?? '') ?? {})
      const ends = numbers(cut.input) ?? []
      const axes = numbers(cut.axes) ?? ends.map((_, i) => i)
      ends.forEach((end, i) => {
        const axis = Number(axes[i]) + (Number(axes[i]) < 0 ? old.length : 0)
        const isNumber = typeof end === 'number' && end > 0 && end < 2 ** 31 - 1
        const isOld = this.#changesSize(String(end))
        if (isNumber && changed.includes(axis) && (isOld || end >= Number(old[axis])))
          throw this.#refused(node, `it cuts axis ${axis} at ${end}, which is an old size`)
      })
    }
  }

  /** Remembers where rounding makes the same of both sizes. */
  #compare(node: Node, now: Shape | undefined): void {
    const [data = ''] = node.inputs
    const [was, is] = [this.#before(data), this.#known.get(data)?.shape]
    const before = this.#before(node.outputs[0] ?? '')
    if (!this.#sizesRead(node).rounds || !was || !is || !now) return
    const axis = now.findIndex((size, k) => was[k] !== is[k] && size === before?.[k])
    if (axis >= 0)
      this.#tooNear ??= this.#refused(
        node,
        `it makes the same ${now[axis]} of ${was[axis]} and ${is[axis]} along axis ${axis}, so that it cannot be told which sizes that are written down change; take a size further from the old one`,
      )
  }

  /** Behind such a node, a number that was a size of something may be the size of what has not changed. */
  #mustBeFarFrom(node: Node): void {
    const target = node.inputs[this.#sizesRead(node).target?.input ?? -1] ?? ''
    if (!this.#tooNear || target === '') return
    const sizes = new Set(
      [...this.#changes.keys()]
        .filter((old) => this.#changesSize(old))
        .map((old) => productOf(old.split(',').map(Number))),
    )
    const written = elementsOf(this.#known.get(target) ?? {}) ?? []
    if (written.some((size) => typeof size === 'number' && size > 1 && sizes.has(size)))
      throw this.#tooNear
  }

  #outputs(): readonly DeclaredAxis[] {
    return this.#model.graph.outputs.flatMap(({ name, type }) =>
      (type.kind === 'tensor' ? (type.shape ?? []) : []).flatMap((from, axis): DeclaredAxis[] => {
        const to = this.#known.get(name)?.shape?.[axis]
        if (typeof from !== 'number' || typeof to !== 'number' || from === to) return []
        return [{ kind: 'output', name, axis, from, to }]
      }),
    )
  }
}

const named = (dim: Dim | undefined): Dim => (typeof dim === 'string' ? dim : null)

const isNumeric = (dims: readonly Dim[]): dims is readonly number[] =>
  dims.every((dim) => typeof dim === 'number')
