/**
 * Images [N, C, H, W] around convolutions whose channels are no whole blocks, as images of whole blocks: 24 channels are
 * 32, of which the last eight count for nothing. Convolutions give them with filters of zeros and read them with weights of zeros; what is
 * computed element by element in between is computed of them as well. ONNX Runtime convolves channel by channel several times as fast in
 * blocks (see `blocked-layout.ts`), and others up to twice as fast, which pays where few channels are empty.
 *
 * What the last channels hold does not matter, as long as it is finite: zero times infinity would be no number.
 */
import { attributes, intAttribute, intsAttribute } from '../../model/attributes.ts'
import { capturedValues } from '../../model/links.ts'
import type { Model, Node } from '../../model/model.ts'
import type { ValueInfo } from '../../operators/contract/infer.ts'
import { blockedElementwise, blockedPool, filledUp } from '../../operators/helpers/blocked.ts'
import { operatorOf } from '../../operators/table.ts'
import { int64, toNumbers } from '../../tensor/tensor.ts'
import { inferOnce } from './infer-once.ts'
import { hasEvenPhases } from './phased-transposition.ts'
import { Rewriter } from './rewriter.ts'

/** What may be infinite, or no number, where the inputs are finite. */
const diverges = /^(Acosh|Acos|Asin|Atanh|Cosh|Div|Exp|Log|Mod|Pow|Reciprocal|Sinh|Sqrt|Tan)$/

/** Blocks hold at most so many times as many channels as count. */
const mostChannels = 2

/** … and convolutions of all channels at most so many times as many multiplications. */
const mostSpread = 1.5

/** … of kernels of at least so many rows, of which minimal filtering leaves 0.4 to 0.7. */
const mostSpreadOfTall = 1.8
const tallRows = 4

/** @param block channels per block of the runtime's blocked layout */
export function fillChannels(model: Model, block: number): Model {
  const infos = inferOnce(model)
  return model.graph.nodes.some((node) => fillsResult(node, infos, block))
    ? new FilledGraph(model, infos, block).rewrite()
    : model
}

type Infos = ReadonlyMap<string, ValueInfo>

/** The channels of whole blocks that hold so many; undefined where too many of them would be empty. */
function wholeBlocks(channels: number, block: number): number | undefined {
  const whole = filledUp(channels, block)
  return whole <= channels * mostChannels ? whole : undefined
}

const isFilled = (channels: number, block: number): boolean =>
  channels % block !== 0 && wholeBlocks(channels, block) !== undefined

const shapeIn = (infos: Infos, name: string | undefined) => infos.get(name ?? '')?.shape

/** Is it an image whose channels are to fill blocks? */
function isImage(infos: Infos, name: string, block: number): boolean {
  const { dtype, shape } = infos.get(name) ?? {}
  const channels = shape?.[1]
  return (
    dtype === 'float32' &&
    shape?.length === 4 &&
    typeof channels === 'number' &&
    isFilled(channels, block)
  )
}

/** How many times as many multiplications it takes with filled channels. */
const spread = ({ filters, channels }: Convolution, block: number): number =>
  (filledUp(filters, block) * filledUp(channels, block)) / (filters * channels)

/** Is it a convolution whose images it pays to fill? With few channels, others are as fast as products of columns. */
function fillsResult(node: Node, infos: Infos, block: number): boolean {
  const of = convolutionOf(node, infos)
  if (!of || !isFilled(of.filters, block)) return false
  const most = of.isTall ? mostSpreadOfTall : mostSpread
  return of.isDepthwise || (of.channels > block && of.isWindow && spread(of, block) <= most)
}

interface Convolution {
  readonly filters: number
  readonly channels: number
  readonly isDepthwise: boolean
  /** Does the kernel have more than one tap? */
  readonly isWindow: boolean
  /** Are its rows filtered? */
  readonly isTall: boolean
  /** The weight's axes. */
  readonly filterAxis: 0 | 1
}

