/** From what a user calls a block to the residual blocks that it is made of. */
import { usageError } from '../../errors.ts'
import { describeNode } from '../../model/names.ts'
import type { Unsupported } from '../../operators/contract/answers.ts'
import type { LayerSite } from '../solve/facts.ts'
import type { Solution } from '../solve/index.ts'
import {
  isChain,
  outermost,
  type ResidualBlock,
  residualBlocks,
  whyNoBlock,
} from './residual-blocks.ts'
import { isPattern, namesOf, selectLayers } from './select-layers.ts'

/** Residual blocks one behind the other that are one for the user: attention and what follows it, say. */
export interface NamedBlock {
  readonly name: string
  readonly parts: readonly ResidualBlock[]
}

export type Candidate = NamedBlock | (Unsupported & { readonly name: string })

/**
 * The blocks that a name means. A layer's name means the smallest block that holds it; the name of a module (`h.3`), with
 * which layers' names begin, all blocks of these layers; a pattern (`h.*`) does so for every module that it fits, and for
 * every layer if it fits none. A wildcard stands for no dot or slash in a module's name.
 *
 * @throws Net2NetError (usage) for an unknown or ambiguous name, (refused) where the model has no layers
 */
export function selectBlocks(solution: Solution, name: string): readonly Candidate[] {
  const { model, layers } = solution.facts
  const blocks = residualBlocks(solution)
  const isLayer = layers.some((layer) => namesOf(layer).includes(name))
  const modules = isLayer ? [] : [...modulesOf(layers, name)]
  if (!isPattern(name) && modules.length > 1)
    throw usageError(
      `"${name}" could be any of the modules ${modules.map(([m]) => m).join(', ')}.`,
      {
        where: name,
        hint: 'Give the full name.',
      },
    )
  if (modules.length > 0)
    return modules.map(([module, members]) => blockOfModule(solution, blocks, module, members))
  return selectLayers(model, layers, name).map((layer) => {
    const block = smallest(blocks, [layer])
    return block
      ? named(layer.name, [block])
      : { name: layer.name, unsupported: whyNoBlock(solution.facts, layer) }
  })
}

/** Ways to name layers, the clearest first. */
const namings: readonly ((layer: LayerSite) => string | undefined)[] = [
  ({ module }) => module,
  ({ weight }) => weight,
  ({ name }) => name,
]

/** Modules that a name or a pattern means, by the names of most layers, with their layers. */
function modulesOf(
  layers: readonly LayerSite[],
  text: string,
): ReadonlyMap<string, readonly LayerSite[]> {
  let best: ReadonlyMap<string, readonly LayerSite[]> = new Map()
  if (/^[*?]*$/.test(text)) return best
  const pattern = text
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '[^./]*')
    .replaceAll('?', '[^./]')
  const expression = new RegExp(`^(?:.*?[./])?${pattern}(?=[./])`, 's')
  let most = 0
  for (const nameOf of namings) {
    const found = new Map<string, LayerSite[]>()
    let count = 0
    for (const layer of layers) {
      const module = expression.exec(nameOf(layer) ?? '')?.[0]
      if (module === undefined) continue
      count++
      found.set(module, [...(found.get(module) ?? []), layer])
    }
    if (count > most) [best, most] = [found, count]
  }
  return best
}

function blockOfModule(
  { facts }: Solution,
  blocks: readonly ResidualBlock[],
  name: string,
  members: readonly LayerSite[],
): Candidate {
  const all = new Set(members)
  const own = outermost(
    blocks.filter(({ layers }) => layers.every((layer) => all.has(layer))),
    ({ nodes }) => nodes,
  )
  const left = members.find((layer) => !own.some(({ layers }) => layers.includes(layer)))
  if (left) {
    const holder = smallest(blocks, members)
    if (holder) return named(name, [holder])
    return { name, unsupported: `${describeNode(left.node)}: ${whyNoBlock(facts, left)}` }
  }
  const refusal = own.find((block) => block.refusal !== undefined)?.refusal
  const gap = own.findIndex((_, i) => !isChain(own.slice(0, i + 1)))
  if (gap > 0 && refusal === undefined) {
    const [before, after] = [own[gap - 1]!, own[gap]!].map(({ layers }) => layers[0]!.name)
    return { name, unsupported: `the blocks of ${before} and ${after} are not parts of one stream` }
  }
  return named(name, own)
}

function named(name: string, parts: readonly ResidualBlock[]): Candidate {
  const refusal = parts.find((block) => block.refusal !== undefined)?.refusal
  return refusal === undefined ? { name, parts } : { name, unsupported: refusal }
}

/** The smallest block that holds all of these layers. */
function smallest(
  blocks: readonly ResidualBlock[],
  layers: readonly LayerSite[],
): ResidualBlock | undefined {
  const holders = blocks.filter((block) => layers.every((layer) => block.layers.includes(layer)))
  return holders.sort((a, b) => a.nodes.length - b.nodes.length)[0]
}
