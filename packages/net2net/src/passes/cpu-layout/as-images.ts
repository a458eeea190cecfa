/**
 * Signals (`signal-images.ts`) and volumes (`volume-images.ts`) as images: the blocked layout is one of images.
 *
 * Convolutions whose filters are whole blocks are written as convolutions of images, and what is computed from these element by element, as a
 * normalization, as a sum or side by side follows them, so that they are brought into blocks once and not for each convolution.
 */
import { intAttribute } from '../../model/attributes.ts'
import { capturedValues } from '../../model/links.ts'
import type { Dim, Model, Node, Shape } from '../../model/model.ts'
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
  return hasRank ? new ImageGraph(model, form, block).rewrite() : model
}

class ImageGraph {
  readonly #model: Model
  readonly #form: ImageForm
  readonly #block: number
  readonly #rewriter: Rewriter
  readonly #emitter: RewritingEmitter
  readonly #captured: ReadonlySet<string>
  /** Values → the images that hold the same. */
  readonly #images = new Map<string, string>()
  /** What moves nothing of images → these. */
  readonly #apart = new Map<string, string>()

  constructor(model: Model, form: ImageForm, block: number) {
    this.#model = model
    this.#form = form
    this.#block = block
    this.#rewriter = new Rewriter(model)
    this.#emitter = new RewritingEmitter(this.#rewriter, model)
    this.#captured = new Set(model.graph.nodes.flatMap((node) => [...capturedValues(node)]))
  }

