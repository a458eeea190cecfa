/** From what a user calls a layer to the layer. */
import { nearestName } from '../../arguments.ts'
import { refusedError, usageError } from '../../errors.ts'
import type { Model } from '../../model/model.ts'
import { operatorOf } from '../../operators/table.ts'
import type { LayerSite } from '../solve/facts.ts'

export const namesOf = ({ name, weight, module }: LayerSite): readonly string[] =>
  module === undefined ? [name, weight] : [name, weight, module]

/** Layers shown in a message before the rest is counted. */
const SHOWN = 12

/** Does the name select several layers by wildcards (`*`, `?`)? */
export const isPattern = (name: string): boolean => /[*?]/.test(name)

/** Does a text fit a pattern as a whole? */
export function patternOf(pattern: string): (text: string) => boolean {
  const expression = new RegExp(
    `^${pattern
      .replace(/[.+^${}()|[\]\\]/g, '\\$&')
      .replaceAll('*', '.*')
      .replaceAll('?', '.')}$`,
    's',
  )
  return (text) => expression.test(text)
}

/**
 * The one layer that a name means: a node's name, its weight's name, its module's name in the framework that
 * wrote the file, or a part of one that fits one layer only.
 *
 * @throws Net2NetError (usage) for an unknown or ambiguous name, with what there is.
 */
export function selectLayer<L extends LayerSite>(layers: readonly L[], name: string): L {
  for (const fits of [
    (layer: L) => layer.name === name,
    (layer: L) => layer.weight === name,
    (layer: L) => layer.module === name,
    (layer: L) => layer.name.includes(name) || layer.weight.includes(name),
    (layer: L) => layer.module?.includes(name) === true,
  ]) {
    const found = name === '' ? [] : layers.filter(fits)
    if (found.length === 1) return found[0]!
    if (found.length > 1)
      throw usageError(`"${name}" could be any of the layers ${list(found)}.`, {
        where: name,
        hint: 'Give the full name.',
      })
  }
  throw unknown(layers, name)
}

/**
 * The layers that a name or a pattern means, in the order of the graph. The name of a weight or of a module that is called several times
 * means all its calls.
 *
 * @throws Net2NetError (usage) where there are none, (refused) where the model has no layers at all
 */
export function selectLayers<L extends LayerSite>(
  model: Model,
  layers: readonly L[],
  name: string,
): readonly L[] {
  if (layers.length === 0) throw refusedError(whyNoLayers(model))
  if (!isPattern(name)) return callsOf(layers, name) ?? [selectLayer(layers, name)]
  const found = layers.filter((layer) => namesOf(layer).some(patternOf(name)))
  if (found.length === 0) throw unknown(layers, name)
  return found
}

/**
 * Layers that read one weight, of which a name or a part of one means the weight or the module; undefined where there are no several.
 * A layer of Keras that is called again is called `fc@2`.
 */
function callsOf<L extends LayerSite>(
  layers: readonly L[],
  name: string,
): readonly L[] | undefined {
  const ownName = (layer: L) => layer.name.replace(/@\d+$/, '')
  for (const fits of [
    (layer: L) => layer.weight === name || layer.module === name || ownName(layer) === name,
    (layer: L) => namesOf(layer).some((each) => each.includes(name)),
  ]) {
    const found = name === '' ? [] : layers.filter(fits)
    const isOne = new Set(found.map(({ weight }) => weight)).size === 1
    if (found.length > 0) return found.length > 1 && isOne ? found : undefined
    if (layers.some((layer) => layer.name === name)) return undefined
  }
  return undefined
}

/** What a model without layers has instead: quantized nodes, say, with the reasons of their rules. */
export function whyNoLayers({ graph }: Model): string {
  const reasons = new Map<string, number>()
  for (const node of graph.nodes) {
    const rule = operatorOf(node)?.axes
    if (rule === undefined || typeof rule === 'function') continue
    const text = `${node.opType} ${rule.unsupported}`
    reasons.set(text, (reasons.get(text) ?? 0) + 1)
  }
  const found = [...reasons].map(([text, count]) => `${text} (${nodes(count)})`)
  const instead = found.length === 0 ? '' : `: ${found.join('; ')}`
  return `The model has no layer with weights of its own${instead}.`
}

const nodes = (count: number) => (count === 1 ? '1 node' : `${count} nodes`)

function unknown(layers: readonly LayerSite[], name: string) {
  const nearest = nearestName(name, layers.flatMap(namesOf))
  return usageError(
    `There is no layer "${name}"; the layers are ${list(layers)}.`,
    nearest === undefined ? { where: name } : { where: name, hint: `Did you mean "${nearest}"?` },
  )
}

function list(layers: readonly LayerSite[]): string {
  const names = layers.slice(0, SHOWN).map((layer) => layer.name)
  const rest = layers.length - names.length
  return rest > 0 ? `${names.join(', ')} and ${rest} more` : names.join(', ')
}
