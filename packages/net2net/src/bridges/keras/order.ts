/** The order of the layers of a functional model, from which Keras counts folders and optimizer state. */
import { callsOf, type KerasTensor, tensorsOf } from './inbound.ts'
import type { JsonObject } from './json.ts'
import { configOf, entriesOf, isSequential, kindOf, nameOf } from './place.ts'

interface Call {
  readonly layer: string
  readonly inputs: readonly Call[]
}

/**
 * The layers of a model's config as Keras orders them when it opens it: those of a functional model by their distance
 * from the outputs, and at the same distance as a search from the outputs meets them (`map_graph` in
 * keras/src/ops/function.py).
 */
export function inKerasOrder(model: JsonObject): readonly JsonObject[] {
  const entries = entriesOf(model)
  if (isSequential(model)) return entries
  const byName = new Map(entries.map((entry) => [nameOf(entry), entry]))
  const calls = new Map<string, Call>()
  const met: string[] = []
  const finished: Call[] = []
  const visit = ({ layer, node }: KerasTensor): Call => {
    const key = `${layer}/${node}`
    const known = calls.get(key)
    if (known) return known
    const entry = byName.get(layer)
    const { inputs = [], named } = (entry && callsOf(entry)[node]) ?? {}
    const inner: Call[] = []
    const call = { layer, inputs: inner }
    calls.set(key, call)
    if (!met.includes(layer)) met.push(layer)
    const byKey = [...(named ?? [])].sort(([a], [b]) => (a < b ? -1 : 1))
    for (const tensor of [...inputs, ...byKey.flatMap(([, list]) => list)])
      inner.push(visit(tensor))
    finished.push(call)
    return call
  }
  for (const tensor of tensorsOf(configOf(model).output_layers)) visit(tensor)
  const depths = new Map<Call, number>()
  const layerDepths = new Map<string, number>()
  for (const call of finished.reverse()) {
    const depth = Math.max(depths.get(call) ?? 0, layerDepths.get(call.layer) ?? 0)
    depths.set(call, depth)
    layerDepths.set(call.layer, depth)
    for (const input of call.inputs) depths.set(input, Math.max(depths.get(input) ?? 0, depth + 1))
  }
  const depthOf = (entry: JsonObject) => layerDepths.get(nameOf(entry)) ?? 0
  // Inputs that nothing reads come before what else has their depth.
  const placeOf = (entry: JsonObject) => met.indexOf(nameOf(entry))
  return entries
    .filter((entry) => placeOf(entry) >= 0 || kindOf(entry) === 'InputLayer')
    .sort((a, b) => depthOf(b) - depthOf(a) || placeOf(a) - placeOf(b))
}