  rewrite(): Model {
    const { nodes } = this.#model.graph
    if (!nodes.some((node) => this.#isBlocked(node))) return this.#model
    for (const node of nodes) if (!this.#rewrite(node)) this.#rewriter.share(node)
    return this.#rewriter.model()
  }

  #rewrite(node: Node): boolean {
    if (node.outputs.some((name) => this.#captured.has(name))) return false
    if (this.#convolve(node)) return true
    if (node.domain !== '') return false
    if (this.#putTogether(node)) return true
    if (!node.inputs.some((name) => this.#images.has(name))) return false
    return (
      this.#takeApart(node) ||
      this.#pass(node) ||
      this.#normalize(node) ||
      this.#joinOrSplit(node) ||
      this.#reduce(node) ||
      this.#compute(node)
    )
  }

  #isBlocked(node: Node): boolean {
    return this.#form.isBlocked(this.#emitter, node, this.#block)
  }

  #image(name: string): string {
    const image =
      this.#images.get(name) ?? this.#form.toImage(this.#emitter, this.#rewriter.value(name))
    this.#images.set(name, image)
    return image
  }

  /** The image stands for the value, which is there for those that read it in its own rank. */
  #hold(value: string, image: string): void {
    this.#images.set(value, image)
    const { entries = {}, ...node } = this.#form.fromImage(this.#emitter, image, value)
    this.#rewriter.define({ domain: '', outputs: [value], ...node }, entries)
  }

  #values(names: readonly string[]): string[] {
    return names.map((name) => this.#rewriter.value(name))
  }

  /** The sizes of a value of this rank. */
  #shape(name: string) {
    const { shape, dtype } = this.#emitter.info(name)
    return shape?.length === this.#form.rank && dtype === 'float32' ? shape : undefined
  }

  #convolve(node: Node): boolean {
    if (!this.#isBlocked(node)) return false
    const own = { ...node, inputs: this.#values(node.inputs) }
    const image = this.#form.convolve(this.#emitter, own, this.#image(node.inputs[0]!))
    this.#hold(node.outputs[0]!, image)
    return true
  }

  /** What is put together again is the image. */
  #putTogether({ opType, inputs: [x = ''], outputs: [y = ''] }: Node): boolean {
    const whole = opType === 'Reshape' ? this.#apart.get(this.#rewriter.value(x)) : undefined
    if (whole === undefined) return false
    const [given, wanted] = [y, whole].map((name) => this.#emitter.info(name).shape?.slice(1))
    if (!areSame(given, wanted)) return false
    this.#rewriter.replace(y, whole)
    return true
  }

  #takeApart(node: Node): boolean {
    const [x = ''] = node.inputs
    if (!this.#images.has(x)) return false
    const image = this.#image(x)
    const unmoved = this.#form.unmoved(this.#emitter, node, image)
    if (unmoved === undefined) return false
    this.#apart.set(unmoved, image)
    this.#rewriter.replace(node.outputs[0]!, unmoved)
    return true
  }

  #pass({ opType, inputs: [x = ''], outputs: [y = ''] }: Node): boolean {
    if (opType !== 'Identity') return false
    this.#images.set(y, this.#image(x))
    this.#rewriter.replace(y, this.#rewriter.value(x))
    return true
  }

  #normalize({ opType, inputs, outputs, attributes }: Node): boolean {
    const [x = '', ...vectors] = inputs
    const [y = '', ...statistics] = outputs
    if (opType !== 'BatchNormalization' || !this.#shape(y)) return false
    const given = [this.#image(x), ...this.#values(vectors)]
    const entries = Object.fromEntries(attributes)
    const count = { outputs: outputs.length }
    const [image, ...rest] = this.#emitter.emit(opType, given, entries, count)
    this.#hold(y, image!)
    for (const [k, name] of rest.entries()) this.#rewriter.replace(statistics[k]!, name)
    return true
  }

  #joinOrSplit(node: Node): boolean {
    const { opType, inputs, outputs, attributes } = node
    if (!/^(Concat|Split)$/.test(opType) || intAttribute(node, 'axis', 0) !== 1) return false
    const joined = opType === 'Concat' ? inputs : inputs.slice(0, 1)
    if (![...joined, ...outputs].every((name) => this.#shape(name))) return false
    const others = this.#values(inputs.slice(joined.length))
    const given = [...joined.map((name) => this.#image(name)), ...others]
    const entries = Object.fromEntries(attributes)
    const found = this.#emitter.emit(opType, given, entries, { outputs: outputs.length })
    for (const [k, name] of outputs.entries()) this.#hold(name, found[k]!)
    return true
  }

  #reduce(node: Node): boolean {
    const { opType, inputs, outputs } = node
    if (!/^Reduce(Sum|Mean)$/.test(opType)) return false
    const axes = axesOf(this.#emitter, node)
    const spatial = range(this.#form.rank, 2)
    const isOfChannels = spatial.every((axis) => axes?.includes(axis)) && !axes!.includes(1)
    const ofBatch = axes?.includes(0) === true
    if (!isOfChannels || (this.#form.isApart && !ofBatch)) return false
    const keepdims = intAttribute(node, 'keepdims', 1)
    const kept = ints(this.#emitter, [...(ofBatch ? [0] : []), 2, 3])
    const value = this.#emitter.op(opType, [this.#image(inputs[0]!), kept], { keepdims })
    if (keepdims === 1) this.#hold(outputs[0]!, value)
    else this.#rewriter.replace(outputs[0]!, value)
    return true
  }

  #compute(node: Node): boolean {
    const { opType, inputs, outputs, attributes } = node
    const isElementwise = operatorOf(node)?.execution?.blocked === blockedElementwise
    const shape = this.#shape(outputs[0]!)
    if (!isElementwise || !shape || outputs.length !== 1) return false
    const operands = inputs.map((name) => this.#operand(name, shape))
    if (!operands.every((operand) => operand !== undefined)) return false
    const given = operands.map((operand) => operand())
    this.#hold(outputs[0]!, this.#emitter.op(opType, given, Object.fromEntries(attributes)))
    return true
  }

  /** The operand of an element-wise node on images; undefined where there is none. */
  #operand(name: string, result: Shape): (() => string) | undefined {
    const { rank, isApart } = this.#form
    const { shape, dtype } = this.#emitter.info(name)
    if (!shape || dtype !== 'float32') return undefined
    if (shape.every((dim) => dim === 1) && shape.length < 3) return () => this.#rewriter.value(name)
    const missing = rank - shape.length
    const fits = (dim: Dim, axis: number) => dim === 1 || dim === result[axis + missing]
    if (!shape.every(fits)) return undefined
    const isWhole = shape.every((dim, axis) => dim === result[axis])
    if (missing === 0 && (isWhole || !isApart)) return () => this.#image(name)
    const operand = this.#form.toOperand(this.#emitter, this.#rewriter.value(name))
    return operand === undefined ? undefined : () => operand
  }
}

/** Of the values of a convolution with these attributes. */
const rankOf = (given: Node['attributes']): number => {
  const kernel = given.get('kernel_shape')
  return kernel?.type === 'ints' ? kernel.value.length + 2 : 0
}
