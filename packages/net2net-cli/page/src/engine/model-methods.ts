/** Holds the models: reads, inspects, grows, compares and writes them (other workers run them), off the page's thread. */

import {
  decodeModel,
  encodeModel,
  type GrowthPlan,
  type GrowthStep,
  grow,
  type InspectedLayer,
  inspect,
  type Model,
  planTables,
  type Solution,
  solve,
} from 'net2net'
import { constantsOf, inferShapes } from 'net2net/model'
import type { LazyTensor } from 'net2net/tensor'
import { inputError, usageError } from '../../../src/errors.ts'
import { sampleTitles } from '../grow/samples.ts'
import { changesOf } from './changes.ts'
import type { Expansion } from './collapse.ts'
import { type Diff, diffOf, single } from './diff.ts'
import type { Drawing } from './drawing.ts'
import { type Network, namingFile, openNetwork } from './formats.ts'
import { largerKernel, usualKernels } from './kernels.ts'
import { type Drawn, draw, find, locate } from './look-up.ts'
import { outputName } from './output-name.ts'
import { priceOf, widenAll } from './prices.ts'
import type {
  ComparedModels,
  ListedLayer,
  ModelMethods,
  ModelSummary,
  Pair,
  Source,
} from './protocol.ts'
import { handOver, serveMethods } from './serve.ts'
import { parameterStatistics } from './statistics.ts'
import { stepsOf } from './steps.ts'
import { type ModelView, type ParameterView, viewOf } from './view.ts'

interface Loaded {
  readonly model: Model
  readonly view: ModelView
}
interface Opened extends Loaded {
  /** The file that it is from; undefined for a sample. */
  readonly network?: Network
}
interface Grown extends Loaded {
  readonly steps: readonly GrowthStep[]
  readonly plans: readonly GrowthPlan[]
}
/** With its solution, so that a change of the settings plans and does not solve. */
let original:
  | (Opened & { readonly solution: Solution; readonly layers: readonly InspectedLayer[] })
  | undefined
let grown: Grown | undefined
let compared: readonly [Loaded, Loaded] | undefined
/** What is drawn of each pair. */
const drawings = new Map<Pair, Drawn>()

function show(of: Pair, diff: Diff, open: Expansion = new Set()): Drawing {
  const drawn = draw(diff, open)
  drawings.set(of, drawn)
  return drawn.drawing
}

/** The network alone, as it was opened. */
function forgetGrowth(): Drawing {
  if (original === undefined) throw usageError('No model is open.')
  grown = undefined
  return show('growth', single(original.view), drawings.get('growth')?.open)
}

