/** The state of a step graph in the tensors that its session is fed, and back. */
import {
  fromFilterBlocks,
  noneInBlocks,
  type StateInBlocks,
  toFilterBlocks,
} from '../../passes/cpu-layout/filter-blocks.ts'
import { elementCount, float32, type Tensor } from '../../tensor/tensor.ts'
import type { StepGraph } from '../compile/step-graph.ts'

type Tensors = ReadonlyMap<string, Tensor>

/** By the names of the session's inputs: what is joined or in blocks in new tensors, all else as it is. */
export function fedState(
  { joined }: StepGraph,
  state: Tensors,
  { names, block }: StateInBlocks = noneInBlocks,
): Tensors {
  const fed = new Map<string, Tensor>()
  const parts = new Set(joined.flatMap((vectors) => vectors.parts))
  for (const vectors of joined)
    fed.set(vectors.name, joinedTensor(vectors.parts.map((name) => state.get(name)!)))
  for (const [name, tensor] of state)
    if (!parts.has(name)) fed.set(name, names.has(name) ? toFilterBlocks(tensor, block) : tensor)
  return fed
}

/** The state that was fed so, by its own names: views of the same memory, but for what is in blocks. */
export function stateOf(
  { joined, state }: StepGraph,
  fed: Tensors,
  { names, block }: StateInBlocks = noneInBlocks,
): Tensors {
  const parts = new Map<string, Tensor>()
  for (const { name, parts: names } of joined) {
    const whole = fed.get(name)!.data as Float32Array
    let offset = 0
    for (const part of names) {
      const { dims } = state.get(part)!
      const end = offset + elementCount(dims)
      parts.set(part, float32(dims, whole.subarray(offset, end)))
      offset = end
    }
  }
  const own = (name: string) => {
    const tensor = fed.get(name)!
    return names.has(name) ? fromFilterBlocks(tensor, block) : tensor
  }
  return new Map([...state.keys()].map((name) => [name, parts.get(name) ?? own(name)]))
}

function joinedTensor(parts: readonly Tensor[]): Tensor {
  const whole = new Float32Array(parts.reduce((sum, { data }) => sum + data.length, 0))
  let offset = 0
  for (const { data } of parts) {
    whole.set(data as Float32Array, offset)
    offset += data.length
  }
  return float32([whole.length], whole)
}
