/** Holds the models: reads, inspects, grows, compares and writes them (other workers run them), off the page's thread. */

import {
  decodeModel,
  describePlan,
  encodeModel,
  type GrowthStep,
  grow,
  inspect,
  type Model,
  Net2NetError,
  type Solution,
  solve,
} from 'net2net'
import { constantsOf, inferShapes } from 'net2net/model'
import { inputError, usageError } from '../../../src/errors.ts'
import { diffOf, single } from './diff.ts'
import { externalDataIn } from './external.ts'
import { stepsOf } from './growth.ts'
import { layoutOf } from './layout.ts'
import type { ComparedModels, ModelMethods, Pair, Source } from './protocol.ts'
import { samples } from './samples.ts'
import { serveMethods } from './serve.ts'
import { parameterStatistics } from './statistics.ts'
import { type ModelView, type ParameterView, viewOf } from './view.ts'

interface Loaded {
  readonly model: Model
  readonly view: ModelView
}
interface Opened extends Loaded {
  /** Of the opened model, so that a change of the settings plans and does not solve. */
  readonly solution: Solution
}
interface Grown extends Loaded {
  readonly steps: readonly GrowthStep[]
}
let original: Opened | undefined
let grown: Grown | undefined
let compared: readonly [Loaded, Loaded] | undefined

serveMethods<ModelMethods>({
  async open(source) {
    const loaded = await load(source)
    const solution = solve(loaded.model)
    original = { ...loaded, solution }
    grown = undefined
    const diff = single(loaded.view)
    return { view: loaded.view, layers: inspect(solution).layers, diff, layout: layoutOf(diff) }
  },

  grow(settings) {
    if (original === undefined) throw usageError('No model is open.')
    grown = undefined
    const before = original.view
    const steps = stepsOf(settings)
    const { model, plans } = grow(original.solution, steps)
    const view = viewOfModel(model, before.name)
    grown = { model, view, steps }
    const diff = diffOf(before, view, () => false)
    return {
      view,
      diff,
      layout: layoutOf(diff),
      plans,
      text: plans.map((plan) => describePlan(plan).join('\n')).join('\n\n'),
    }
  },

  download() {
    if (grown === undefined) throw usageError('Nothing has grown.')
    const { model, steps } = grown
    // JSON, which is YAML too: what writes YAML is not loaded for that.
    const recipe = `${JSON.stringify({ version: 1, steps }, null, 2)}\n`
    return { bytes: ownBytes(encodeModel(model)), recipe }
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

async function load(source: Source): Promise<Loaded> {
  if (source.kind === 'bytes') {
    const { bytes, name, data = [] } = source
    try {
      const model = decodeModel(bytes, { name, openExternal: externalDataIn(data) })
      return { model, view: viewOfModel(model, name) }
    } catch (error) {
      if (!(error instanceof Net2NetError) || error.kind !== 'input' || error.where === name)
        throw error
      const { message, hint } = error
      throw inputError(`${name}: ${message}`, hint === undefined ? {} : { hint })
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
