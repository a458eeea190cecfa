/**
 * The ONNX model of a checkpoint to which layers were added: blocks of the model are repeated, and get the numbers of
 * the entries, so that what is compared is what the files hold.
 */
import { Net2NetError } from '../../errors.ts'
import { applyPlan } from '../../growth/apply/apply.ts'
import { planRepeat } from '../../growth/plan/repeat.ts'
import type { Model } from '../../model/model.ts'
import type { LazyTensor } from '../../tensor/tensor.ts'
import type { Binding } from '../bind.ts'
import { rearranged } from '../rearranged.ts'

/** An initializer that holds an entry. */
export type Held = Pick<Binding, 'entry' | 'initializer' | 'axes'>

/**
 * @param held which initializers of the model hold which entries, before layers were added
 * @param added the new layers by name, and the layers that they are copies of
 * @param entries with the new layers
 * @returns undefined where no plan repeats a layer
 */
export function deepenedModel(
  model: Model,
  held: readonly Held[],
  added: ReadonlyMap<string, string>,
  entries: ReadonlyMap<string, LazyTensor>,
): Model | undefined {
  let current = model
  for (const [layer, origin] of added) {
    const within = `${origin}.`
    const own = held.filter(({ entry }) => entry.startsWith(within))
    try {
      const plan = planRepeat(current, [origin])
      current = applyPlan(current, plan)
      const initializers = new Map(current.graph.initializers)
      for (const { name, to } of plan.repeated?.flatMap(({ parameters }) => parameters) ?? []) {
        const holder = own.find(({ initializer }) => initializer === name)
        const entry = holder && entries.get(layer + holder.entry.slice(origin.length))
        const stored = initializers.get(to)
        if (!holder || !entry || !stored || entry.dtype !== stored.tensor.dtype) continue
        const from = stored.tensor.dims.map((_, axis) => {
          const k = holder.axes.indexOf(axis)
          return k < 0 ? undefined : k
        })
        initializers.set(to, { ...stored, tensor: rearranged(entry, from) })
      }
      current = { ...current, graph: { ...current.graph, initializers } }
    } catch (cause) {
      // A block that no plan repeats is no fault of the checkpoint: its layers are not run then.
      if (cause instanceof Net2NetError && cause.kind !== 'internal') return undefined
      throw cause
    }
  }
  return current
}
