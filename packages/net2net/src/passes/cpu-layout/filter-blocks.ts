/**
 * Weights of convolutions in the order in which those in blocks of channels read them: of [M, C, …], with b channels per block, the filters and the
 * channels of one pair of blocks follow on one another for each tap, [M/b, C/b, taps, b of C, b of M].
 */
import { elementCount, float32, type Tensor } from '../../tensor/tensor.ts'

/** What of a state is in this order. */
export interface StateInBlocks {
  readonly names: ReadonlySet<string>
  /** Channels per block. */
  readonly block: number
}

export const noneInBlocks: StateInBlocks = { names: new Set(), block: 1 }

/** @param tensor [M, C, …] of float32, M and C multiples of `block` */
export const toFilterBlocks = (tensor: Tensor, block: number): Tensor =>
  moved(tensor, block, (from, to, own, blocked) => {
    to[blocked] = from[own]!
  })

/** The tensor that `toFilterBlocks` was given. */
export const fromFilterBlocks = (tensor: Tensor, block: number): Tensor =>
  moved(tensor, block, (from, to, own, blocked) => {
    to[own] = from[blocked]!
  })

type Move = (from: Float32Array, to: Float32Array, own: number, blocked: number) => void

function moved({ dims, data }: Tensor, block: number, move: Move): Tensor {
  const from = data as Float32Array
  const to = new Float32Array(from.length)
  const [filters = 0, channels = 0, ...kernel] = dims
  const taps = elementCount(kernel)
  let blocked = 0
  for (let m = 0; m < filters; m += block)
    for (let c = 0; c < channels; c += block)
      for (let tap = 0; tap < taps; tap++)
        for (let channel = c; channel < c + block; channel++)
          for (let filter = m; filter < m + block; filter++)
            move(from, to, (filter * channels + channel) * taps + tap, blocked++)
  return float32(dims, to)
}
