/**
 * Masks of ones and zeros as float32: the steepest hard sigmoid, clip(s·x + β) to [0, 1] with
 * s = 3·10³⁸. It is 1 for x ≥ 1/s and 0 for x ≤ −1/s, which differences of float32 numbers of ordinary size
 * always are if they are not 0, where it is β.
 *
 * ONNX Runtime computes HardSigmoid in one pass. Its build for WebAssembly does that element by element with
 * branches; there four passes of vector operations are faster.
 */
import { float } from '../../model/attributes.ts'
import type { Emitter } from '../contract/gradient.ts'
import { numberLike } from './emission.ts'

const slope = 3e38

/** 1 where x > 0, `atZero` where x = 0, and 0 where x < 0. */
export function positive(emitter: Emitter, x: string, atZero: 0 | 1): string {
  if (emitter.target !== 'onnxruntime-wasm')
    return emitter.op('HardSigmoid', [x], { alpha: float(slope), beta: float(atZero) })
  const number = (value: number) => numberLike(emitter, x, value)
  const steep = emitter.op('Mul', [x, number(slope)])
  const moved = atZero === 0 ? steep : emitter.op('Add', [steep, number(atZero)])
  return emitter.op('Min', [emitter.op('Max', [moved, number(0)]), number(1)])
}
