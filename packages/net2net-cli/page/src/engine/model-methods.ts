/** Holds the models: reads, inspects, grows, compares and writes them (other workers run them), off the page's thread. */

import { decodeModel, encodeModel, type Model } from 'net2net'
import { constantsOf, inferShapes } from 'net2net/model'
import { inputError, usageError } from '../../../src/errors.ts'
import { diffOf, single } from './diff.ts'
import { type Network, namingFile, openNetwork } from './formats.ts'
import { grow, inspectLayers, planText, recipeOf } from './growth.ts'
import { layoutOf } from './layout.ts'
import { outputName } from './output-name.ts'
import type { ComparedModels, GrowSettings, ModelMethods, Pair, Source } from './protocol.ts'
import { samples } from './samples.ts'
import { serveMethods } from './serve.ts'
import { parameterStatistics } from './statistics.ts'
import { type ModelView, type ParameterView, viewOf } from './view.ts'

interface Loaded {
  readonly model: Model
  readonly view: ModelView
}
interface Opened extends Loaded {
  readonly network?: Network
}
let original: Opened | undefined
let grown: Loaded | undefined
let compared: readonly [Loaded, Loaded] | undefined

serveMethods<ModelMethods>({
  async open(source) {
    const loaded = await load(source)
    original = loaded
    grown = undefined
    const diff = single(loaded.view)
    const { weights, optimizer } = loaded.network ?? {}
    return {
      view: loaded.view,
      layers: inspectLayers(loaded.model),
      diff,
      layout: layoutOf(diff),
      ...(weights !== undefined && { weights }),
      ...(optimizer !== undefined && { optimizer }),
    }
  },

  async grow(settings) {
    const before = opened()
    const { model: planned, plans } = grow(before.model, settings)
    const model = (await before.network?.afterGrowth(plans, planned)) ?? planned
    grown = { model, view: viewOfModel(model, before.view.name) }
    const diff = diffOf(before.view, grown.view, () => false)
    return { view: grown.view, diff, layout: layoutOf(diff), plans, text: planText(plans) }
  },

  async download(settings) {
    const { model, network, view } = opened()
    const { model: after, plans } = grow(model, settings)
    const files = await network?.write(plans, after)
    return {
      files: files ?? [{ name: outputName(view.name), bytes: ownBytes(encodeModel(after)) }],
    }
  },

  recipe: recipeOf,

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

function opened(): Opened {
  if (original === undefined) throw usageError('No model is open.')
  return original
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

export type { GrowSettings }
