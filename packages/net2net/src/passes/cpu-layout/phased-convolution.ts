/**
 * A convolution that is read by nothing but a 2 × 2 max-pooling and its gradient computes the four
 * phases of its output at once: output 2i + a along an axis reads the inputs
 *
 *   (2i + a)·s + k·d − p = i·2s + k·d − (p − a·s),
 *
 * so each phase is the same convolution with twice the stride and a begin pad smaller by a·s.
 * The pooling is then the maximum of four tensors, and its gradient (`../../operators/decompositions/max-pool-phases.ts`)
 * has its phases for nothing. Of other images in blocks of channels, depthwise convolutions pick the phases.
 */

import { intAttribute, intsAttribute } from '../../model/attributes.ts'
import { linksOf } from '../../model/links.ts'
import type { Model, Node } from '../../model/model.ts'
import type { Emitter } from '../../operators/contract/gradient.ts'
import type { ValueInfo } from '../../operators/contract/infer.ts'
import { poolsByPhases } from '../../operators/decompositions/max-pool-phases.ts'
import {
  allKnown,
  type KnownWindowAxis,
  kernelShape,
  reach,
  windowOf,
} from '../../operators/helpers/windows.ts'
import { float32 } from '../../tensor/tensor.ts'
import { inferOnce } from './infer-once.ts'
import { Rewriter } from './rewriter.ts'
import { RewritingEmitter } from './rewriting-emitter.ts'

/**
 * @param block channels per block of the runtime's blocked layout; 1 where it has none
 * @param otherwise another form of a convolution's phases, where that is cheaper: takes the node and what its inputs are now
 */
export function phaseConvolutions(
  model: Model,
  block = 1,
  otherwise?: (
    emitter: Emitter,
    node: Node,
    inputs: readonly string[],
  ) => readonly string[] | undefined,
): Model {
  const infos = inferOnce(model)
  const links = linksOf(model.graph)
  const outputs = new Set(model.graph.outputs.map((output) => output.name))
  const users = (name: string) =>
    outputs.has(name) ? undefined : (links.uses.get(name) ?? []).map((use) => use.node)
  const rewriter = new Rewriter(model)
  const emitter = otherwise && new RewritingEmitter(rewriter, model, 'onnxruntime-wasm')
  /** Value → its four phases. */
  const phases = new Map<string, readonly string[]>()
  /** SpaceToDepth of such a value → the value. */
  const depths = new Map<string, string>()

  for (const node of model.graph.nodes) {
    const [input = '', weight = '', bias] = node.inputs
    const [output = ''] = node.outputs
    const window = phasedWindows(node, infos)
    const readers = window && users(output)
    if (readers?.length && readers.every((reader) => takesPhases(reader, infos, users))) {
      const given = [input, weight, ...(bias === undefined ? [] : [bias])].map((name) =>
        rewriter.value(name),
      )
      phases.set(
        output,
        (emitter && otherwise(emitter, node, given)) ??
          window!.map((attributes) => rewriter.emit('Conv', given, attributes)[0]!),
      )
    } else if (
      !phases.has(input) &&
      isPicked(node, infos, block) &&
      takesPhases(node, infos, users)
    ) {
      depths.set(output, output)
      phases.set(output, pickedPhases(rewriter, rewriter.value(input), infos.get(input)!))
    } else if (!phases.has(input) && !depths.has(input)) rewriter.share(node)
    else if (node.opType === 'SpaceToDepth') depths.set(output, input)
    else {
      const parts = phases.get(depths.get(input) ?? input)!
      if (depths.has(input))
        for (const [i, name] of node.outputs.entries()) rewriter.replace(name, parts[i]!)
      else {
        const max = (a: string, b: string) => rewriter.emit('Max', [a, b])[0]!
        rewriter.replace(output, max(max(parts[0]!, parts[1]!), max(parts[2]!, parts[3]!)))
      }
    }
  }
  return rewriter.model()
}

/**
 * Is it an image in blocks of channels whose phases depthwise convolutions pick? They pass over it four times, which still takes half of
 * the time of moving blocks of pixels.
 */
