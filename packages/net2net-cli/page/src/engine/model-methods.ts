/** Holds the models: reads, inspects, grows, compares and writes them (other workers run them), off the page's thread. */

import {
  decodeModel,
  describePlan,
  encodeModel,
  type GrowthPlan,
  type GrowthStep,
  grow,
  inspect,
  type Model,
  type Solution,
  solve,
} from 'net2net'
import { constantsOf, inferShapes } from 'net2net/model'
import { inputError, usageError } from '../../../src/errors.ts'
import { diffOf, single } from './diff.ts'
import { type Network, namingFile, openNetwork } from './formats.ts'
import { layoutOf } from './layout.ts'
import { outputName } from './output-name.ts'
import type { ComparedModels, ModelMethods, Pair, Source } from './protocol.ts'
import { samples } from './samples.ts'
import { serveMethods } from './serve.ts'
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
let original: (Opened & { readonly solution: Solution }) | undefined
let grown: Grown | undefined
let compared: readonly [Loaded, Loaded] | undefined

serveMethods<ModelMethods>({
  async open(source) {
    const loaded = await load(source)
    const solution = solve(loaded.model)
    original = { ...loaded, solution }
    grown = undefined
    const diff = single(loaded.view)
    const { weights, optimizer } = loaded.network ?? {}
    return {
      view: loaded.view,
      layers: inspect(solution).layers,
      diff,
      layout: layoutOf(diff),
      ...(weights !== undefined && { weights }),
      ...(optimizer !== undefined && { optimizer }),
    }
  },

  async grow(settings) {
    if (original === undefined) throw usageError('No model is open.')
    grown = undefined
    const { view: before, network } = original
    const steps = stepsOf(settings)
    const { model: planned, plans } = grow(original.solution, steps)
    const model = network ? await network.afterGrowth(plans, planned) : planned
    const view = viewOfModel(model, before.name)
    grown = { model, view, steps, plans }
    const diff = diffOf(before, view, () => false)
    return {
      view,
      diff,
      layout: layoutOf(diff),
      plans,
      text: plans.map((plan) => describePlan(plan).join('\n')).join('\n\n'),
    }
  },

  async download() {
    if (original === undefined || grown === undefined) throw usageError('Nothing has grown.')
    const { model, plans, view } = grown
    const files = await original.network?.write(plans, model)
    return {
      files: files ?? [{ name: outputName(view.name), bytes: ownBytes(encodeModel(model)) }],
    }
  },

  recipe() {
    if (grown === undefined) throw usageError('Nothing has grown.')
    // JSON, which is YAML too: what writes YAML is not loaded for that.
    return `${JSON.stringify({ version: 1, steps: grown.steps }, null, 2)}\n`
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
    const diff = diffOf(before.view, after.view, differ)
    return { before: before.view, after: after.view, diff, layout: layoutOf(diff) }
  },

  files(of) {
    const [a, b] = pair(of)
    if (a === undefined || b === undefined) throw usageError('There are no two models.')
    return [ownBytes(encodeModel(a.model)), ownBytes(encodeModel(b.model))]
  },
})

const pair = (of: Pair) => (of === 'growth' ? [original, grown] : (compared ?? []))

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
  const sample = samples.find(({ id }) => id === source.id)
  if (sample === undefined)
    throw inputError(`There is no sample network called ${source.id}.`, {
      hint: `There are: ${samples.map(({ id }) => id).join(', ')}.`,
    })
  const bytes =
    typeof sample.source === 'string'
      ? await fetchBytes(sample.source)
      : encodeModel(sample.source())
  const model = decodeModel(bytes)
  return { model, view: viewOfModel(model, `${sample.id}.onnx`) }
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

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}

/** Bytes that can be handed over: an array of its own, not shared. */
const ownBytes = (bytes: Uint8Array): Uint8Array<ArrayBuffer> => new Uint8Array(bytes)
