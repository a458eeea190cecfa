/** What has a width that a user can ask for: layers, and of attention its heads and their size. */
import { refusedError, usageError } from '../../errors.ts'
import { describeNode } from '../../model/names.ts'
import type { Axis } from '../../operators/contract/axis.ts'
import { type Attention, attentionsOf } from '../solve/attentions.ts'
import type { Solution } from '../solve/index.ts'
import type { Layer } from '../solve/relate.ts'
import { isPattern, patternOf, selectLayers } from './select-layers.ts'

/** An axis that is to have another size. */
export interface SizedAxis {
  /** How to call what it belongs to. */
  readonly label: string
  readonly axis: Axis
  readonly size: number | null
  /** Why it cannot grow, if it cannot. */
  readonly refusal: string | undefined
  /** The size in words: `width 9`, `9 heads`. */
  readonly says: (size: number) => string
  /** Variables that grow only where the others do not reach a size. */
  readonly last: readonly number[]
}

export const measures = ['heads', 'key-value-heads', 'head-size', 'key-size', 'value-size'] as const
export type Measure = (typeof measures)[number]

const words: Readonly<Record<Measure, (size: number) => string>> = {
  heads: (size) => `${size} heads`,
  'key-value-heads': (size) => `${size} heads of keys and values`,
  'head-size': (size) => `heads of size ${size}`,
  'key-size': (size) => `queries and keys of size ${size}`,
  'value-size': (size) => `values of size ${size}`,
}

/** Why there is nothing that could grow. */
const none: Readonly<Record<Measure, string>> = {
  heads: 'its only head has no axis of its own',
  'key-value-heads': 'the only head of its keys and values has no axis of its own',
  'head-size': 'no layer has an axis for it',
  'key-size': 'no layer has an axis for it',
  'value-size': 'no layer has an axis for it',
}

const ofLayer = ({ groups }: Solution, layer: Layer): SizedAxis => ({
  label: describeNode(layer.node),
  axis: layer.axis,
  size: layer.width,
  refusal: groups.refusal(layer),
  says: (size) => `width ${size}`,
  last: [],
})

/** The axes of an attention that a measure is about. */
export function axesOf(
  { axes, groups }: Solution,
  attention: Attention,
  measure: Measure,
): readonly SizedAxis[] {
  const { name, heads, keyValueHeads, headSize, valueSize } = attention
  const sized = (axis: Axis, last: readonly number[] = []): SizedAxis => {
    const leaves = axes.leaves(axis)
    const isFree = groups.freeVariables(axis).length > 0
    const fixed = leaves.find((leaf) => !groups.isFree(leaf))
    const why = fixed === undefined ? none[measure] : groups.whyFixed(fixed)
    return {
      label: name,
      axis,
      size: axes.sizeOf(axis),
      refusal: isFree ? undefined : why,
      says: words[measure],
      last,
    }
  }
  if (measure === 'key-value-heads') return [sized(keyValueHeads)]
  if (measure === 'heads') {
    const shared = axes.leaves(keyValueHeads)
    return [sized(heads, shared.length < axes.leaves(heads).length ? shared : [])]
  }
  if (measure === 'key-size') return [sized(headSize)]
  if (measure === 'value-size') return [sized(valueSize)]
  const isAlike = axes.sizeOf(headSize) === axes.sizeOf(valueSize)
  return [sized(headSize), ...(isAlike ? [sized(valueSize)] : [])]
}

/**
 * The axes that a name means: the width of a layer (`fc1`), or `heads`, `key-value-heads`, `head-size`, `key-size` and `value-size` of an attention
 * (`h.0.attn.heads`), which is known by its name or by one of its layers. Of a pattern those that can grow.
 *
 * @throws Net2NetError (usage) for an unknown name; (refused) where nothing of a pattern can grow
 */
export function sizedAxes(solution: Solution, name: string): readonly SizedAxis[] {
  const { facts, relations } = solution
  const measured = measureOf(solution, name)
  if (!measured) {
    const found = selectLayers(facts.model, relations.layers, name)
    return ableOf(
      found.map((layer) => [ofLayer(solution, layer)]),
      name,
      'layers',
    )
  }
  const { measure, of } = measured
  return ableOf(
    selectAttentions(solution, of).map((each) => axesOf(solution, each, measure)),
    name,
    'attentions',
  )
}

/** Heads that share keys and values come to have as many groups as are wanted before each group grows. */
export const inOrder = (names: readonly string[]): readonly string[] => {
  const isShared = (name: string) => name.endsWith('.key-value-heads')
  return [...names.filter(isShared), ...names.filter((name) => !isShared(name))]
}

function measureOf({ relations }: Solution, name: string) {
  const measure = measures.find((each) => name.endsWith(`.${each}`))
  const isLayer = relations.layers.some(
    (layer) => layer.name === name || layer.weight === name || layer.module === name,
  )
  return measure && !isLayer ? { measure, of: name.slice(0, -measure.length - 1) } : undefined
}

/** Of a pattern what can grow: each of these as a whole. */
function ableOf(
  found: readonly (readonly SizedAxis[])[],
  name: string,
  what: string,
): readonly SizedAxis[] {
  if (!isPattern(name)) return found.flat()
  const able = found.filter((axes) => axes.every(({ refusal }) => refusal === undefined))
  const first = found[0]?.find(({ refusal }) => refusal !== undefined)
  if (able.length === 0 && first)
    throw refusedError(
      `None of the ${what} that "${name}" fits can be widened: ${first.label}: ${first.refusal}.`,
      { where: name },
    )
  return able.flat()
}

function selectAttentions(solution: Solution, name: string): readonly Attention[] {
  const attentions = attentionsOf(solution)
  const { model } = solution.facts
  if (attentions.length === 0)
    throw usageError(`There is no attention in the model, of which "${name}" could be one.`, {
      where: name,
    })
  if (isPattern(name)) {
    const fits = patternOf(name)
    const found = attentions.filter((each) => fits(each.name))
    if (found.length > 0) return found
  } else
    for (const fits of [
      (each: Attention) => each.name === name,
      (each: Attention) => name !== '' && each.name.includes(name),
    ]) {
      const found = attentions.filter(fits)
      if (found.length === 1) return found
      if (found.length > 1)
        throw usageError(`"${name}" could be any of the attentions ${listOf(found)}.`, {
          where: name,
          hint: 'Give the full name, or a pattern.',
        })
    }
  const layers = attentions.flatMap((each) => each.layers)
  const isOfLayer = layers.some((layer) =>
    [layer.name, layer.weight, layer.module].some((each) => each?.includes(name)),
  )
  if (!isPattern(name) && isOfLayer) {
    const selected = selectLayers(model, layers, name)
    const found = attentions.filter((each) => each.layers.some((one) => selected.includes(one)))
    if (found.length === 1) return found
  }
  throw usageError(`There is no attention "${name}"; there are ${listOf(attentions)}.`, {
    where: name,
  })
}

/** Attentions shown in a message before the rest is counted. */
const SHOWN = 12

function listOf(attentions: readonly Attention[]): string {
  const names = attentions.slice(0, SHOWN).map(({ name }) => name)
  const rest = attentions.length - names.length
  return rest > 0 ? `${names.join(', ')} and ${rest} more` : names.join(', ')
}
