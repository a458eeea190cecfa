/**
 * Signals [N, C, L] as images [N, C, 1, L] of one row: the blocked layout is one of images. Convolutions of signals whose channels are
 * whole blocks are written as convolutions of images, and what is computed from these element by element, as a normalization or as a
 * sum follows them, so that they are brought into blocks once and not for each convolution.
 */
import { attributes, intAttribute, intsAttribute, stringAttribute } from '../../model/attributes.ts'
import { capturedValues } from '../../model/links.ts'
import type { Model, Node } from '../../model/model.ts'
import type { ValueInfo } from '../../operators/contract/infer.ts'
import { blockedElementwise } from '../../operators/helpers/blocked.ts'
import { inferModel } from '../../operators/inference.ts'
import { operatorOf } from '../../operators/table.ts'
import { int64, toNumbers } from '../../tensor/tensor.ts'
import { Rewriter } from './rewriter.ts'

/** @param block channels per block of the runtime's blocked layout */
export function signalsAsImages(model: Model, block: number): Model {
  const { nodes } = model.graph
  const infos = inferModel(model)
  if (!nodes.some((node) => isBlockedConvolution(node, infos, block))) return model
  const rewriter = new Rewriter(model)
  const captured = new Set(nodes.flatMap((node) => [...capturedValues(node)]))
  /** Signals → the images that hold the same. */
  const images = new Map<string, string>()
  const sizes = (values: readonly number[]) => rewriter.constant(int64(values), 'sizes')

  const imageOf = (name: string): string => {
    let image = images.get(name)
    if (image === undefined) {
      image = rewriter.emit('Unsqueeze', [rewriter.value(name), sizes([2])])[0]!
      images.set(name, image)
    }
    return image
  }
  /** The image stands for the signal, which is there for those that read signals. */
  const hold = (signal: string, image: string): void => {
    images.set(signal, image)
    const inputs = [image, sizes([2])]
    rewriter.define({ opType: 'Squeeze', domain: '', inputs, outputs: [signal] })
  }

  /** The operand of an element-wise node on images; undefined where there is none. */
  const operandOf = (name: string, result: ValueInfo): (() => string) | undefined => {
    const { shape, dtype } = infos.get(name) ?? {}
    if (!shape || dtype !== 'float32') return undefined
    if (shape.every((dim) => dim === 1) && shape.length < 3) return () => rewriter.value(name)
    const [batch, channels, length] = shape.length === 3 ? shape : [1, ...shape]
    const fits = (dim: unknown, i: number) => dim === 1 || dim === result.shape![i]
    if (shape.length < 2 || ![batch, channels, length].every(fits)) return undefined
    if (shape.length === 3) return () => imageOf(name)
    return () => rewriter.emit('Unsqueeze', [rewriter.value(name), sizes([1])])[0]!
  }

  const rewrite = (node: Node): boolean => {
    const [x = '', weight = ''] = node.inputs
    const [y = ''] = node.outputs
    if (captured.has(y)) return false
    if (isBlockedConvolution(node, infos, block)) {
      const [filters, channels, kernel] = infos.get(weight)!.shape as readonly number[]
      const dims = sizes([filters!, channels!, 1, kernel!])
      const image = rewriter.emit('Reshape', [rewriter.value(weight), dims])[0]!
      const bias = node.inputs.slice(2).map((name) => rewriter.value(name))
      hold(y, rewriter.emit('Conv', [imageOf(x), image, ...bias], convolution(node, kernel!))[0]!)
      return true
    }
    if (!node.inputs.some((name) => images.has(name)) || node.domain !== '') return false
    const result = infos.get(y) ?? {}
    if (node.opType === 'Unsqueeze' && axesOf(node, infos)?.join() === '2') {
      rewriter.replace(y, imageOf(x))
      return true
    }
    if (node.opType === 'BatchNormalization' && result.shape?.length === 3) {
      const inputs = [imageOf(x), ...node.inputs.slice(1).map((name) => rewriter.value(name))]
      const count = node.outputs.length
      const [image, ...rest] = rewriter.emit(node.opType, inputs, node.attributes, {
        outputs: count,
      })
      hold(y, image!)
      for (const [k, name] of rest.entries()) rewriter.replace(node.outputs[k + 1]!, name)
      return true
    }
    if (/^Reduce(Sum|Mean)$/.test(node.opType)) {
      const axes = axesOf(node, infos)
      if (!axes?.includes(2) || axes.includes(1)) return false
      const keepdims = intAttribute(node, 'keepdims', 1)
      const inputs = [imageOf(x), sizes([...axes, 3])]
      const value = rewriter.emit(node.opType, inputs, { keepdims })[0]!
      if (keepdims === 1) hold(y, value)
      else rewriter.replace(y, value)
      return true
    }
    const elementwise = operatorOf(node)?.execution?.blocked === blockedElementwise
    if (!elementwise || result.shape?.length !== 3 || node.outputs.length !== 1) return false
    const operands = node.inputs.map((name) => operandOf(name, result))
    if (!operands.every((operand) => operand !== undefined)) return false
    const inputs = operands.map((operand) => operand())
    hold(y, rewriter.emit(node.opType, inputs, node.attributes)[0]!)
    return true
  }

  for (const node of nodes) if (!rewrite(node)) rewriter.share(node)
  return rewriter.model()
}

/** A convolution of signals that is one in blocks of channels if the signals are images. */
function isBlockedConvolution(
  node: Node,
  infos: ReadonlyMap<string, ValueInfo>,
  block: number,
): boolean {
  if (node.opType !== 'Conv' || node.domain !== '') return false
  if (stringAttribute(node, 'auto_pad', 'NOTSET') !== 'NOTSET') return false
  const [x, weight] = [0, 1].map((i) => infos.get(node.inputs[i] ?? ''))
  if (x?.dtype !== 'float32' || x.shape?.length !== 3 || typeof x.shape[2] !== 'number')
    return false
  if (!weight?.shape?.every((dim) => typeof dim === 'number')) return false
  const [filters, perGroup] = weight.shape as readonly number[] as [number, number]
  const group = intAttribute(node, 'group', 1)
  const isDepthwise = group === filters && perGroup === 1
  // Fewer channels than a block, as in a first layer, stay as they are.
  const inBlocks = perGroup < block || perGroup % block === 0
  const inWholeBlocks = perGroup % block === 0 && (filters / group) % block === 0
  return filters % block === 0 && (group === 1 ? inBlocks : isDepthwise || inWholeBlocks)
}

/** The attributes of the convolution along the row. */
function convolution(node: Node, kernel: number) {
  const along = (name: string) => intsAttribute(node, name)?.[0] ?? 1
  const [begin = 0, end = 0] = intsAttribute(node, 'pads') ?? []
  return attributes({
    kernel_shape: [1, kernel],
    strides: [1, along('strides')],
    dilations: [1, along('dilations')],
    pads: [0, begin, 0, end],
    group: intAttribute(node, 'group', 1),
  })
}

/** Axes that are given as a constant. */
function axesOf(node: Node, infos: ReadonlyMap<string, ValueInfo>): readonly number[] | undefined {
  const { constant } = infos.get(node.inputs[1] ?? '') ?? {}
  return constant && [...toNumbers(constant)].map(Number)
}
