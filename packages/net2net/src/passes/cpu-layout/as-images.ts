/**
 * Signals (`signal-images.ts`) and volumes (`volume-images.ts`) as images: the blocked layout is one of images.
 *
 * Convolutions whose filters are whole blocks are written as convolutions of images, and what is computed from these element by element, as a
 * normalization, as a sum or side by side follows them, so that they are brought into blocks once and not for each convolution.
 */
import { intAttribute } from '../../model/attributes.ts'
import { capturedValues } from '../../model/links.ts'
import type { Model, Node } from '../../model/model.ts'
import { blockedElementwise } from '../../operators/helpers/blocked.ts'
import { areSame } from '../../operators/helpers/dims.ts'
import { ints, range } from '../../operators/helpers/emission.ts'
import { operatorOf } from '../../operators/table.ts'
import { axesOf, type ImageForm } from './image-form.ts'
import { Rewriter } from './rewriter.ts'
import { RewritingEmitter } from './rewriting-emitter.ts'
import { signals } from './signal-images.ts'
import { volumes } from './volume-images.ts'

/** @param block channels per block of the runtime's blocked layout */
export function asImages(model: Model, block: number): Model {
  return [signals, volumes].reduce((found, form) => inForm(found, form, block), model)
}

function inForm(model: Model, form: ImageForm, block: number): Model {
  const { nodes } = model.graph
  const hasRank = nodes.some(
    ({ opType, attributes: given }) =>
      opType === 'Conv' && (given.get('kernel_shape') === undefined || rankOf(given) === form.rank),
  )
  if (!hasRank) return model
  const rewriter = new Rewriter(model)
  const emitter = new RewritingEmitter(rewriter, model)
  if (!nodes.some((node) => form.isBlocked(emitter, node, block))) return model
  const captured = new Set(nodes.flatMap((node) => [...capturedValues(node)]))
  /** Values → the images that hold the same. */
  const images = new Map<string, string>()
  /** What moves nothing of images → these. */
  const apart = new Map<string, string>()
  const imageOf = (name: string): string => {
    const image = images.get(name) ?? form.toImage(emitter, rewriter.value(name))
    images.set(name, image)
    return image
  }
  /** The image stands for the value, which is there for those that read it in its own rank. */
  const hold = (value: string, image: string): void => {
    images.set(value, image)
    const { entries = {}, ...node } = form.fromImage(emitter, image, value)
    rewriter.define({ domain: '', outputs: [value], ...node }, entries)
  }
  const hasSizes = (...names: readonly [string, string]): boolean => {
    const [given, wanted] = names.map((name) => emitter.info(name).shape?.slice(1))
    return areSame(given, wanted)
  }
  const shapeIn = (name: string) => {
    const { shape, dtype } = emitter.info(name)
    return shape?.length === form.rank && dtype === 'float32' ? shape : undefined
  }

  /** The operand of an element-wise node on images; undefined where there is none. */
  const operandOf = (name: string, result: readonly unknown[]): (() => string) | undefined => {
    const { shape, dtype } = emitter.info(name)
    if (!shape || dtype !== 'float32') return undefined
    if (shape.every((dim) => dim === 1) && shape.length < 3) return () => rewriter.value(name)
    const missing = form.rank - shape.length
    const fits = (dim: unknown, axis: number) => dim === 1 || dim === result[axis + missing]
    if (!shape.every(fits)) return undefined
    const isWhole = shape.every((dim, axis) => dim === result[axis])
    if (missing === 0 && (isWhole || !form.isApart)) return () => imageOf(name)
    const operand = form.toOperand(emitter, rewriter.value(name))
    return operand === undefined ? undefined : () => operand
  }

  const rewrite = (node: Node): boolean => {
    const { opType, inputs, outputs } = node
    const [x = ''] = inputs
    const [y = ''] = outputs
    if (outputs.some((name) => captured.has(name))) return false
    if (form.isBlocked(emitter, node, block)) {
      const own = { ...node, inputs: inputs.map((name) => rewriter.value(name)) }
      hold(y, form.convolve(emitter, own, imageOf(x)))
      return true
    }
    if (node.domain !== '') return false
    // What is put together again is the image.
    const whole = opType === 'Reshape' ? apart.get(rewriter.value(x)) : undefined
    if (whole !== undefined && hasSizes(y, whole)) {
      rewriter.replace(y, whole)
      return true
    }
    if (!inputs.some((name) => images.has(name))) return false
    const unmoved = images.has(x) ? form.unmoved(emitter, node, imageOf(x)) : undefined
    if (unmoved !== undefined) {
      apart.set(unmoved, imageOf(x))
      rewriter.replace(y, unmoved)
      return true
    }
    if (opType === 'Identity') {
      images.set(y, imageOf(x))
      rewriter.replace(y, rewriter.value(x))
      return true
    }
    const result = shapeIn(y)
    if (opType === 'BatchNormalization' && result) {
      const given = [imageOf(x), ...inputs.slice(1).map((name) => rewriter.value(name))]
      const entries = Object.fromEntries(node.attributes)
      const [image, ...rest] = emitter.emit(opType, given, entries, { outputs: outputs.length })
      hold(y, image!)
      for (const [k, name] of rest.entries()) rewriter.replace(outputs[k + 1]!, name)
      return true
    }
    if (/^(Concat|Split)$/.test(opType) && intAttribute(node, 'axis', 0) === 1) {
      const values = opType === 'Concat' ? inputs : [x]
      if (![...values, ...outputs].every((name) => shapeIn(name))) return false
      const others = inputs.slice(values.length).map((name) => rewriter.value(name))
      const given = [...values.map(imageOf), ...others]
      const entries = Object.fromEntries(node.attributes)
      const found = emitter.emit(opType, given, entries, { outputs: outputs.length })
      for (const [k, name] of outputs.entries()) hold(name, found[k]!)
      return true
    }
    if (/^Reduce(Sum|Mean)$/.test(opType)) {
      const axes = axesOf(emitter, node)
      const spatial = range(form.rank, 2)
      const isOfChannels = spatial.every((axis) => axes?.includes(axis)) && !axes!.includes(1)
      const ofBatch = axes?.includes(0) === true
      if (!isOfChannels || (form.isApart && !ofBatch)) return false
      const keepdims = intAttribute(node, 'keepdims', 1)
      const kept = [...(ofBatch ? [0] : []), 2, 3]
      const value = emitter.op(opType, [imageOf(x), ints(emitter, kept)], { keepdims })
      if (keepdims === 1) hold(y, value)
      else rewriter.replace(y, value)
      return true
    }
    const elementwise = operatorOf(node)?.execution?.blocked === blockedElementwise
    if (!elementwise || !result || outputs.length !== 1) return false
    const operands = inputs.map((name) => operandOf(name, result))
    if (!operands.every((operand) => operand !== undefined)) return false
    const given = operands.map((operand) => operand())
    hold(y, emitter.op(opType, given, Object.fromEntries(node.attributes)))
    return true
  }

  for (const node of nodes) if (!rewrite(node)) rewriter.share(node)
  return rewriter.model()
}

/** Of the values of a convolution with these attributes. */
const rankOf = (given: Node['attributes']): number => {
  const kernel = given.get('kernel_shape')
  return kernel?.type === 'ints' ? kernel.value.length + 2 : 0
}
