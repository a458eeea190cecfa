/**
 * New entries of logits, so far below the old ones that a softmax over all gives the old ones what it gave before.
 *
 * Let z be the n old logits, and let each of the m new ones be their mean minus a margin, ẑ = (1/n) Σ zᵢ − d. The exponential
 * is convex, so that e^ẑ ≤ (1/n) Σ e^zᵢ · e^−d (Jensen). The m new terms add at most the share (m/n)·e^−d to the sum of the softmax,
 * whatever the inputs are. With d = ln(m/n) + 24·ln 2 that is 2^−24, less than the last bit of float32. The logits are their
 * layer's units plus a bias, both linear in the parameters of a unit: means of old weights and of old biases give the mean
 * of old logits. For a copy of one logit e^zᵢ ≤ Σ e^zᵢ holds, and d = ln m + 24·ln 2 suffices. Nothing of the kind is true of
 * zeros and random weights: they start further below, and whether that suffices, the check of the grown model measures.
 */
import { refusedError } from '../../errors.ts'
import { floatAttribute } from '../../model/attributes.ts'
import type { Node } from '../../model/model.ts'
import { describeNode, NameSupply, valueNames } from '../../model/names.ts'
import type { Axis } from '../../operators/contract/axis.ts'
import { movesElements, scalingOf } from '../../operators/helpers/scaling.ts'
import { zeros } from '../../tensor/fill.ts'
import type { AddedStart, Insertion } from '../growth-plan.ts'
import type { Reading } from '../solve/facts.ts'
import type { Solution } from '../solve/index.ts'
import type { Extended } from './extended-axes.ts'

/** How the new entries become unlikely: a bias that is there is lowered, or one is inserted. */
export interface Unlikely {
  readonly shift: number
  readonly bias?: Reading
  readonly insertion?: Insertion
}

/** The share of the new entries in the sum of the softmax, at most. */
const SHARE = 2 ** -24
/** How far below they start where no bound is known. */
const FAR = 100

interface Wanted {
  readonly unlikely: boolean | undefined
  readonly start: AddedStart | undefined
}

/**
 * Undefined where nothing asks for it.
 *
 * @throws Net2NetError (refused) where the logits cannot be lowered
 */
export function unlikelyEntries(
  solution: Solution,
  extended: Extended,
  { unlikely, start = 'mean' }: Wanted,
): Unlikely | undefined {
  const { facts, axes } = solution
  const { variable, from, to, name } = extended
  const has = (axis: Axis) => axes.leaves(axis).includes(variable)
  const softmax = axes.sources.find(
    ({ extends: kind, variable: id }) =>
      kind === 'unlikely' && has({ kind: 'variable', id, size: null }),
  )
  if (unlikely === false || (unlikely === undefined && !softmax)) return undefined
  const reader = softmax && facts.model.graph.nodes[softmax.at]
  const value = reader?.inputs[0] ?? name
  // A table that is looked up has no logits of its own.
  if (value === undefined) return undefined
  const site = biasOf(solution, extended, value, reader)
  const margin =
    start === 'mean'
      ? Math.log((to - from) / from) - Math.log(SHARE)
      : start === 'copy'
        ? Math.log(to - from) - Math.log(SHARE)
        : FAR
  const shift = -Math.max(margin, -Math.log(SHARE))
  return site.bias
    ? { shift, bias: site.bias }
    : { shift, insertion: inserted(extended, site, shift) }
}

/** The bias of logits, or where one can be inserted. */
interface Site {
  readonly bias?: Reading
  readonly after: Node
  readonly value: string
  /** Axes of the value behind that of the logits. */
  readonly behind: number
  readonly names: NameSupply
  readonly dtype: Insertion['dtype']
}

/** Follows the logits back to the layer that computes them. */
function biasOf(
  solution: Solution,
  extended: Extended,
  value: string,
  reader: Node | undefined,
): Site {
  const { facts, axes, relations } = solution
  const { variable, label } = extended
  const axesAt = (node: Node, i: number) => {
    const reading = facts.readingAt(node, i)
    return (
      (reading && relations.readings.get(reading)?.axes) ?? relations.axes.get(node.inputs[i] ?? '')
    )
  }
  const has = (node: Node, i: number) =>
    axesAt(node, i)?.some((axis) => axes.leaves(axis).includes(variable)) === true
  const isAlone = (node: Node, i: number) =>
    facts.readingAt(node, i)?.tensor.dims.filter((size) => size !== 1).length === 1 && has(node, i)
  const refuse = (reason: string): never => {
    const who = reader ? `${describeNode(reader)} makes probabilities of it, and ` : ''
    throw refusedError(
      `${label} cannot be extended by entries that start unlikely: ${who}${reason}.`,
      { where: label, hint: 'Without --unlikely the old probabilities change (--no-unlikely).' },
    )
  }
  let bias: Reading | undefined
  let at = value
  for (;;) {
    const node = facts.links.producers.get(at)
    if (!node) return refuse('no layer computes it')
    const operator = facts.operatorOf(node)
    const layer = facts.layers.find((each) => each.node === node)
    if (layer) {
      const own = node.inputs.findIndex((_, i) => i !== layer.weightInput && isAlone(node, i))
      if (!bias && own >= 0 && floatAttribute(node, 'beta', 1) === 1)
        bias = facts.readingAt(node, own)
      const found = relations.axes.get(at) ?? []
      const k = found.findIndex((axis) => axes.leaves(axis).includes(variable))
      const isPlain = k >= 0 && axes.expand(found[k]!).kind === 'variable'
      if (!bias && !isPlain)
        return refuse(`${describeNode(node)} has no bias, and none can be inserted behind it`)
      return {
        ...(bias && { bias }),
        after: node,
        value: at,
        behind: found.length - k - 1,
        names: new NameSupply([
          ...valueNames(facts.model.graph),
          ...facts.model.graph.nodes.map((each) => each.name),
        ]),
        dtype: facts.values.get(at)?.dtype ?? 'float32',
      }
    }
    const readers = node.inputs.flatMap((_, i) =>
      has(node, i) && !facts.readingAt(node, i) ? [i] : [],
    )
    const [only] = readers
    const shift = operator?.growth?.bias ? node.inputs.findIndex((_, i) => isAlone(node, i)) : -1
    const isFollowed =
      readers.length === 1 && (shift >= 0 || movesElements(operator) || scalingOf(operator)?.joins)
    if (only === undefined || !isFollowed)
      return refuse(`${describeNode(node)} lies between it and the layer's units`)
    if (shift >= 0) bias ??= facts.readingAt(node, shift)
    at = node.inputs[only]!
  }
}

function inserted(
  { from, to }: Extended,
  { after, value, behind, names, dtype }: Site,
  shift: number,
): Insertion {
  const name = names.fresh(`${describeNode(after).split(' ').at(-1)}-bias`)
  const values = Array.from({ length: to }, (_, i) => (i < from ? 0 : shift))
  return {
    after: after.name,
    name,
    value,
    source: names.fresh(`${value}_before`),
    init: 'net2deeper',
    dtype,
    names: { bias: names.fresh(`${name}.bias`) },
    layer: {
      nodes: [{ opType: 'Add', inputs: ['$in', 'bias'], outputs: ['$out'], attributes: {} }],
      parameters: [
        {
          name: 'bias',
          dims: [to, ...Array<number>(behind).fill(1)],
          identity: { kind: 'values', values },
          random: zeros,
        },
      ],
    },
  }
}
