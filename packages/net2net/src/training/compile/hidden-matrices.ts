/** Which parameters are weights of layers between others. */
import type { Node } from '../../model/model.ts'
import type { ValueInfo } from '../../operators/contract/infer.ts'
import { operatorOf } from '../../operators/table.ts'
import { isFloat } from '../../tensor/dtype.ts'

/**
 * The parameters without the tables of which entries are looked up, and without those of the last layers: which a value meets, on its
 * way to the output, behind all other parameters that are matrices (with two axes longer than 1, or more).
 *
 * @param constants the values that are stored: parameters and others
 */
export function hiddenParameters(
  nodes: readonly Node[],
  output: string,
  parameters: readonly string[],
  constants: { has(name: string): boolean },
  infoOf: (name: string) => ValueInfo,
): ReadonlySet<string> {
  const hidden = new Set(parameters)
  const trained: ReadonlySet<string> = new Set(parameters)
  const producers = new Map(nodes.flatMap((node) => node.outputs.map((name) => [name, node])))
  /** For a value that is computed from parameters and constants alone: its parameters that are matrices. */
  const known = new Map<string, ReadonlySet<string> | undefined>()
  for (const node of nodes) {
    const given = node.inputs.filter((name) => name !== '')
    if (given.length === 0) continue
    const sources = given.map((name) => matricesOf(name))
    if (sources.some((one) => one === undefined)) continue
    const all = new Set(sources.flatMap((one) => [...one!]))
    for (const name of node.outputs) known.set(name, all)
  }
  function matricesOf(name: string): ReadonlySet<string> | undefined {
    if (!constants.has(name)) return known.get(name)
    const long = infoOf(name).shape?.filter((size) => size !== 1) ?? []
    return new Set(trained.has(name) && long.length >= 2 ? [name] : [])
  }

  const seen = new Set<string>()
  const pending = [output]
  for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
    const node = producers.get(name)
    if (!node || seen.has(name)) continue
    seen.add(name)
    const own = node.inputs.flatMap((input) => [...(matricesOf(input) ?? [])])
    for (const parameter of own) hidden.delete(parameter)
    if (own.length === 0) pending.push(...node.inputs)
  }
  for (const node of nodes)
    for (const i of operatorOf(node)?.training?.parameters ?? []) {
      const others = node.inputs.filter((name, k) => name !== '' && k !== i)
      const isLookedUp =
        others.length > 0 && others.every((name) => !isFloat(infoOf(name).dtype ?? 'float32'))
      if (isLookedUp) for (const name of matricesOf(node.inputs[i] ?? '') ?? []) hidden.delete(name)
    }
  return hidden
}
