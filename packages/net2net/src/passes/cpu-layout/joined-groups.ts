/**
 * Convolutions of images in narrow groups, as convolutions in groups of whole blocks of channels: groups beside each other are joined,
 * and the weights between what one of them reads and what another one gives are zero. Four groups of four channels are one of sixteen.
 * ONNX Runtime convolves in blocks (see `blocked-layout.ts`) so much faster than group by group that the products with zeros pay.
 */
import { attributes, intAttribute } from '../../model/attributes.ts'
import type { Model, Node } from '../../model/model.ts'
import type { ValueInfo } from '../../operators/contract/infer.ts'
import { float32, int64 } from '../../tensor/tensor.ts'
import { inferOnce } from './infer-once.ts'
import { Rewriter } from './rewriter.ts'

/** Joining more groups costs what blocks save. */
const mostJoined = 8

/** @param block channels per block of the runtime's blocked layout */
export function joinGroups(model: Model, block: number): Model {
  const infos = inferOnce(model)
  const found = new Map(
    model.graph.nodes.flatMap((node) => {
      const groups = groupsOf(node, infos, block)
      return groups ? [[node, groups] as const] : []
    }),
  )
  if (found.size === 0) return model
  const rewriter = new Rewriter(model)
  const sizes = (values: readonly number[]) => rewriter.constant(int64(values), 'sizes')
  for (const node of model.graph.nodes) {
    const groups = found.get(node)
    if (!groups) {
      rewriter.share(node)
      continue
    }
    const { count, joined, outer, inner, kernel } = groups
    const [x = '', weight = '', ...bias] = node.inputs
    const field = kernel.reduce((product, size) => product * size, 1)
    const apart = sizes([count / joined, joined, outer, 1, inner, field])
    const own = Float32Array.from({ length: joined ** 2 }, (_, i) =>
      Math.floor(i / joined) === i % joined ? 1 : 0,
    )
    const mask = rewriter.constant(float32([1, joined, 1, joined, 1, 1], own), 'own')
    const emit = (opType: string, inputs: readonly string[]) => rewriter.emit(opType, inputs)[0]!
    const diagonal = emit('Mul', [emit('Reshape', [rewriter.value(weight), apart]), mask])
    const whole = emit('Reshape', [diagonal, sizes([count * outer, joined * inner, ...kernel])])
    rewriter.keep({
      ...node,
      inputs: [x, whole, ...bias],
      attributes: new Map([...node.attributes, ...attributes({ group: count / joined })]),
    })
  }
  return rewriter.model()
}

interface Groups {
  readonly count: number
  /** How many become one. */
  readonly joined: number
  /** The weight's axes: those of a group. */
  readonly outer: number
  readonly inner: number
  readonly kernel: readonly number[]
}

/** The groups of a convolution or a transposed one, where some of them make up whole blocks. */
function groupsOf(
  node: Node,
  infos: ReadonlyMap<string, ValueInfo>,
  block: number,
): Groups | undefined {
  const count = intAttribute(node, 'group', 1)
  if (node.domain !== '' || !/^Conv(Transpose)?$/.test(node.opType) || count === 1) return undefined
  const [x, weight] = [0, 1].map((i) => infos.get(node.inputs[i]!))
  if (x?.dtype !== 'float32' || weight?.shape?.length !== 4) return undefined
  if (!weight.shape.every((dim) => typeof dim === 'number')) return undefined
  const [all, inner, ...kernel] = weight.shape as readonly [number, number, ...number[]]
  const outer = all / count
  const narrow = Math.min(outer, inner)
  const joined = block / narrow
  const isWhole = [outer, inner].every((width) => (joined * width) % block === 0)
  const isNarrow = narrow > 1 && joined > 1 && joined <= mostJoined && count % joined === 0
  return isNarrow && isWhole && Number.isInteger(joined)
    ? { count, joined, outer, inner, kernel }
    : undefined
}
