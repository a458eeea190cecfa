/**
 * The gradient of max-pooling over 2 × 2 windows that do not overlap, without positions.
 *
 * The four phases q₀₀ … q₁₁ of the input (SpaceToDepth) have the size of the output, and
 * y = max(max(q₀₀, q₀₁), max(q₁₀, q₁₁)). Going back, each maximum hands δ to its first operand where
 * that is at least the second, and to the second otherwise: δ·m and δ − δ·m for a mask m of ones and
 * zeros. So the first element in row order wins a tie, as the standard demands of positions.
 *
 * Runtimes compute max-pooling with positions element by element; everything here is a pass over
 * whole tensors. The form also keeps the phases apart, which a convolution below or above can use.
 */
import type { Dim } from '../../model/model.ts'
import type { Emitter } from '../contract/gradient.ts'
import { ints } from '../helpers/emission.ts'
import { positive } from '../helpers/masks.ts'
import { type KnownWindowAxis, liesSideBySide } from '../helpers/windows.ts'

/**
 * Does the form hold for this pooling of an image [N, C, H, W], and pay? Only whole blocks of
 * channels do (see `../../passes/cpu-layout/blocked-layout.ts`); otherwise taking phases costs what it saves.
 */
export const poolsByPhases = (
  window: readonly KnownWindowAxis[],
  channels: Dim | undefined,
): channels is number =>
  typeof channels === 'number' &&
  channels % 16 === 0 &&
  window.length === 2 &&
  window.every(
    (axis) =>
      liesSideBySide(axis) &&
      axis.kernel === 2 &&
      typeof axis.input === 'number' &&
      axis.input % 2 === 0,
  )

/** ∂L/∂x of y = MaxPool(x) from δ = ∂L/∂y. */
export function phasedPoolGradient(
  emitter: Emitter,
  dy: string,
  x: string,
  channels: number,
): string {
  const phases = emitter.op('SpaceToDepth', [x], { blocksize: 2 })
  const [q00, q01, q10, q11] = emitter.emit(
    'Split',
    [phases, ints(emitter, Array(4).fill(channels))],
    { axis: 1 },
    { outputs: 4 },
  ) as [string, string, string, string]
  const max = (a: string, b: string) => emitter.op('Max', [a, b])
  const [top, bottom] = share(emitter, dy, max(q00, q01), max(q10, q11))
  const [first, second] = share(emitter, top, q00, q01)
  const [third, fourth] = share(emitter, bottom, q10, q11)
  const parts = [first, second, third, fourth]
  const joined = emitter.op('Concat', parts, { axis: 1 })
  const [dx] = emitter.emit(
    'DepthToSpace',
    [joined],
    { blocksize: 2 },
    { infos: [emitter.info(x)] },
  )
  // Every δ arrives exactly once, so the sums per channel stay what they were.
  emitter.hint(dx!, {
    phases: parts,
    phaseTerms: {
      values: [dy, top, first, third],
      factors: [
        [0, 0, 1, 0],
        [0, 1, -1, 0],
        [0, 0, 0, 1],
        [1, -1, 0, -1],
      ],
    },
    sums: dy,
  })
  return dx!
}

/** δ where a ≥ b and δ where not; the mask is cheaper than comparing, casting and selecting. */
function share(emitter: Emitter, dy: string, a: string, b: string): readonly [string, string] {
  const mask = positive(emitter, emitter.op('Sub', [a, b]), 1)
  const first = emitter.op('Mul', [dy, mask])
  return [first, emitter.op('Sub', [dy, first])]
}
