/**
 * Layers added to a checkpoint: copies of a layer behind it that add nothing to the residual stream, since what their
 * outputs come from last is zero.
 */
import { inputError, refusedError, usageError } from '../../errors.ts'
import { quote } from '../../model/quote.ts'
import { dtypes } from '../../tensor/dtype.ts'
import type { LazyTensor } from '../../tensor/tensor.ts'
import { combined } from '../combined.ts'
import { type LayerStack, patternOf, source } from './architecture.ts'
import { type Checkpoint, fieldOf, sizesOf } from './config.ts'
import type { ConfigValue } from './config-text.ts'

export interface AddedLayers {
  /** So many layers behind the last one of every stack. */
  readonly last?: number | undefined
  /** Behind each of these layers one more: `h.3`, or any end of its name. */
  readonly repeat?: readonly string[] | undefined
}

export interface Deepened {
  readonly entries: ReadonlyMap<string, LazyTensor>
  /** The fields that count layers, with their new values. */
  readonly fields: ReadonlyMap<string, number>
  /** Fields that are lists with an item for each layer. */
  readonly lists: ReadonlyMap<string, ConfigValue>
  /** The new layers by name, and the layers that they are copies of. */
  readonly added: ReadonlyMap<string, string>
}

/** More layers than any network has, so that a slip of the finger fills no disk. */
const most = 1024

/**
 * The entries and the config of a checkpoint with more layers.
 *
 * @throws Net2NetError (usage) for layers that are not there; (refused) where a layer cannot be added that adds nothing
 */
export function addLayers(
  checkpoint: Checkpoint,
  entries: ReadonlyMap<string, LazyTensor>,
  { last = 0, repeat = [] }: AddedLayers,
): Deepened {
  const { name, architecture } = checkpoint
  if (last === 0 && repeat.length === 0)
    return { entries, fields: new Map(), lists: new Map(), added: new Map() }
  if (!Number.isSafeInteger(last) || last < 0 || last > most)
    throw usageError(`At most ${most} layers can be added at once, not ${last}.`)
  if (typeof architecture.layers === 'string')
    throw refusedError(
      `No layer can be added to ${name}, a network of the type ${quote(architecture.name)}: ${architecture.layers}.`,
      { where: name },
    )
  const stacks = architecture.layers.flatMap((stack) => openStack(stack, checkpoint, entries))
  const all = stacks.flatMap(({ layers }) => layers)
  const chosen = repeat.map((text) => {
    const found = all.filter((layer) => layer === text || layer.endsWith(`.${text}`))
    if (found.length === 1) return found[0]!
    throw usageError(
      found.length === 0
        ? `${name} has no layer ${quote(text)}; its layers are ${all.slice(0, 12).join(', ')}${all.length > 12 ? ' …' : ''}.`
        : `${quote(text)} could be any of the layers ${found.join(', ')}.`,
      { where: text },
    )
  })
  let result: Deepened = { entries, fields: new Map(), lists: new Map(), added: new Map() }
  for (const stack of stacks) {
    const copies = stack.layers.map(
      (layer, i) =>
        chosen.filter((each) => each === layer).length + (i === stack.layers.length - 1 ? last : 0),
    )
    result = deepen(checkpoint, result, stack, copies)
  }
  return result
}

interface OpenStack {
  readonly stack: LayerStack
  /** The names of its layers, in order. */
  readonly layers: readonly string[]
  /** The layer and the rest of an entry's name; undefined for an entry that is in none. */
  placeOf(entry: string): { readonly layer: number; readonly rest: string } | undefined
  nameOf(layer: number): string
}

function openStack(
  stack: LayerStack,
  checkpoint: Checkpoint,
  entries: ReadonlyMap<string, LazyTensor>,
): readonly OpenStack[] {
  const expression = new RegExp(`^((?:.*\\.)?)${source(stack.name)}\\.(.*)$`)
  const first = [...entries.keys()].map((entry) => expression.exec(entry)).find((match) => match)
  if (!first) return []
  const nameOf = (layer: number) => first[1]! + stack.name.replace('{}', String(layer))
  const count = sizesOf(checkpoint)(stack.count)
  const found = new Set<number>()
  const placeOf = (entry: string) => {
    const match = expression.exec(entry)
    return match?.[1] === first[1] && match?.[2] !== undefined
      ? { layer: Number(match[2]), rest: match[3]! }
      : undefined
  }
  for (const entry of entries.keys()) {
    const place = placeOf(entry)
    if (place) found.add(place.layer)
  }
  if (count === undefined || found.size !== count || Math.max(...found) !== count - 1)
    throw inputError(
      `config.json of ${checkpoint.name} gives ${stack.count} = ${count ?? 'no number'}, and the weights have ${found.size} such layers.`,
      { where: checkpoint.name },
    )
  const layers = Array.from({ length: count }, (_, layer) => nameOf(layer))
  return [{ stack, layers, placeOf, nameOf }]
}