function isPicked(node: Node, infos: ReadonlyMap<string, ValueInfo>, block: number): boolean {
  const { dtype, shape } = infos.get(node.inputs[0] ?? '') ?? {}
  const channels = shape?.[1]
  const inBlocks = block > 1 && typeof channels === 'number' && channels % block === 0
  return node.opType === 'SpaceToDepth' && node.domain === '' && dtype === 'float32' && inBlocks
}

/** The phases of an image, by kernels of 2 × 2 taps of which one is 1. */
function pickedPhases(rewriter: Rewriter, image: string, { shape }: ValueInfo): readonly string[] {
  const channels = shape![1] as number
  return [0, 1, 2, 3].map((phase) => {
    const taps = Float32Array.from({ length: 4 * channels }, (_, i) => (i % 4 === phase ? 1 : 0))
    const kernel = rewriter.constant(float32([channels, 1, 2, 2], taps), 'phase')
    const attributes = { kernel_shape: [2, 2], strides: [2, 2], group: channels }
    return rewriter.emit('Conv', [image, kernel], attributes)[0]!
  })
}

/** Does this reader of an image want nothing but its phases or their maximum? */
function takesPhases(
  reader: Node,
  infos: ReadonlyMap<string, ValueInfo>,
  users: (name: string) => readonly Node[] | undefined,
): boolean {
  const shape = infos.get(reader.inputs[0]!)?.shape
  if (reader.opType === 'MaxPool' && reader.outputs.length === 1 && shape) {
    const window = windowOf(reader, intsAttribute(reader, 'kernel_shape') ?? [], shape.slice(2))
    return allKnown(window) && poolsByPhases(window, shape[1])
  }
  if (reader.opType !== 'SpaceToDepth' || intAttribute(reader, 'blocksize', 0) !== 2) return false
  return (
    users(reader.outputs[0]!)?.every(
      (split) =>
        split.opType === 'Split' &&
        intAttribute(split, 'axis', 0) === 1 &&
        split.outputs.length === 4 &&
        split.outputs.every((name) => infos.get(name)?.shape?.[1] === shape?.[1]),
    ) ?? false
  )
}

/** The attributes of the convolutions that give the phases, in row order. */
function phasedWindows(node: Node, infos: ReadonlyMap<string, ValueInfo>) {
  if (node.opType !== 'Conv' || node.domain !== '') return undefined
  const x = infos.get(node.inputs[0]!)?.shape
  const kernel = kernelShape(node, infos.get(node.inputs[1]!)?.shape?.slice(2))
  const y = infos.get(node.outputs[0]!)?.shape
  if (x?.length !== 4 || !kernel || !y) return undefined
  const window = windowOf(node, kernel, x.slice(2))
  if (!allKnown(window)) return undefined
  const pads = window.map((axis, i) => phasePads(axis, y[i + 2] ?? null))
  const [rows, columns] = pads
  if (!rows || !columns) return undefined
  return [0, 1, 2, 3].map((phase) => {
    const [top, left] = [rows[phase >> 1]!, columns[phase & 1]!]
    return {
      kernel_shape: kernel,
      strides: window.map((axis) => 2 * axis.stride),
      dilations: window.map((axis) => axis.dilation),
      pads: [top.begin, left.begin, top.end, left.end],
      group: intAttribute(node, 'group', 1),
    }
  })
}

/** Pads of the two phases along one axis; undefined where one would be negative or sizes do not fit. */
function phasePads(axis: KnownWindowAxis, output: unknown) {
  if (typeof axis.input !== 'number' || typeof output !== 'number' || output % 2 !== 0)
    return undefined
  if (axis.pads.begin < axis.stride) return undefined
  const { stride, input } = axis
  return [0, 1].map((phase) => {
    const begin = axis.pads.begin - phase * stride
    // Inputs that the last window does not reach need no pad; they are fewer than a stride.
    const end = (output / 2 - 1) * 2 * stride + reach(axis) - begin - input
    return { begin, end: Math.max(0, end) }
  })
}