/** A convolution or a transposed one of images with one group, or with one for each channel. */
function convolutionOf(node: Node, infos: Infos): Convolution | undefined {
  const { opType, domain, inputs } = node
  if (domain !== '' || !/^Conv(Transpose)?$/.test(opType)) return undefined
  const weight = shapeIn(infos, inputs[1])
  const given = shapeIn(infos, inputs[0])?.[1]
  if (weight?.length !== 4 || !weight.every((dim) => typeof dim === 'number')) return undefined
  if (infos.get(inputs[0]!)?.dtype !== 'float32' || typeof given !== 'number') return undefined
  const [outer, inner, height, width] = weight as readonly [number, number, number, number]
  const filterAxis = opType === 'Conv' ? 0 : 1
  const group = intAttribute(node, 'group', 1)
  const isDepthwise = group > 1 && group === outer && group === given && inner === 1
  if (group > 1 && !isDepthwise) return undefined
  if (filterAxis === 1 && !hasEvenPhases(node, shapeIn(infos, node.outputs[0]))) return undefined
  const filters = isDepthwise || filterAxis === 0 ? outer : inner
  const isWindow = height * width > 1
  const [stride = 1] = intsAttribute(node, 'strides') ?? []
  const isTall = height >= tallRows && stride === 1
  return { filters, channels: given, isDepthwise, isWindow, isTall, filterAxis }
}

class FilledGraph {
  readonly #nodes: readonly Node[]
  readonly #infos: Infos
  readonly #block: number
  readonly #rewriter: Rewriter
  /** Images → the images that hold them in whole blocks. */
  readonly #filled = new Map<string, string>()
  readonly #captured: ReadonlySet<string>
  /** Images that a convolution is to read filled. */
  readonly #wanted = new Set<string>()

