/** Signals [N, C, L] as images of one row [N, C, 1, L]. */
import { intAttribute, intsAttribute } from '../../model/attributes.ts'
import { ints, reshape, unsqueeze } from '../../operators/helpers/emission.ts'
import { axesOf, type ImageForm, sizesOf } from './image-form.ts'

export const signals: ImageForm = {
  rank: 3,
  isApart: false,
  isBlocked(emitter, node, block) {
    const [filters, perGroup] = sizesOf(emitter, node, 3) ?? []
    if (filters === undefined || perGroup === undefined) return false
    const group = intAttribute(node, 'group', 1)
    const isDepthwise = group === filters && perGroup === 1
    // Fewer channels than a block, as in a first layer, stay as they are.
    const inBlocks = perGroup < block || perGroup % block === 0
    const inWholeBlocks = perGroup % block === 0 && (filters / group) % block === 0
    return filters % block === 0 && (group === 1 ? inBlocks : isDepthwise || inWholeBlocks)
  },
  toImage: (emitter, value) => unsqueeze(emitter, value, [2]),
  fromImage: (emitter, image) => ({ opType: 'Squeeze', inputs: [image, ints(emitter, [2])] }),
  unmoved: (emitter, node, image) =>
    node.opType === 'Unsqueeze' && axesOf(emitter, node)?.join() === '2' ? image : undefined,
  convolve(emitter, node, image) {
    const [, weight = '', ...bias] = node.inputs
    const [filters, channels, kernel] = emitter.info(weight).shape as readonly number[]
    const own = reshape(emitter, weight, [filters!, channels!, 1, kernel!])
    const along = (name: string) => intsAttribute(node, name)?.[0] ?? 1
    const [begin = 0, end = 0] = intsAttribute(node, 'pads') ?? []
    return emitter.op('Conv', [image, own, ...bias], {
      kernel_shape: [1, kernel!],
      strides: [1, along('strides')],
      dilations: [1, along('dilations')],
      pads: [0, begin, 0, end],
      group: intAttribute(node, 'group', 1),
    })
  },
  toOperand(emitter, value) {
    return emitter.info(value).shape!.length < 2 ? undefined : unsqueeze(emitter, value, [1])
  },
}
