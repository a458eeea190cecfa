/**
 * Transposed convolutions with a stride s, by phases: output s·q + a along an axis adds up
 *
 *   w[k] · x[o] for s·o + k − p = s·q + a, that is k = s·t + r, o = q + e − t
 *
 * with r = (a + p) mod s and e = ⌊(a + p) / s⌋. So each phase is an ordinary convolution of x with every
 * s-th tap of the kernel, turned round, and DepthToSpace puts the phases beside each other: nothing is
 * computed that is not needed, and the blocked layout has fast kernels for all of it, but none for
 * ConvTranspose.
 */
import { intAttribute, intsAttribute, stringAttribute } from '../../model/attributes.ts'
import type { Model, Node } from '../../model/model.ts'
import type { Emitter } from '../../operators/contract/gradient.ts'
import { ints, range, reshape, transpose } from '../../operators/helpers/emission.ts'
import { Rewriter } from './rewriter.ts'
import { RewritingEmitter } from './rewriting-emitter.ts'

/** One phase along an axis: its taps in the order of the convolution, and its pads. */
interface Phase {
  readonly taps: readonly number[]
  readonly begin: number
  readonly end: number
}

/** @param block channels per block: others than multiples of it are left to ConvTranspose */
export function phaseTranspositions(model: Model, block: number): Model {
  const rewriter = new Rewriter(model)
  const emitter = new RewritingEmitter(rewriter, model)
  let changed = false
  for (const node of model.graph.nodes) {
    const phases = phasesOf(emitter, node, block)
    if (phases) {
      rewriter.replace(node.outputs[0]!, byPhases(emitter, rewriter, node, phases))
      changed = true
    } else rewriter.share(node)
  }
  return changed ? rewriter.model() : model
}

/** The phases along rows and columns; undefined where the node is computed as it stands. */
function phasesOf(
  emitter: Emitter,
  node: Node,
  block: number,
): readonly [readonly Phase[], readonly Phase[]] | undefined {
  if (node.opType !== 'ConvTranspose' || node.domain !== '') return undefined
  const [x, weight] = node.inputs.map((name) => emitter.info(name).shape)
  const { dtype, shape: y } = emitter.info(node.outputs[0]!)
  const kernel = intsAttribute(node, 'kernel_shape') ?? weight?.slice(2)
  const strides = intsAttribute(node, 'strides') ?? []
  const pads = intsAttribute(node, 'pads') ?? [0, 0, 0, 0]
  const [stride = 1] = strides
  const group = intAttribute(node, 'group', 1)
  const [filters, channels] = [x?.[1], y?.[1]]
  const inBlocks = [filters, channels].every(
    (count) => typeof count === 'number' && count % block === 0,
  )
  const isDepthwise = group === filters && group === channels
  if (dtype !== 'float32' || x?.length !== 4 || !inBlocks || (group > 1 && !isDepthwise))
    return undefined
  if (stride < 2 || strides.some((other) => other !== stride)) return undefined
  if ((intsAttribute(node, 'dilations') ?? []).some((dilation) => dilation !== 1)) return undefined
  const automatic = stringAttribute(node, 'auto_pad', 'NOTSET') !== 'NOTSET'
  if (automatic || node.attributes.has('output_shape')) return undefined
  const [rows, columns] = [0, 1].map((i) => {
    const [taps, given, output] = [kernel?.[i], x[i + 2], y?.[i + 2]]
    if (typeof taps !== 'number' || typeof given !== 'number' || typeof output !== 'number')
      return undefined
    return output % stride === 0 ? phasesAlong(taps, stride, pads[i]!, given, output) : undefined
  })
  return rows && columns ? [rows, columns] : undefined
}

/** Undefined where a phase has no tap, or would need a negative pad. */
function phasesAlong(
  kernel: number,
  stride: number,
  pad: number,
  input: number,
  output: number,
): readonly Phase[] | undefined {
  const phases = range(stride).map((phase): Phase => {
    const rest = (phase + pad) % stride
    const shift = Math.floor((phase + pad) / stride)
    const taps = range(kernel).filter((k) => k % stride === rest)
    return {
      taps: taps.reverse(),
      begin: taps.length - 1 - shift,
      end: output / stride + shift - input,
    }
  })
  const fits = ({ taps, begin, end }: Phase) => taps.length > 0 && begin >= 0 && end >= 0
  return phases.every(fits) ? phases : undefined
}

function byPhases(
  emitter: Emitter,
  rewriter: Rewriter,
  node: Node,
  [down, across]: readonly [readonly Phase[], readonly Phase[]],
): string {
  const [x = '', weight = '', bias = ''] = node.inputs.map((name) => rewriter.value(name))
  const [filters, perGroup, , width] = emitter.info(node.inputs[1]!).shape as readonly number[]
  const group = intAttribute(node, 'group', 1)
  const field = down.flatMap(({ taps }) => taps).length * width!
  // [M, C, K·L] as [C, K·L, M]: matrices are transposed, and whole rows are picked.
  const rows = transpose(emitter, reshape(emitter, weight, [filters!, perGroup! * field]), [1, 0])
  const kernels = reshape(emitter, rows, [perGroup!, field, filters!])
  const phases = down.flatMap((row) =>
    across.map((column) => {
      const taps = row.taps.flatMap((k) => column.taps.map((l) => k * width! + l))
      const picked = emitter.op('Gather', [kernels, ints(emitter, taps)], { axis: 1 })
      const order = group === 1 ? [0, 2, 1] : [2, 0, 1]
      const dims = group === 1 ? [perGroup!, filters!] : [filters!, 1]
      const kernel = reshape(emitter, transpose(emitter, picked, order), [
        ...dims,
        row.taps.length,
        column.taps.length,
      ])
      return emitter.op('Conv', [x, kernel, ...(bias === '' ? [] : [bias])], {
        kernel_shape: [row.taps.length, column.taps.length],
        pads: [row.begin, column.begin, row.end, column.end],
        ...(group === 1 ? {} : { group }),
      })
    }),
  )
  const blocksize = down.length
  return emitter.op('DepthToSpace', [emitter.op('Concat', phases, { axis: 1 })], { blocksize })
}
