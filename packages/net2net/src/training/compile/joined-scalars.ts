/**
 * The slots of one number each (how many steps a parameter has been updated), of many parameters in one tensor: an input and an
 * output of the step instead of one for each parameter, and what updates compute from them is computed once, as vectors.
 */
import type { GraphEmitter } from '../../autodiff/emitter.ts'
import type { GraphBuilder } from '../../model/builder.ts'
import { ints } from '../../operators/helpers/emission.ts'
import type { JoinedState } from './joined-vectors.ts'
import { type Optimizer, type Scalars, type Slot, slotName } from './optimizers/optimizer.ts'

export class JoinedScalars {
  readonly states: readonly JoinedState[]
  /** The next value of each state by its input's name. */
  readonly next: ReadonlyMap<string, string>
  readonly #each: ReadonlyMap<string, Scalars>

  constructor(
    builder: GraphBuilder,
    emitter: GraphEmitter,
    optimizer: Optimizer,
    parameters: readonly string[],
  ) {
    const count = parameters.length
    const slots = optimizer.slots.filter(({ shape }) => shape === 'scalar')
    const inputs = new Map(
      slots.map((slot) => {
        const name = builder.names.fresh(`${slot.name}s`)
        builder.input(name, 'float32', [count])
        emitter.declare(name, { dtype: 'float32', shape: [count] })
        return [slot.name, name] as const
      }),
    )
    const vectors = optimizer.scalars!(emitter, (name) => inputs.get(name)!)
    this.states = slots.map(({ name }) => ({
      name: inputs.get(name)!,
      parts: parameters.map((parameter) => slotName(parameter, name)),
    }))
    this.next = new Map(slots.map(({ name }) => [inputs.get(name)!, vectors[name]!]))
    const isSlot = (name: string) => inputs.has(name as Slot['name'])
    const apart = Object.entries(vectors).map(([name, value]) => {
      // A number that is the same for all, or the next value of a slot, which leaves as a whole.
      if (isSlot(name) || emitter.info(value).shape?.length === 0) return [name, undefined, value]
      const sizes = ints(emitter, Array<number>(count).fill(1))
      return [name, emitter.emit('Split', [value, sizes], { axis: 0 }, { outputs: count }), value]
    }) as readonly (readonly [string, readonly string[] | undefined, string])[]
    this.#each = new Map(
      parameters.map((parameter, i) => [
        parameter,
        Object.fromEntries(apart.map(([name, parts, value]) => [name, parts?.[i] ?? value])),
      ]),
    )
  }

  /** What the update of this parameter takes. */
  of(parameter: string): Scalars {
    return this.#each.get(parameter)!
  }
}
