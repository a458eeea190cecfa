/** The networks of the experiments: the Keras example's teacher and its students' architectures. */

import type { Model } from 'net2net'
import { conv2d, dense, flatten, type Layer, maxPool2d, sequential } from 'net2net/layers'

export interface Widths {
  readonly conv1: number
  /** Default 64, as in the Keras example. */
  readonly conv2?: number
  readonly fc1: number
}
export const teacherWidths: Widths = { conv1: 64, fc1: 64 }
export const widerWidths: Widths = { conv1: 128, fc1: 128 }
/** Layers that the deeper students have a second time. */
export const deepenedLayers = ['conv2', 'fc1'] as const

/** The network for 28×28 grey images and 10 classes, with fresh parameters. */
export function mnistNetwork(
  name: string,
  seed: number,
  {
    widths = teacherWidths,
    deeper = false,
    relu = false,
  }: {
    widths?: Widths
    deeper?: boolean
    /** A ReLU after each convolution, which the Keras example's network has not. */
    relu?: boolean
  } = {},
): Model {
  const convolution = (filters: number, layer: string): Layer =>
    conv2d(filters, 3, {
      padding: 'same',
      activation: relu ? 'relu' : 'linear',
      name: layer,
    })
  const conv2 = (layer: string): Layer => convolution(widths.conv2 ?? 64, layer)
  const fc1 = (layer: string): Layer => dense(widths.fc1, { activation: 'relu', name: layer })
  return sequential(
    [
      convolution(widths.conv1, 'conv1'),
      maxPool2d(2, { name: 'pool1' }),
      conv2('conv2'),
      ...(deeper ? [conv2('conv2-deeper')] : []),
      maxPool2d(2, { name: 'pool2' }),
      flatten({ name: 'flatten' }),
      fc1('fc1'),
      ...(deeper ? [fc1('fc1-deeper')] : []),
      dense(10, { activation: 'softmax', name: 'fc2' }),
    ],
    { input: [1, 28, 28], seed, name },
  )
}
