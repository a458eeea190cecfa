/** The state of a training as plain data, which crosses from worker to worker, and back. */
import { Tensor } from 'net2net'
import type { TrainingState } from 'net2net/training'

type Tensors = ReadonlyMap<string, Tensor>
interface PlainTensor {
  readonly dtype: Tensor['dtype']
  readonly dims: readonly number[]
  readonly data: Tensor['data']
}
export type PlainState = Omit<TrainingState, 'tensors' | 'bestTensors'> & {
  readonly tensors: ReadonlyMap<string, PlainTensor>
}

export function plainState({ bestTensors: _, ...state }: TrainingState): PlainState {
  return {
    ...state,
    tensors: new Map(
      [...state.tensors].map(([name, { dtype, dims, data }]) => [
        name,
        { dtype, dims, data: data.slice() },
      ]),
    ),
  }
}

export function stateFrom(state: PlainState): TrainingState {
  const tensors: Tensors = new Map(
    [...state.tensors].map(([name, { dtype, dims, data }]) => [
      name,
      new Tensor(dtype, dims, data),
    ]),
  )
  return { ...state, tensors }
}