serveMethods<ModelMethods>({
  async open(source) {
    const loaded = await load(source)
    const solution = solve(loaded.model)
    const { layers, attentions } = inspect(solution)
    original = { ...loaded, solution, layers }
    grown = undefined
    const { weights, optimizer, unbound = [] } = loaded.network ?? {}
    return {
      view: summaryOf(loaded.view),
      layers: listed(layers),
      attentions,
      drawing: show('growth', single(loaded.view)),
      ...(weights !== undefined && { weights }),
      ...(optimizer !== undefined && { optimizer }),
      unbound,
    }
  },

  async grow(settings) {
    if (original === undefined) throw usageError('No model is open.')
    grown = undefined
    const { view: before, network } = original
    const steps = stepsOf(settings)
    try {
      const { model: planned, plans } = grow(original.solution, steps)
      const model = network ? await network.afterGrowth(plans, planned) : planned
      const view = viewOfModel(model, before.name)
      grown = { model, view, steps, plans }
      return {
        view: summaryOf(view),
        drawing: show(
          'growth',
          diffOf(before, view, () => false),
          drawings.get('growth')?.open,
        ),
      }
    } catch (error) {
      forgetGrowth()
      throw error
    }
  },

  forgetGrowth,

  plan() {
    if (grown === undefined) throw usageError('Nothing has grown.')
    return grown.plans.map(planTables)
  },

  mustBeWritable() {
    if (grown !== undefined) original?.network?.mustBeWritable(grown.plans)
  },

  async download() {
    if (original === undefined || grown === undefined) throw usageError('Nothing has grown.')
    const { model, plans, view } = grown
    const files = await original.network?.write(plans, model)
    return {
      files: files ?? [{ name: outputName(view.name), bytes: ownBytes(encodeModel(model)) }],
    }
  },

  async recipe(settings) {
    const { formatRecipe } = await import('net2net/recipe')
    return formatRecipe({ version: 1, steps: stepsOf(settings) })
  },

  async readRecipe(text) {
    const { parseRecipe } = await import('net2net/recipe')
    const { steps, seed } = parseRecipe(text, 'The recipe')
    // Seeds are written down: steps that come before change nothing then.
    return steps.map((step, i) => ({ seed: (seed ?? 0) + i, ...step }))
  },

  largerKernel(names) {
    if (original === undefined) throw usageError('No model is open.')
    // Steps of growth follow on one another: the next one is of what has grown.
    const now = grown ? { view: grown.view, solution: solutionOf(grown) } : original
    return names.length > 0
      ? largerKernel(now, names)
      : usualKernels(now, inspect(now.solution).layers)
  },

  price({ layer: name, settings }) {
    const layer = original?.layers.find((candidate) => candidate.name === name)
    if (original === undefined || layer === undefined) throw usageError('No such layer is open.')
    return priceOf(original.solution, original.view, layer, settings)
  },

  widenAll({ budget, from, settings }) {
    if (original === undefined) throw usageError('No model is open.')
    return widenAll(original, budget, from, settings)
  },

  expand({ of, blocks }) {
    const { diff, open } = drawnOf(of)
    if (blocks === 'all') return show(of, diff, 'all')
    if (blocks === 'none') return show(of, diff)
    return show(of, diff, open === 'all' ? open : new Set([...open, ...blocks]))
  },

  find: ({ of, text }) => find(drawnOf(of), text),
  locate: ({ of, node }) => locate(drawnOf(of), node),

  node({ of, key }) {
    const node = drawnOf(of).diff.nodes.find((each) => each.key === key)
    if (node === undefined) return undefined
    const own = node.after ?? node.before
    const values = [...(own?.inputs ?? []), ...(own?.outputs ?? [])]
    const [before, after] = pair(of).map(
      (side) =>
        new Map(
          values.flatMap((name) => {
            const shape = side?.view.shapes.get(name)
            return shape === undefined ? [] : [[name, shape] as const]
          }),
        ),
    )
    const isGrowth = of === 'growth' && own !== undefined
    const layer = isGrowth ? original?.layers.find(({ name }) => name === own.name) : undefined
    const units = isGrowth ? (grown?.plans ?? []).flatMap((plan) => plan.units) : []
    return {
      node,
      before: before ?? new Map(),
      after: (grown || of === 'comparison' ? after : before) ?? new Map(),
      ...(layer && layer.widen !== true && { refusal: layer.widen }),
      units: units.filter(({ members }) => own && members.includes(own.name)),
    }
  },

  statistics({ before, after, of }) {
    const [a, b] = pair(of)
    const tensor = (side: Loaded | undefined, name: string | undefined) =>
      side && name !== undefined ? constantsOf(side.model).get(name) : undefined
    return parameterStatistics(tensor(a, before), tensor(b, after))
  },

  async compare([a, b]): Promise<ComparedModels> {
    const sides = [await load(a), await load(b)] as const
    compared = sides
    const [before, after] = sides
    const values = [constantsOf(before.model), constantsOf(after.model)] as const
    const differ = (x: ParameterView, y: ParameterView) => {
      const [p, q] = [values[0].get(x.name), values[1].get(y.name)]
      if (!p || !q) return false
      return p.dtype !== q.dtype || !sameBytes(p.read(0, p.byteLength), q.read(0, q.byteLength))
    }
    const contents = { before: contentsOf(values[0]), after: contentsOf(values[1]) }
    const diff = diffOf(before.view, after.view, differ, (side, { name }) => contents[side](name))
    return {
      before: summaryOf(before.view),
      after: summaryOf(after.view),
      drawing: show('comparison', diff),
    }
  },

  changes() {
    if (compared === undefined) throw usageError('Nothing is compared.')
    const diff = drawings.get('comparison')?.diff
    return diff ? changesOf(diff, compared[0], compared[1]) : []
  },

  files(of) {
    const [a, b] = pair(of)
    if (a === undefined || b === undefined) throw usageError('There are no two models.')
    return handOver([ownBytes(encodeModel(a.model)), ownBytes(encodeModel(b.model))] as const)
  },

  networks() {
    if (original === undefined) throw usageError('No model is open.')
    const file = ({ model }: Loaded) => ownBytes(encodeModel(model))
    return handOver(grown ? [file(original), file(grown)] : [file(original)])
  },
})

