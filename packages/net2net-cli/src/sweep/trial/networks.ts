/** The teachers of sweeps: small networks for 28×28 grey images and 10 classes. */

import type { Model } from 'net2net'
import {
  batchNorm,
  concatenate,
  conv2d,
  dense,
  globalAveragePool2d,
  type Layer,
  maxPool2d,
  relu,
  residual,
  sequential,
} from 'net2net/layers'
import { mnistNetwork } from '../../mnist/networks.ts'

const input = [1, 28, 28]
/** Trainings are short: statistics that follow faster than Keras's default. */
const statisticsMomentum = 0.9

/** Convolution, batch normalization and (unless told otherwise) ReLU, named after the convolution. */
const block = (
  name: string,
  filters: number,
  kernel: number,
  { strides = 1, linear = false }: { strides?: number; linear?: boolean } = {},
): readonly Layer[] => [
  conv2d(filters, kernel, { padding: 'same', strides, useBias: false, name }),
  batchNorm({ momentum: statisticsMomentum, name: `${name}-bn` }),
  ...(linear ? [] : [relu({ name: `${name}-relu` })]),
]

const head = (): readonly Layer[] => [
  globalAveragePool2d({ name: 'mean' }),
  dense(10, { activation: 'softmax', name: 'classes' }),
]

/** Three residual blocks of w, 2w and 4w filters (He et al. 2016, the basic block). */
function resnet(width: number, seed: number): Model {
  const stage = (name: string, filters: number, strides: number): readonly Layer[] => [
    residual(
      [
        ...block(`${name}-conv1`, filters, 3, { strides }),
        ...block(`${name}-conv2`, filters, 3, { linear: true }),
      ],
      strides === 1 ? [] : block(`${name}-shortcut`, filters, 1, { strides, linear: true }),
      { name: `${name}-add` },
    ),
    relu({ name: `${name}-relu` }),
  ]
  return sequential(
    [
      ...block('stem', width, 3),
      ...stage('block1', width, 1),
      ...stage('block2', 2 * width, 2),
      ...stage('block3', 4 * width, 2),
      ...head(),
    ],
    { input, seed, name: 'resnet' },
  )
}

/**
 * Two Inception modules with batch normalization (Ioffe and Szegedy 2015, small): 1×1, 3×3, twice
 * 3×3, and pooled branches side by side. The paper's students widen the modules' convolutions, or
 * insert a convolution after each 3×3 convolution.
 */
function inception(width: number, seed: number): Model {
  const part = (n: number) => Math.max(1, Math.round(n))
  const module = (name: string, w: number): Layer =>
    concatenate(
      [
        block(`${name}-1x1`, part(w), 1),
        [...block(`${name}-3x3-reduce`, part(w / 2), 1), ...block(`${name}-3x3`, part(w), 3)],
        [
          ...block(`${name}-double-reduce`, part(w / 2), 1),
          ...block(`${name}-double-3x3-a`, part(w / 2), 3),
          ...block(`${name}-double-3x3-b`, part(w / 2), 3),
        ],
        [
          maxPool2d(3, { strides: 1, padding: 'same', name: `${name}-pool` }),
          ...block(`${name}-pool-1x1`, part(w / 2), 1),
        ],
      ],
      { name: `${name}-concat` },
    )
  return sequential(
    [
      ...block('stem', width, 3),
      maxPool2d(2, { name: 'stem-pool' }),
      module('module1', width),
      maxPool2d(2, { name: 'module1-pool-out' }),
      module('module2', 2 * width),
      ...head(),
    ],
    { input, seed, name: 'inception' },
  )
}

const cnn = (width: number, seed: number, activated: boolean): Model =>
  mnistNetwork(activated ? 'cnn-relu' : 'cnn', seed, {
    widths: { conv1: width, conv2: width, fc1: width },
    relu: activated,
  })

interface SweepNetwork {
  /** Units of the first layer, unless the sweep says otherwise. */
  readonly width: number
  readonly build: (width: number, seed: number) => Model
}

export const sweepNetworks = {
  /** The Keras example's: no activation between its convolutions. */
  cnn: { width: 64, build: (width, seed) => cnn(width, seed, false) },
  'cnn-relu': { width: 64, build: (width, seed) => cnn(width, seed, true) },
  resnet: { width: 16, build: resnet },
  inception: { width: 16, build: inception },
} as const satisfies Record<string, SweepNetwork>

export type SweepNetworkName = keyof typeof sweepNetworks
export const sweepNetworkNames = Object.keys(sweepNetworks) as [
  SweepNetworkName,
  ...SweepNetworkName[],
]

/** A fresh network. */
export const buildNetwork = (name: SweepNetworkName, width: number, seed: number): Model =>
  sweepNetworks[name].build(width, seed)