function deepen(
  { name, config }: Checkpoint,
  before: Deepened,
  { stack, layers, placeOf, nameOf }: OpenStack,
  copies: readonly number[],
): Deepened {
  const total = copies.reduce((sum, count) => sum + count, layers.length)
  if (total === layers.length) return before
  const isInserted = copies.slice(0, -1).some((count) => count > 0)
  for (const [field, value] of Object.entries(stack.byNumber ?? {}))
    if (isInserted && (fieldOf(config, field) ?? null) === value)
      throw refusedError(
        `A layer cannot be inserted into ${name}: with ${field} = ${JSON.stringify(value)} its layers depend on their numbers, and later ones would get others.`,
        { where: field, hint: 'Add layers behind the last one (--layers +1).' },
      )
  // For each new layer the old one that it is, or copies.
  const origins = copies.flatMap((count, layer) => Array.from({ length: 1 + count }, () => layer))
  const isCopy = (layer: number) => layer > 0 && origins[layer] === origins[layer - 1]
  const byLayer = new Map<number, [rest: string, tensor: LazyTensor][]>()
  const entries = new Map<string, LazyTensor>()
  for (const [entry, tensor] of before.entries) {
    const place = placeOf(entry)
    if (!place) continue
    const own = byLayer.get(place.layer)
    if (own) own.push([place.rest, tensor])
    else byLayer.set(place.layer, [[place.rest, tensor]])
  }
  const zeros = Object.entries(stack.adds).map(([pattern, value]) => {
    const [module, parameter] = [patternOf(pattern), patternOf(`${pattern}.*`)]
    return { pattern, value, fits: (rest: string) => module.test(rest) || parameter.test(rest) }
  })
  const onlyFirst = (stack.onlyFirst ?? []).map((pattern) => patternOf(`${pattern}.*`))
  const layersOf = (layer: number) => byLayer.get(origins[layer]!)!
  const added = new Map(before.added)
  let isPlaced = false
  for (const [entry, tensor] of before.entries) {
    if (!placeOf(entry)) {
      entries.set(entry, tensor)
      continue
    }
    // All layers stand where the first of them stood.
    if (isPlaced) continue
    isPlaced = true
    for (let layer = 0; layer < total; layer++) {
      if (!isCopy(layer)) {
        for (const [rest, own] of layersOf(layer)) entries.set(`${nameOf(layer)}.${rest}`, own)
        continue
      }
      added.set(nameOf(layer), nameOf(origins[layer]!))
      for (const { pattern, fits } of zeros)
        if (!layersOf(layer).some(([rest]) => fits(rest)))
          throw refusedError(
            `${nameOf(origins[layer]!)} of ${name} has no ${quote(pattern)}, from which the output of such a layer should come.`,
            { where: nameOf(origins[layer]!) },
          )
      for (const [rest, own] of layersOf(layer)) {
        if (onlyFirst.some((each) => each.test(rest))) continue
        const zero = zeros.find(({ fits }) => fits(rest))
        entries.set(`${nameOf(layer)}.${rest}`, zero ? filled(own, zero.value) : own)
      }
    }
  }
  const lists = new Map(before.lists)
  for (const field of stack.lists ?? []) {
    const list = fieldOf(config, field)
    if (Array.isArray(list) && list.length === layers.length)
      lists.set(
        field,
        origins.map((layer) => list[layer] as ConfigValue),
      )
  }
  return { entries, fields: new Map([...before.fields, [stack.count, total]]), lists, added }
}

/** A tensor of the same type and shape that has one value everywhere. */
const filled = (tensor: LazyTensor, value: number): LazyTensor =>
  dtypes[tensor.dtype].bits >= 16 ? combined([tensor], () => value) : tensor
