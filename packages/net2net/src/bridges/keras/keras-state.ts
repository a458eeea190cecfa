/** A file of Keras beside its network, and the variables of its optimizer in their places. */
import { internalError } from '../../errors.ts'
import { lazyFill } from '../../tensor/lazy.ts'
import type { LazyTensor } from '../../tensor/tensor.ts'
import type { Hdf5Dataset } from '../hdf5-read.ts'
import { groupAt, type KerasFile, withGroup, withNames, withWeights } from './keras-file.ts'
import type { OptimizerState, OptimizerVariable, trainedVariables } from './optimizer.ts'
import type { KerasModel } from './to-model.ts'

/** A file of Keras, and the ONNX model of its network. */
export interface KerasState {
  readonly file: KerasFile
  readonly network: KerasModel
}

/** The state for variables of which some are new: these begin as an optimizer begins. */
export function arranged(
  state: OptimizerState,
  variables: ReturnType<typeof trainedVariables>,
): OptimizerState {
  const nameOfPlace = ({ slot, of }: Pick<OptimizerVariable, 'slot' | 'of'>) =>
    `${slot?.name} ${of}`
  const known = new Map(
    state.variables.flatMap((each) =>
      each.slot ? [[nameOfPlace(each), each.tensor] as const] : [],
    ),
  )
  const counters = state.variables.filter(({ slot }) => !slot).map(({ tensor }) => tensor)
  const byKey = new Map(variables.map((each) => [each.key, each.tensor]))
  return {
    ...state,
    variables: state.arrange(variables).map((place): OptimizerVariable => {
      if (!place.slot) return { ...place, tensor: counters.shift()! }
      const own = byKey.get(place.of!)
      const { power, initial } = place.slot
      const old = known.get(nameOfPlace(place))
      if (old) return { ...place, tensor: old }
      if (!own) throw internalError(`The optimizer has a slot of no variable: ${place.of}.`)
      const filled = lazyFill({ kind: 'constant', value: initial }, own.dtype, own.dims, 0)
      return { ...place, tensor: power === 'weight' ? own : filled }
    }),
  }
}

/** The file with the optimizer's variables in their places, under the names that they had where they were there before. */
export function withStates(file: KerasFile, states: readonly OptimizerState[]): KerasFile {
  return states.reduce((result, { folder, variables }) => {
    const group = groupAt(result.weights, folder)!
    const dataset = (tensor: LazyTensor): Hdf5Dataset => ({
      kind: 'dataset',
      attributes: new Map(),
      value: { kind: 'numbers', tensor },
    })
    if (file.format === 'keras') {
      const children = new Map(variables.map(({ tensor }, i) => [`${i}`, dataset(tensor)] as const))
      return withWeights(result, withGroup(result.weights, folder, { ...group, children }))
    }
    // Keras counts on their order alone.
    const names = variables.map(
      ({ slot, of }, i) =>
        `optimizer/${slot ? `${of!.replaceAll(/[ /]/g, '_')}_${slot.name}` : `counter_${i}`}`,
    )
    const children = new Map(
      variables.map(
        ({ tensor }, i) => [names[i]!.slice('optimizer/'.length), dataset(tensor)] as const,
      ),
    )
    const inner = { kind: 'group' as const, attributes: new Map(), children }
    const listed = withNames(
      { ...group, children: new Map([['optimizer', inner]]) },
      'weight_names',
      names,
    )
    return withWeights(result, withGroup(result.weights, folder, listed))
  }, file)
}