  constructor(model: Model, infos: Infos, block: number) {
    this.#nodes = model.graph.nodes
    this.#infos = infos
    this.#block = block
    this.#rewriter = new Rewriter(model)
    this.#captured = new Set(this.#nodes.flatMap((node) => [...capturedValues(node)]))
    for (const node of this.#nodes.toReversed()) {
      const [y = ''] = node.outputs
      if (fillsResult(node, infos, block)) this.#wanted.add(node.inputs[0]!)
      else if (this.#wanted.has(y) && this.#keepsChannels(node))
        for (const name of node.inputs) if (isImage(infos, name, block)) this.#wanted.add(name)
    }
  }

  rewrite(): Model {
    for (const node of this.#nodes) if (!this.#rewrite(node)) this.#rewriter.share(node)
    return this.#rewriter.model()
  }

  #rewrite(node: Node): boolean {
    const [y = ''] = node.outputs
    if (this.#captured.has(y)) return false
    if (node.inputs.some((name) => this.#filled.has(name)))
      return (
        this.#convolve(node) || this.#reduce(node) || this.#normalize(node) || this.#compute(node)
      )
    const isStart = this.#wanted.has(y) || fillsResult(node, this.#infos, this.#block)
    return isStart && this.#convolve(node)
  }

  /** Is each channel of the result computed from the same one of images, and finite where that is? */
  #keepsChannels(node: Node): boolean {
    if (!isImage(this.#infos, node.outputs[0] ?? '', this.#block)) return false
    if (/^(BatchNormalization|Identity)$/.test(node.opType)) return true
    const blocked = operatorOf(node)?.execution?.blocked
    const staysFinite = blocked === blockedElementwise && !diverges.test(node.opType)
    return node.outputs.length === 1 && (blocked === blockedPool || staysFinite)
  }

  #shape(name: string) {
    return shapeIn(this.#infos, name)
  }

  /** Does each of the values that are there have so many numbers? */
  #areVectors(names: readonly string[], count: number): boolean {
    return names.every((name) => name === '' || String(this.#shape(name)) === String(count))
  }

  /** The filled image stands for the image, which is there for those that read no more than it. */
  #hold(image: string, filled: string): void {
    this.#filled.set(image, filled)
    this.#cut(filled, 1, this.#shape(image)![1] as number, image)
  }

  #sizes(values: readonly number[]): string {
    return this.#rewriter.constant(int64(values), 'sizes')
  }

  /** The first entries along an axis. */
  #cut(value: string, axis: number, count: number, name: string): void {
    const inputs = [value, ...[[0], [count], [axis]].map((values) => this.#sizes(values))]
    this.#rewriter.define({ opType: 'Slice', domain: '', inputs, outputs: [name] })
  }

  /** The value with zeros behind it, along these axes. */
  #padded(name: string, axes: readonly number[]): string {
    const shape = this.#shape(name)!
    const behind = shape.map((dim, axis) =>
      axes.includes(axis) ? wholeBlocks(dim as number, this.#block)! - (dim as number) : 0,
    )
    return this.#rewriter.zerosBehind(this.#rewriter.value(name), behind)
  }

  #image(name: string): string {
    let filled = this.#filled.get(name)
    if (filled === undefined) {
      filled = this.#padded(name, [1])
      this.#filled.set(name, filled)
    }
    return filled
  }

  #convolve(node: Node): boolean {
    const of = convolutionOf(node, this.#infos)
    const [x = '', weight = '', ...bias] = node.inputs
    const [y = ''] = node.outputs
    if (!of || wholeBlocks(of.filters, this.#block) === undefined) return false
    if (!this.#areVectors(bias, of.filters)) return false
    const reads =
      this.#filled.has(x) || (of.channels > this.#block && of.channels % this.#block !== 0)
    const channelAxis = 1 - of.filterAxis
    const axes = of.isDepthwise ? [0] : [of.filterAxis, ...(reads ? [channelAxis] : [])]
    const inputs = [
      reads || of.isDepthwise ? this.#image(x) : this.#rewriter.value(x),
      this.#padded(weight, axes),
      ...bias.map((name) => (name === '' ? '' : this.#padded(name, [0]))),
    ]
    const group = of.isDepthwise ? wholeBlocks(of.filters, this.#block)! : 1
    const changed = new Map([...node.attributes, ...attributes({ group })])
    const [result] = this.#rewriter.emit(node.opType, inputs, changed)
    if (of.filters % this.#block === 0) this.#rewriter.replace(y, result!)
    else this.#hold(y, result!)
    return true
  }

  /** Sums and means over positions, of which the first channels count. */
  #reduce(node: Node): boolean {
    const { opType, inputs, outputs, attributes } = node
    const isPooled = opType === 'GlobalAveragePool'
    if (node.domain !== '' || (!isPooled && !/^Reduce(Sum|Mean)$/.test(opType))) return false
    const [x = '', ...rest] = inputs
    const { constant } = this.#infos.get(rest[0] ?? '') ?? {}
    const axes = constant && [...toNumbers(constant)].map(Number)
    const isOverPositions = axes?.length && axes.every((axis) => axis >= 0 && axis !== 1)
    if (!isPooled && !isOverPositions) return false
    const isKept = isPooled || intAttribute(node, 'keepdims', 1) === 1
    const [result] = this.#rewriter.emit(
      opType,
      [this.#image(x), ...rest.map((name) => this.#rewriter.value(name))],
      attributes,
    )
    const axis = !isKept && axes!.includes(0) ? 0 : 1
    this.#cut(result!, axis, this.#shape(x)![1] as number, outputs[0]!)
    return true
  }

  /** Normalizations, with what they make of the vectors of their statistics. */
  #normalize(node: Node): boolean {
    if (node.opType !== 'BatchNormalization' || node.domain !== '') return false
    const [x = '', ...vectors] = node.inputs
    const channels = this.#shape(x)![1] as number
    if (!this.#areVectors(vectors, channels)) return false
    const inputs = [this.#image(x), ...vectors.map((name) => this.#padded(name, [0]))]
    const outputs = node.outputs.length
    const [y, ...rest] = this.#rewriter.emit(node.opType, inputs, node.attributes, { outputs })
    this.#hold(node.outputs[0]!, y!)
    for (const [k, value] of rest.entries()) this.#cut(value, 0, channels, node.outputs[k + 1]!)
    return true
  }

  /** Poolings, and what is computed element by element. */
  #compute(node: Node): boolean {
    if (!this.#keepsChannels(node)) return false
    const { inputs, outputs, attributes } = node
    const [y = ''] = outputs
    const operands = inputs.map((name) => this.#operand(name, y))
    if (!operands.every((operand) => operand !== undefined)) return false
    const values = operands.map((operand) => operand())
    this.#hold(y, this.#rewriter.emit(node.opType, values, attributes, { domain: node.domain })[0]!)
    return true
  }

  /** An operand: a whole image, a number for each channel, or one number; undefined where it is something else. */
  #operand(name: string, result: string): (() => string) | undefined {
    const shape = this.#shape(name)
    if (name === '' || shape?.every((dim) => dim === 1)) return () => this.#rewriter.value(name)
    const image = this.#shape(result)!
    if (this.#infos.get(name)?.dtype !== 'float32') return undefined
    const isWhole = shape?.length === 4 && shape[1] === image[1]
    if (
      this.#filled.has(name) ||
      (isWhole && shape.slice(2).every((dim, k) => dim === image[k + 2]))
    )
      return isWhole ? () => this.#image(name) : undefined
    const channelAxis = (shape?.length ?? 0) - 3
    const isPerChannel = shape?.every((dim, k) => dim === (k === channelAxis ? image[1] : 1))
    return isPerChannel === true ? () => this.#padded(name, [channelAxis]) : undefined
  }
}
