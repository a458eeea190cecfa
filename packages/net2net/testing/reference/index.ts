/** The float64 kernels of our own, by operator. ONNX Runtime computes the others in double. */
import { attentions } from './attention.ts'
import { convolutions } from './convolution.ts'
import { elementwise } from './elementwise.ts'
import type { Kernel } from './kernel.ts'
import { linearAlgebra } from './linear-algebra.ts'
import { normalizations } from './normalization.ts'
import { pools } from './pooling.ts'
import { recurrences } from './recurrent.ts'

export const kernels: ReadonlyMap<string, Kernel> = new Map<string, Kernel>(
  [
    attentions,
    convolutions,
    elementwise,
    linearAlgebra,
    normalizations,
    pools,
    recurrences,
  ].flatMap((family) => Object.entries(family)),
)