/** Solved when it is first asked for. */
function solutionOf(of: Grown): Solution {
  solvedGrowth = solvedGrowth?.of === of ? solvedGrowth : { of, solution: solve(of.model) }
  return solvedGrowth.solution
}
let solvedGrowth: { readonly of: Grown; readonly solution: Solution } | undefined

function drawnOf(of: Pair): Drawn {
  const drawn = drawings.get(of)
  if (drawn === undefined) throw usageError('Nothing is drawn.')
  return drawn
}

const pair = (of: Pair): readonly (Loaded | undefined)[] =>
  of === 'growth' ? [original, grown] : (compared ?? [])

const summaryOf = ({ nodes, shapes: _, ...view }: ModelView): ModelSummary => ({
  ...view,
  nodes: nodes.length,
})

/** Layers that grow with the same ones share one list. */
function listed(layers: readonly InspectedLayer[]): readonly ListedLayer[] {
  const place = new Map(layers.map(({ name }, i) => [name, i]))
  const known = new Map<string, (readonly string[])[]>()
  return layers.map(({ group, ...layer }, i) => {
    const before = group.filter((name) => (place.get(name) ?? i) < i)
    const all = [...before, layer.name, ...group.slice(before.length)]
    const alike = known.get(all[0]!) ?? []
    const members = alike.find(
      (list) => list.length === all.length && list.every((name, k) => name === all[k]),
    )
    if (members === undefined) known.set(all[0]!, [...alike, all])
    return { ...layer, members: members ?? all }
  })
}

async function load(source: Source): Promise<Opened> {
  if (source.kind === 'bytes') {
    const { name, data = [] } = source
    try {
      const network = await openNetwork(source, data)
      return { network, model: network.model, view: viewOfModel(network.model, name) }
    } catch (error) {
      throw namingFile(error, name)
    }
  }
  const sample = sampleTitles.find(({ id }) => id === source.id)
  if (sample === undefined)
    throw inputError(`There is no sample network called ${source.id}.`, {
      hint: `There are: ${sampleTitles.map(({ id }) => id).join(', ')}.`,
    })
  const name = `${sample.id}.onnx`
  const model = decodeModel(await fetchBytes(`data/${name}`))
  return { model, view: viewOfModel(model, name) }
}

async function fetchBytes(path: string): Promise<Uint8Array> {
  const response = await fetch(new URL(path, pageAddress))
  if (!response.ok) throw inputError(`${path} is not part of this page's build.`, { where: path })
  return new Uint8Array(await response.arrayBuffer())
}

/** The folder of the page: this script lies in a folder of its own in the built page. */
const pageAddress = new URL(import.meta.env.DEV ? '/' : '../', import.meta.url)

function viewOfModel(model: Model, name: string): ModelView {
  return viewOf(model, name, inferShapes(model))
}

/** A text for what a tensor holds, computed when it is asked for: type, shape and a hash of its bytes. */
function contentsOf(tensors: ReadonlyMap<string, LazyTensor>): (name: string) => string {
  const known = new Map<string, string>()
  return (name) => {
    const tensor = tensors.get(name)
    const found =
      known.get(name) ?? (tensor ? `${tensor.dtype}[${tensor.dims}] ${hashOf(tensor)}` : name)
    known.set(name, found)
    return found
  }
}

/** FNV-1a over 32-bit words, and over the bytes that remain. */
function hashOf(tensor: LazyTensor): number {
  const bytes = new Uint8Array(tensor.read(0, tensor.byteLength))
  const words = new Uint32Array(bytes.buffer, 0, bytes.length >> 2)
  let hash = 0x811c9dc5
  for (const word of words) hash = Math.imul(hash ^ word, 0x01000193)
  for (const byte of bytes.subarray(words.length * 4)) hash = Math.imul(hash ^ byte, 0x01000193)
  return hash >>> 0
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}

/** Bytes that can be handed over: an array of its own, not shared. */
const ownBytes = (bytes: Uint8Array): Uint8Array<ArrayBuffer> => new Uint8Array(bytes)
