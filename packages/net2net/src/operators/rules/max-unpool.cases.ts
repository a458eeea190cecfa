/** Test cases of MaxUnpool. */
import type { OperatorCases } from '../../../testing/cases.ts'
import { between } from '../../../testing/draws.ts'
import { normalTensor } from '../../../testing/gradient-check.ts'
import { permutation } from '../../tensor/random.ts'
import { elementCount, int64 } from '../../tensor/tensor.ts'

export const cases: OperatorCases = {
  MaxUnpool: {
    gradient: [
      {
        linear: true,
        draw(random) {
          const dims = [between(random, 1, 2), between(random, 1, 2), 2, 3]
          const full = [...dims.slice(0, 2), 4, 6]
          const places = permutation(elementCount(full), random)
          const positions = int64(Array.from(places.subarray(0, elementCount(dims))), dims)
          return {
            attributes: { kernel_shape: [2, 2], strides: [2, 2] },
            inputs: [normalTensor(random, dims), positions],
            constants: [1],
          }
        },
      },
    ],
  },
}
