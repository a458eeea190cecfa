import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  block,
  compareSteps,
  Net,
  numbers,
  operatorsOf,
  run,
  type Spec,
} from '../../../testing/compare-steps.ts'
import { normalTensor } from '../../../testing/gradient-check.ts'
import { testSeed } from '../../../testing/seed.ts'
import { difference, sent } from '../../../testing/sent-tensors.ts'
import { float, intAttribute, intsAttribute, stringAttribute } from '../../model/attributes.ts'
import { GraphBuilder } from '../../model/builder.ts'
import { linksOf } from '../../model/links.ts'
import { widestBlock } from '../../operators/helpers/blocked.ts'
import { inferModel } from '../../operators/inference.ts'
import { fillTensor, ones, zeros } from '../../tensor/fill.ts'
import { randomStream } from '../../tensor/random.ts'
import { int64, Tensor, toNumbers } from '../../tensor/tensor.ts'
import { lowerForCpu, lowerForWasm } from './lower-for-cpu.ts'
import { phaseConvolutions } from './phased-convolution.ts'

const teacher: Spec = {
  input: [1, 12, 8],
  layers: (net) => {
    const first = net.pool(net.conv('input', [16, 1, 3, 3]))
    return [net.pool(net.conv(first, [32, 16, 3, 3])), 32 * 3 * 2]
  },
}

describe('a lowered training step computes what the standard one does', () => {
  test('convolutions and poolings, by phases alone', async () => {
    const used = operatorsOf(await compareSteps(teacher, phaseConvolutions))
    expect(used).not.toContain('MaxPool')
    expect(used).not.toContain('SpaceToDepth')
    expect(used.filter((name) => name.startsWith('com.microsoft.nchwc'))).toEqual([])
  })

  test('the gradient of a first layer takes two phases from its products with others', async () => {
    const first: Spec = {
      input: [1, 12, 8],
      layers: (net) => [net.pool(net.conv('input', [16, 1, 3, 3])), 16 * 6 * 4],
    }
    const { graph } = await compareSteps(first, phaseConvolutions)
    const { producers } = linksOf(graph)
    const ops = (inputs: readonly string[]) => inputs.map((name) => producers.get(name)?.opType)
    const shares = graph.nodes.filter(
      (node) => node.opType === 'Mul' && ops(node.inputs).includes('HardSigmoid'),
    )
    const rests = graph.nodes.filter(
      (node) =>
        node.opType === 'Sub' && shares.some(({ outputs }) => outputs[0] === node.inputs[1]),
    )
    expect([shares.length, rests.length]).toEqual([3, 1])
  })

  test('for WebAssembly: without a node that nobody reads, or a slow mask', async () => {
    const used = operatorsOf(await compareSteps(teacher, lowerForWasm, 'onnxruntime-wasm'))
    expect(used).not.toContain('MaxPool')
    expect(used).not.toContain('HardSigmoid')
    // The first convolution's gradient needs no whole image, and the second one's takes tiles of the phases.
    expect(used).not.toContain('DepthToSpace')
    expect(used).not.toContain('SpaceToDepth')
    expect(used.filter((name) => name === 'Conv')).toHaveLength(5)
  })

  test('for WebAssembly: by tiles, which the gradients share', async () => {
    const lowered = await compareSteps(
      {
        input: [3, 10, 10],
        batch: 4,
        layers: (net) => {
          const first = net.relu(net.conv('input', [48, 3, 3, 3]))
          const second = net.pool(net.relu(net.conv(first, [32, 48, 3, 3])))
          return [net.relu(net.conv(second, [48, 32, 3, 3], { pads: [0, 1, 2, 0] })), 48 * 5 * 4]
        },
      },
      lowerForWasm,
      'onnxruntime-wasm',
    )
    expect(operatorsOf(lowered).filter((name) => name === 'Conv')).toHaveLength(2)
    // The tiles of images: read by the forward product and by that of the weight's gradient.
    const { nodes } = lowered.graph
    const weights = nodes.filter(
      ({ opType, inputs }) => opType === 'FusedMatMul' && inputs.length === 2,
    )
    const shared = weights.filter(
      ({ inputs }) => nodes.filter((node) => node.inputs.includes(inputs[1]!)).length === 2,
    )
    expect(shared).toHaveLength(2)
  })

  test.skipIf(block === 1)('in blocks of channels', async () => {
    const used = operatorsOf(await compareSteps(teacher))
    expect(used).toContain('com.microsoft.nchwc:Conv')
    // The second convolution reads what the first one's pooling wrote: of images, only the gradient
    // that comes down from the dense layer is converted; besides, each of four kernels, once.
    expect(used.filter((name) => name.endsWith(':ReorderInput'))).toHaveLength(5)
    expect(used).not.toContain('DepthToSpace')
  })

  test.skipIf(block === 1)('activations below poolings, with many ties at zero', async () => {
    const lowered = await compareSteps({
      input: [1, 12, 8],
      layers: (net) => {
        const a = net.pool(net.relu(net.conv('input', [16, 1, 3, 3])))
        return [net.pool(net.relu(net.conv(a, [16, 16, 3, 3]))), 16 * 3 * 2]
      },
    })
    expect(operatorsOf(lowered)).not.toContain('com.microsoft.nchwc:MaxPool')
    expect(operatorsOf(lowered)).not.toContain('MaxPool')
  })

  test('an activation that a pooling and others read stays below', async () => {
    const lowered = await compareSteps({
      input: [1, 8, 8],
      layers: (net) => {
        const a = net.relu(net.conv('input', [16, 1, 3, 3]))
        const mean = net.builder.node('GlobalAveragePool', [a])
        return [net.builder.node('Add', [net.pool(a), mean]), 16 * 4 * 4]
      },
    })
    if (block === 1) return
    // Its phases are picked by convolutions: none of its pixels moves.
    const used = operatorsOf(lowered)
    expect(used).not.toContain('SpaceToDepth')
    expect(used.filter((name) => name.endsWith(':MaxPool'))).toHaveLength(1)
  })

  test('activations, a residual connection, and a batch of one', () =>
    compareSteps({
      input: [3, 6, 10],
      batch: 1,
      layers: (net) => {
        const a = net.relu(net.conv('input', [16, 3, 3, 3]))
        const b = net.conv(net.relu(net.conv(a, [32, 16, 3, 3])), [16, 32, 1, 1])
        const sum = net.builder.node('Add', [a, b])
        return [net.pool(net.relu(sum)), 16 * 3 * 5]
      },
    }))

  test.skipIf(block === 1)('overlapping windows in blocks, there and back', async () => {
    const lowered = await compareSteps({
      input: [3, 12, 9],
      layers: (net) => {
        const overlapping = { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] }
        const a = net.relu(net.conv('input', [16, 3, 3, 3]))
        const b = net.conv(net.builder.node('MaxPool', [a], overlapping), [32, 16, 3, 3])
        return [net.builder.node('MaxPool', [b], { kernel_shape: [2, 2] }), 32 * 5 * 4]
      },
    })
    const used = operatorsOf(lowered)
    expect(used).not.toContain('MaxPool')
    expect(used).not.toContain('ScatterElements')
    // One-hot kernels read and move images without a change of their layout.
    expect(used.filter((name) => name.endsWith(':ReorderOutput')).length).toBeLessThan(5)
  })

  test.skipIf(block === 1)('mean pooling in blocks, with and without its padding', async () => {
    const lowered = await compareSteps({
      input: [3, 9, 8],
      layers: (net) => {
        const mean = (x: string, attributes: Record<string, number | readonly number[]>) =>
          net.builder.node('AveragePool', [x], attributes)
        const window = { kernel_shape: [3, 2], strides: [2, 1], pads: [1, 0, 0, 1] }
        const a = mean(net.conv('input', [16, 3, 3, 3]), { ...window, count_include_pad: 1 })
        const b = mean(net.conv(a, [32, 16, 3, 3]), { kernel_shape: [3, 3], pads: [1, 1, 1, 1] })
        return [mean(b, { kernel_shape: [2, 4], strides: [2, 4] }), 32 * 2 * 2]
      },
    })
    const used = operatorsOf(lowered)
    // The second one's gradient is a pooling too, of what the third one's gradient gives in the order of the standard, and brought into blocks for it.
    expect(used.filter((name) => name.endsWith(':AveragePool'))).toHaveLength(4)
    expect(used).not.toContain('AveragePool')
    expect(used.filter((name) => name === 'ConvTranspose')).toHaveLength(1)
  })

  test.skipIf(block === 1)('means over windows that overlap, of images in no blocks', async () => {
    const pooled = async (channels: number, kernel: number) => {
      const lowered = await compareSteps({
        input: [3, 8, 6],
        layers: (net) => {
          const a = net.relu(net.conv('input', [channels, 3, 3, 3]))
          const pads = Array(4).fill(kernel >> 1)
          const y = net.builder.node('AveragePool', [a], {
            kernel_shape: [kernel, kernel],
            strides: [2, 2],
            pads,
          })
          return [net.builder.node('Tanh', [y]), channels * (kernel === 3 ? 4 * 3 : 5 * 4)]
        },
      })
      return operatorsOf(lowered).filter((name) => name.endsWith('AveragePool'))
    }
    const inBlocks = ['com.microsoft.nchwc:AveragePool']
    expect(await pooled(20, 3)).toEqual(inBlocks)
    // Windows side by side cost less than the way there and back, and ONNX Runtime fills up fours.
    expect(await pooled(20, 2)).toEqual(['AveragePool'])
    expect(await pooled(18, 3)).toEqual(['AveragePool'])
  })

  // Where its taps were first, the weight is blocked as it was; elsewhere such a transposition means something else.
  test.each([[[32, 9, 16]], [[32, 6, 24]]])(
    'a weight that is a transposition of %j',
    async (dims) => {
      const lowered = await compareSteps({
        input: [16, 4, 4],
        layers: (net) => {
          const w = net.builder.node('Transpose', [net.parameter('w', dims)], { perm: [0, 2, 1] })
          const weight = net.builder.node('Reshape', [w, net.ints(32, 16, 3, 3)])
          const y = net.builder.node('Conv', [net.relu('input'), weight], { pads: [1, 1, 1, 1] })
          return [y, 32 * 4 * 4]
        },
      })
      if (block > 1) expect(operatorsOf(lowered)).toContain('com.microsoft.nchwc:Conv')
    },
  )

  test('strides, kernels without padding, odd sizes, channels that are no blocks', () =>
    compareSteps({
      input: [2, 17, 13],
      layers: (net) => {
        const a = net.conv('input', [16, 2, 5, 5], { pads: [0, 0, 0, 0], strides: [1, 2] })
        const b = net.conv(a, [24, 16, 3, 3], { pads: [1, 0, 0, 1] })
        const c = net.conv(net.pool(b), [16, 24, 3, 3], { dilations: [1, 1] })
        return [net.conv(c, [32, 16, 3, 3], { strides: [2, 2] }), 32 * 3]
      },
    }))

  test('a strided convolution below a pooling', () =>
    compareSteps({
      input: [3, 16, 17],
      layers: (net) => {
        const a = net.conv('input', [16, 3, 5, 5], { strides: [2, 2] })
        const b = net.pool(net.conv(a, [16, 16, 3, 3], { pads: [1, 1, 1, 0] }))
        return [b, 16 * 4 * 4]
      },
    }))

  test('depthwise convolutions, forward and back', async () => {
    const lowered = await compareSteps({
      input: [3, 9, 8],
      layers: (net) => {
        const a = net.conv('input', [32, 3, 3, 3])
        const b = net.conv(a, [32, 1, 3, 3], { group: 32 })
        const c = net.conv(net.relu(b), [32, 1, 5, 5], { group: 32, strides: [2, 2] })
        return [net.conv(c, [16, 32, 1, 1]), 16 * 5 * 4]
      },
    })
    if (block === 1) return
    const depthwise = lowered.graph.nodes.filter(
      ({ opType, attributes }) => opType === 'Conv' && attributes.has('group'),
    )
    const groups = depthwise.filter(
      ({ attributes }) => (attributes.get('group') as { value: bigint }).value === 32n,
    )
    // Two outputs, two gradients of weights, and the gradient of the input of the one with stride 1.
    const [own, zeros] = [1, 0].map((end) =>
      groups.filter((node) => Number(intsAttribute(node, 'kernel_shape')?.[0] !== 1) === end),
    )
    expect(own!.map(({ domain }) => domain)).toEqual(Array(5).fill('com.microsoft.nchwc'))
    // In the gradients of weights images lie below each other: they get rows of zeros and are moved as blocks.
    expect(zeros!.map(({ domain }) => domain)).toEqual(Array(4).fill('com.microsoft.nchwc'))
    const channelsFirst = lowered.graph.nodes.filter(
      (node) => node.opType === 'Transpose' && String(intsAttribute(node, 'perm')) === '1,0,2,3',
    )
    // The gradients of the other two weights.
    expect(channelsFirst).toHaveLength(2)
  })

  test('convolutions in groups of whole blocks, forward and back', async () => {
    const width = widestBlock
    const lowered = await compareSteps({
      input: [3, 8, 12],
      layers: (net) => {
        const a = net.conv('input', [2 * width, 3, 3, 3])
        const b = net.conv(a, [2 * width, width, 3, 3], { group: 2 })
        const strided = { group: 2, strides: [2, 2], pads: [1, 1, 1, 1] }
        const c = net.conv(net.relu(b), [4 * width, width, 4, 4], strided)
        return [net.builder.node('GlobalAveragePool', [c]), 4 * width]
      },
    })
    if (block === 1) return
    const groups = lowered.graph.nodes.filter(
      ({ opType, attributes }) =>
        opType === 'Conv' &&
        (attributes.get('group') as { value: bigint } | undefined)?.value === 2n,
    )
    // Two outputs, two gradients of weights, the gradient of the input of the one with stride 1, and four phases of that of the other one.
    expect(groups.map(({ domain }) => domain)).toEqual(Array(9).fill('com.microsoft.nchwc'))
    expect(operatorsOf(lowered)).not.toContain('ConvTranspose')
  })

  test.each([
    [1, 2, 0, 1],
    [2, 2, 0, 1],
    [3, 2, 1, 1],
    [4, 2, 1, 1],
    [5, 2, 2, 1],
    [4, 3, 0, 1],
    [3, 2, 2, 2],
    [5, 2, 4, 2],
    [3, 2, 3, 3],
    [5, 3, 4, 2],
    [3, 4, 2, 2],
    [3, 3, 3, 3],
  ])(
    'the gradient of a kernel of %i with stride %i, pad %i and dilation %i',
    async (size, stride, pad, dilation) => {
      const height = stride * 4
      const [given, channels] = [{ height, width: stride * 3 }, 16]
      const dilations = [dilation, dilation]
      const lowered = await compareSteps({
        input: [3, given.height, given.width],
        layers: (net) => {
          const a = net.conv('input', [channels, 3, 1, 1])
          const strides = [stride, stride]
          const pads = [pad, pad, pad, pad]
          const b = net.conv(a, [32, channels, size, size], { strides, pads, dilations })
          const depthwise = { strides, pads, dilations, group: channels }
          const c = net.conv(a, [channels, 1, size, size], depthwise)
          const both = net.builder.node('Concat', [b, c], { axis: 1 })
          return [net.builder.node('GlobalAveragePool', [both]), 48]
        },
      })
      const transposed = lowered.graph.nodes.filter(({ opType }) => opType === 'ConvTranspose')
      expect(transposed).toHaveLength(block === 1 ? 2 : 0)
    },
  )

  test.each<[string, number[], number[], number[], number[], number[]?]>([
    ['signals', [2, 24], [3], [2], [1, 1]],
    ['long signals', [2, 200], [4], [3], [0, 1]],
    ['kernels shorter than their strides', [2, 24], [1], [3], [0, 0]],
    ['signals with a dilation', [2, 24], [3], [2], [2, 2], [2]],
    ['signals with a dilation that meets all phases', [2, 24], [4], [2], [4, 4], [3]],
    ['volumes', [2, 4, 6, 8], [3, 3, 3], [2, 2, 2], [1, 1, 1, 1, 1, 1]],
    ['volumes, with several strides', [2, 4, 3, 6], [2, 3, 4], [2, 1, 3], [0, 1, 1, 0, 1, 1]],
  ])(
    '%s, whose strides the gradient undoes',
    async (_, input, kernel, strides, pads, dilations = kernel.map(() => 1)) => {
      const lowered = await compareSteps({
        input,
        layers: (net) => {
          const first = net.conv('input', [6, 2, ...kernel.map(() => 1)], {
            pads: pads.map(() => 0),
          })
          const y = net.conv(first, [7, 6, ...kernel], { strides, pads, dilations })
          return [net.builder.node('GlobalAveragePool', [y]), 7]
        },
      })
      expect(operatorsOf(lowered)).not.toContain('ConvTranspose')
    },
  )

  test.each([0, 1, 2, 3])('signals in blocks of channels, draw %i', async (draw) => {
    const { random } = new Net()
    for (let i = 0; i < 3 * draw; i++) random.uniform()
    const length = 40 + random.below(60)
    const [kernel, stride, dilation] = [
      2 + random.below(6),
      1 + random.below(3),
      1 + random.below(2),
    ]
    const channels = [16, 32][random.below(2)]!
    const lowered = await compareSteps({
      input: [[3, 16][draw % 2]!, length],
      layers: (net) => {
        const { builder } = net
        const conv = (x: string, dims: readonly number[], attributes = {}) =>
          builder.node('Conv', [x, net.parameter('w', dims)], attributes)
        const stored = [zeros, ones].map((fill) =>
          builder.constant(fillTensor(fill, 'float32', [channels], 0), 'stored'),
        )
        const a = conv('input', [channels, [3, 16][draw % 2]!, 3], { pads: [1, 1] })
        const own = [net.parameter('scale', [channels]), net.parameter('shift', [channels])]
        const b = net.relu(builder.node('BatchNormalization', [a, ...own, ...stored]))
        const c = conv(b, [channels, 1, 3], { group: channels, pads: [0, 2] })
        const d = builder.node('Add', [
          b,
          builder.node('Mul', [c, net.parameter('gate', [channels, 1])]),
        ])
        const e = net.relu(
          conv(d, [48, channels, kernel], {
            strides: [stride],
            dilations: [dilation],
            pads: [kernel - 1, kernel],
          }),
        )
        const mean = builder.node('ReduceMean', [e, builder.constant(int64([2]))], { keepdims: 0 })
        return [mean, 48]
      },
    })
    if (block === 1) return
    const { nodes } = lowered.graph
    // Element by element, nothing is computed on signals that could be in blocks.
    expect(
      nodes.filter(({ opType, domain }) => opType === 'Conv' && domain !== '').length,
    ).toBeGreaterThan(5)
    expect(operatorsOf(lowered)).not.toContain('BatchNormalization')
  })

  test.each([0, 1, 2, 3, 4, 5])('volumes in blocks of channels, draw %i', async (draw) => {
    const random = randomStream(testSeed, 'volumes', draw)
    const sizes = [2, 4, 4].map((least) => least + random.below(5))
    const few = [1, 2, 16][draw % 3]!
    const window = (kernel: readonly number[]) => {
      const strides = kernel.map(() => 1 + random.below(2))
      const dilations = kernel.map((size) => (size === 1 ? 1 : 1 + random.below(2)))
      const reach = kernel.map((size, i) => (size - 1) * dilations[i]!)
      const pads = [...reach.map((size) => random.below(size + 1)), ...reach]
      return { strides, dilations, pads }
    }
    const kernel = [1, 2, 3].map((size) => 1 + random.below(size))
    const lowered = await compareSteps({
      input: [few, ...sizes],
      batch: 1 + (draw % 3),
      layers: (net) => {
        const { builder } = net
        const conv = (x: string, dims: readonly number[], attributes = {}) =>
          builder.node('Conv', [x, net.parameter('w', dims)], attributes)
        const stored = [zeros, ones].map((fill) =>
          builder.constant(fillTensor(fill, 'float32', [16], 0), 'stored'),
        )
        // Without dilations two planes would be computed at once, which come out of blocks.
        const apart = few === 16 ? 2 : 1
        const a = conv('input', [16, few, 3, 3, 3], {
          pads: [apart, 1, 1, apart, 1, 1],
          dilations: [apart, 1, 1],
        })
        const own = [net.parameter('scale', [16]), net.parameter('shift', [16])]
        const b = net.relu(builder.node('BatchNormalization', [a, ...own, ...stored]))
        const c = builder.node('Mul', [
          conv(b, [16, 16, 3, 1, 3], { pads: [4, 0, 1, 0, 0, 1], dilations: [2, 1, 1] }),
          net.parameter('gate', [16, 1, 1, 1]),
        ])
        const both = builder.node('Concat', [b, builder.node('Add', [b, c])], { axis: 1 })
        const d = net.relu(conv(both, [32, 32, ...kernel], window(kernel)))
        // What is no convolution reads volumes.
        const e = builder.node('MaxPool', [d], { kernel_shape: [1, 1, 1] })
        return [builder.node('GlobalAveragePool', [e]), 32]
      },
    })
    if (block === 1) return
    const { nodes } = lowered.graph
    const inBlocks = nodes.filter(({ opType, domain }) => opType === 'Conv' && domain !== '')
    expect(inBlocks.length).toBeGreaterThan(5)
    expect(operatorsOf(lowered)).not.toContain('BatchNormalization')
    // Planes come into blocks once, and those that a convolution reads are brought together in blocks.
    const given = nodes.filter(({ opType }) => opType === 'ReorderInput')
    const stacked = nodes.filter(
      ({ opType, inputs }) =>
        opType === 'Gather' &&
        nodes.some((node) => node.opType === 'Concat' && node.outputs[0] === inputs[0]),
    )
    expect(given.length).toBeGreaterThan(0)
    expect(stacked.length).toBeGreaterThan(0)
  })

  test.skipIf(block === 1)('of what planes that are gathered give, sizes are known', async () => {
    const builder = new GraphBuilder()
    builder.input('x', 'float32', ['n', 3, 8, 10, 10])
    const weight = builder.constant(normalTensor(randomStream(testSeed, 'w'), [16, 3, 3, 3, 3]))
    const y = builder.node('Conv', ['x', weight], { pads: [1, 1, 1, 1, 1, 1] })
    const groups = builder.node('Reshape', [y, builder.constant(int64([0, 4, -1]))])
    const squares = builder.node('Mul', [groups, groups])
    builder.nodeOutputs(
      'ReduceSum',
      [squares, builder.constant(int64([2]))],
      {},
      { outputs: ['y'] },
    )
    builder.output('y', 'float32')
    const model = builder.model()
    const lowered = lowerForCpu(model, block)
    // Sums of products of as many as that are products of rows, whatever the size of the batch.
    expect(operatorsOf(lowered)).toContain('com.microsoft:FusedMatMul')
    const feeds = { x: normalTensor(randomStream(testSeed, 'x'), [2, 3, 8, 10, 10]) }
    const [wanted, found] = [await run(model, feeds), await run(lowered, feeds)]
    expect(difference(sent(found).y, sent(wanted).y!)).toBeLessThan(1e-5)
  })

  test('a transposed convolution', async () => {
    const lowered = await compareSteps({
      input: [16, 3, 5],
      layers: (net) => {
        const weight = net.parameter('up', [16, 32, 2, 2])
        const y = net.builder.node('ConvTranspose', ['input', weight, net.parameter('b', [32])], {
          kernel_shape: [2, 2],
          strides: [2, 2],
        })
        return [net.conv(y, [16, 32, 3, 3]), 16 * 6 * 10]
      },
    })
    expect(operatorsOf(lowered).includes('ConvTranspose')).toBe(block === 1)
  })

  test.each([0, 1, 2, 3])('normalizations with statistics of the batch, draw %i', async (draw) => {
    const { random } = new Net()
    for (let i = 0; i < draw; i++) random.uniform()
    const [height, width] = [2 + random.below(6), 2 + random.below(6)]
    const channels = [16, 32, 48][random.below(3)]!
    const lowered = await compareSteps({
      input: [3, height, width],
      batch: 2 + draw,
      layers: (net) => {
        const norm = (x: string, hint: string) => {
          const { builder } = net
          const stored = [zeros, ones].map((fill, i) =>
            builder.constant(fillTensor(fill, 'float32', [channels], 0), `${hint}.${i}`),
          )
          const own = [net.parameter('scale', [channels]), net.parameter('shift', [channels])]
          return builder.node('BatchNormalization', [x, ...own, ...stored])
        }
        // Biases would have no gradient but rounding.
        const conv = (x: string, dims: readonly number[], group = 1) =>
          net.builder.node('Conv', [x, net.parameter('w', dims)], {
            pads: Array(4).fill((dims[2]! - 1) / 2),
            group,
          })
        const a = net.relu(norm(conv('input', [channels, 3, 3, 3]), 'a'))
        const b = norm(conv(a, [channels, 1, 3, 3], channels), 'b')
        const c = norm(conv(a, [channels, channels, 1, 1]), 'c')
        const sum = net.relu(net.builder.node('Add', [b, c]))
        const mean = net.builder.node('GlobalAveragePool', [sum])
        const scaled = net.builder.node('Mul', [mean, net.parameter('gate', [channels, 1, 1])])
        return [scaled, channels]
      },
    })
    if (block === 1) return
    const used = operatorsOf(lowered)
    expect(used).not.toContain('BatchNormalization')
    expect(used).not.toContain('Relu')
    expect(
      used.filter((name) => name === 'ReduceMean' || name === 'ReduceSum').length,
    ).toBeGreaterThan(0)
    // Only weight gradients need images in the order of the standard.
    const results = new Set(
      lowered.graph.nodes.flatMap(({ opType, outputs }) =>
        opType === 'ReorderOutput' ? outputs : [],
      ),
    )
    for (const { opType, inputs } of lowered.graph.nodes)
      if (opType.startsWith('Reduce')) expect(inputs.some((name) => results.has(name))).toBe(false)
  })

  test('numbers for each channel that are added, multiplied and subtracted, from either side', () =>
    compareSteps({
      input: [3, 4, 5],
      layers: (net) => {
        const { builder } = net
        const numbers = () => net.parameter('numbers', [1, 32, 1, 1])
        let x = net.conv('input', [32, 3, 3, 3])
        x = builder.node('Mul', [numbers(), x])
        x = builder.node('Add', [x, net.parameter('numbers', [32, 1, 1])])
        x = builder.node('Sub', [x, numbers()])
        x = builder.node('Sub', [numbers(), x])
        const sums = builder.node('ReduceSum', [x, builder.constant(int64([2, 3]))], {
          keepdims: 0,
        })
        const means = builder.node('ReduceMean', [x, builder.constant(int64([3, 2]))])
        const both = builder.node('Add', [means, net.conv(x, [32, 32, 1, 1])])
        const gated = builder.node('Mul', [
          builder.node('Flatten', [net.pool(both)]),
          builder.node('Concat', [sums, sums, sums, sums], { axis: 1 }),
        ])
        return [builder.node('Tanh', [gated]), 128]
      },
    }))

  test.skipIf(block === 1)(
    'scale, shift and activation before a convolution, at once',
    async () => {
      const { graph } = await compareSteps({
        input: [block, 8, 8],
        layers: (net) => {
          const { builder } = net
          const perChannel = (hint: string) => net.parameter(hint, [block, 1, 1])
          // What is computed before is in no blocks.
          const image = builder.node('Softmax', ['input'], { axis: 1 })
          const scaled = builder.node('Mul', [image, perChannel('gamma')])
          const shifted = builder.node('Add', [scaled, perChannel('beta')])
          const pooled = builder.node('AveragePool', [net.relu(shifted)], {
            kernel_shape: [2, 2],
            strides: [2, 2],
          })
          return [net.conv(pooled, [block, block, 3, 3]), 16 * block]
        },
      })
      const used = graph.nodes.filter(
        (node) => node.opType === 'Conv' && stringAttribute(node, 'activation', '') === 'Relu',
      )
      expect(used.map((node) => [node.inputs.length, intAttribute(node, 'group', 1)])).toEqual([
        [3, block],
      ])
    },
  )

  test('a value that is read in both orders', () =>
    compareSteps({
      input: [16, 4, 4],
      layers: (net) => {
        const a = net.conv('input', [16, 16, 3, 3])
        const mean = net.builder.node('GlobalAveragePool', [a])
        return [net.builder.node('Mul', [net.relu(a), mean]), 16 * 4 * 4]
      },
    }))
})

// Channels in front, zeros behind each image, and how the depthwise convolution reads that, by itself.
test.each<[string, number[] | undefined, number[], number[]]>([
  ['images below each other', undefined, [32, 2, 24], [1, 32, -1, 6]],
  ['… with zeros between them', [32, 2, 6], [32, 2, 24], [1, 32, -1, 6]],
  ['images as rows', undefined, [32, 2, 24], [1, 32, 2, 24]],
  ['zero rows of images', [32, 2, 1, 6], [32, 2, 4, 6], [1, 32, -1, 6]],
  ['other channels', undefined, [64, 24], [1, 64, 4, 6]],
  ['zeros behind others', [32, 4, 6], [32, 4, 12], [1, 32, -1, 6]],
])('%s, as a depthwise convolution reads them', async (_, zeros, front, shape) => {
  const builder = new GraphBuilder()
  const random = randomStream(1, 'images below each other')
  const weight = (dims: readonly number[]) => builder.constant(normalTensor(random, dims))
  const sizes = (dims: readonly number[]) => builder.constant(int64(dims))
  const x = builder.input('x', 'float32', [2, 16, 4, 6])
  const images = builder.node('Conv', [x, weight([32, 16, 3, 3])], { pads: [1, 1, 1, 1] })
  const turned = builder.node('Transpose', [images], { perm: [1, 0, 2, 3] })
  const flat = builder.node('Reshape', [turned, sizes(front)])
  const behind = zeros && builder.node('ConstantOfShape', [sizes(zeros)])
  const all = behind ? builder.node('Concat', [flat, behind], { axis: 2 }) : flat
  const channels = shape[1]!
  const read = builder.node('Reshape', [all, sizes(shape)])
  const kernels = builder.node('Reshape', [all, sizes([channels, 1, ...shape.slice(2)])])
  const attributes = { group: channels, pads: [1, 1, 1, 1] }
  builder.nodeOutputs('Conv', [read, kernels], attributes, { outputs: ['y'] })
  builder.output('y', 'float32')
  const model = builder.model()
  const feeds = { x: normalTensor(random, [2, 16, 4, 6]) }
  const [expected, found] = [await run(model, feeds), await run(lowerForCpu(model, block), feeds)]
  expect(difference(sent(found).y, sent(expected).y!)).toBeLessThan(3e-6)
})

test('activations whose kernels are slow', async () => {
  const lowered = await compareSteps({
    input: [40],
    layers: (net) => {
      const { builder } = net
      const layer = (x: string) => builder.node('MatMul', [x, net.parameter('w', [40, 40])])
      const a = builder.node('Mish', [layer('input')])
      const b = builder.node('Softplus', [layer(a)])
      const c = builder.node('Elu', [layer(b)])
      const d = builder.node('HardSwish', [layer(c)])
      return [builder.node('PRelu', [layer(d), net.parameter('slope', [40])]), 40]
    },
  })
  const used = operatorsOf(lowered)
  const slow = ['Mish', 'Softplus', 'Elu', 'HardSwish', 'PRelu']
  for (const name of slow) expect(used).not.toContain(name)
  const count = (wanted: string) => used.filter((name) => name === wanted).length
  // The loss has an exponential. The value and the derivative share theirs in Mish and Elu, …
  expect(count('Exp')).toBe(3)
  // … and the gate of HardSwish, beside which there are a mask for its middle and one for the slope of PRelu.
  expect(count('HardSigmoid')).toBe(3)
})

test('far from zero, the forms of slow activations are exact', async () => {
  const builder = new GraphBuilder()
  builder.input('x', 'float32', [6])
  const forms: readonly [op: string, alpha: number | undefined][] = [
    ['Softplus', undefined],
    ['Mish', undefined],
    ['Elu', 1],
    ['Elu', 0.3],
    ['Elu', 1.5],
    ['Celu', 1],
    ['Celu', 0.5],
    ['HardSwish', undefined],
  ]
  const nameOf = (op: string, alpha?: number) => (alpha === undefined ? op : `${op} ${alpha}`)
  for (const [op, alpha] of forms) {
    const attributes = alpha === undefined ? {} : { alpha: float(alpha) }
    builder.nodeOutputs(op, ['x'], attributes, { outputs: [nameOf(op, alpha)] })
    builder.output(nameOf(op, alpha), 'float32', [6])
  }
  const x = new Tensor('float32', [6], Float32Array.of(-200, -30, -0.5, 0, 30, 1e30))
  const found = await run(lowerForCpu(builder.model(), block), { x })
  for (const [i, value] of x.data.entries()) {
    const softplus = value > 30 ? value : Math.log1p(Math.exp(value))
    expect(Number(found.Softplus!.data[i])).toBeCloseTo(softplus, 6)
    const mish = value * Math.tanh(softplus)
    const size = Math.max(1, Math.abs(mish))
    expect(Number(found.Mish!.data[i]) / size).toBeCloseTo(mish / size, 6)
    const below = (alpha: number, rate: number) => alpha * Math.expm1(rate * value)
    const expected = {
      'Elu 1': value > 0 ? value : below(1, 1),
      'Elu 0.3': value > 0 ? value : below(0.3, 1),
      'Elu 1.5': value > 0 ? value : below(1.5, 1),
      'Celu 1': value > 0 ? value : below(1, 1),
      'Celu 0.5': value > 0 ? value : below(0.5, 2),
      HardSwish: value * Math.min(1, Math.max(0, value / 6 + 0.5)),
    }
    for (const [name, exact] of Object.entries(expected))
      expect(Number(found[name]!.data[i]) / Math.max(1, Math.abs(exact)), name).toBeCloseTo(
        exact / Math.max(1, Math.abs(exact)),
        6,
      )
  }
})

test('a Reshape of a Reshape is one, unless it takes a size over', async () => {
  const builder = new GraphBuilder()
  const sizes = (...values: number[]) => builder.constant(int64(values), 'sizes')
  builder.input('x', 'float32', [2, 3, 4])
  const flat = builder.node('Reshape', ['x', sizes(-1)])
  const rows = builder.node('Reshape', [flat, sizes(6, -1)])
  builder.nodeOutputs(
    'Relu',
    [builder.node('Reshape', [rows, sizes(3, 8)])],
    {},
    { outputs: ['y'] },
  )
  builder.nodeOutputs(
    'Relu',
    [builder.node('Reshape', [rows, sizes(0, 2, 2)])],
    {},
    { outputs: ['z'] },
  )
  builder.output('y', 'float32', [3, 8])
  builder.output('z', 'float32', [6, 2, 2])
  const lowered = lowerForCpu(builder.model(), block)
  expect(operatorsOf(lowered).filter((name) => name === 'Reshape')).toHaveLength(3)
  const x = normalTensor(randomStream(2, 'reshapes'), [2, 3, 4])
  const [expected, actual] = [await run(builder.model(), { x }), await run(lowered, { x })]
  for (const name of ['y', 'z']) expect(numbers(actual[name]!)).toEqual(numbers(expected[name]!))
})

test('axes of size one are added and removed by Reshape, where one size is open at most', async () => {
  const builder = new GraphBuilder()
  const axis = builder.constant(int64([2]))
  builder.input('x', 'float32', ['batch', 3, 4])
  builder.input('z', 'float32', ['batch', 'length', 4])
  for (const [i, name] of ['x', 'z'].entries()) {
    const exchanged = builder.node('Transpose', [name], { perm: [0, 2, 1] })
    const image = builder.node('Abs', [builder.node('Unsqueeze', [exchanged, axis])])
    builder.nodeOutputs('Squeeze', [image, axis], {}, { outputs: [`y${i}`] })
    builder.output(`y${i}`, 'float32')
  }
  const lowered = lowerForCpu(builder.model(), block)
  const count = (opType: string) => operatorsOf(lowered).filter((name) => name === opType).length
  expect([count('Reshape'), count('Unsqueeze'), count('Squeeze')]).toEqual([2, 1, 1])
  const random = randomStream(2, 'axes')
  const feeds = { x: normalTensor(random, [2, 3, 4]), z: normalTensor(random, [2, 5, 4]) }
  const [expected, actual] = [await run(builder.model(), feeds), await run(lowered, feeds)]
  for (const name of ['y0', 'y1']) expect(numbers(actual[name]!)).toEqual(numbers(expected[name]!))
})

test('a model without convolutions stays as it is', () => {
  const builder = new GraphBuilder()
  builder.input('x', 'float32', [2, 16, 4, 4])
  builder.nodeOutputs('Relu', ['x'], {}, { outputs: ['y'] })
  builder.output('y', 'float32', [2, 16, 4, 4])
  expect(operatorsOf(lowerForCpu(builder.model(), 16))).toEqual(['Relu'])
})

test('an output of the model that a pooling reads stays whole', async () => {
  const builder = new GraphBuilder()
  const random = randomStream(1, 'outputs')
  builder.input('x', 'float32', [2, 16, 4, 4])
  const w = builder.constant(normalTensor(random, [16, 16, 3, 3]))
  builder.nodeOutputs('Conv', ['x', w], { pads: [1, 1, 1, 1] }, { outputs: ['y'] })
  builder.nodeOutputs(
    'MaxPool',
    ['y'],
    { kernel_shape: [2, 2], strides: [2, 2] },
    { outputs: ['z'] },
  )
  builder.output('y', 'float32', [2, 16, 4, 4])
  builder.output('z', 'float32', [2, 16, 2, 2])
  const x = normalTensor(random, [2, 16, 4, 4])
  const expected = await run(builder.model(), { x })
  const actual = await run(lowerForCpu(builder.model(), block), { x })
  for (const name of ['y', 'z'])
    for (const [i, value] of expected[name]!.data.entries())
      expect(Number(actual[name]!.data[i])).toBeCloseTo(Number(value), 4)
})

describe('convolutions with large weights on small images', () => {
  const large = (net: Net, index: number): readonly [string, number] => {
    const { random } = net
    const groups = [1, 1, 3][index % 3]!
    const channels = groups * (20 + random.below(4))
    const filters = groups * (260 + random.below(20))
    const kernel = [1 + random.below(3), 1 + random.below(3)]
    const strides = [1 + random.below(2), 1 + random.below(2)]
    const dilations = [1 + random.below(2), 1]
    const pads = [0, 0, kernel[0]! * dilations[0]! - 1, kernel[1]! - 1].map((end, i) =>
      i < 2 ? random.below(2) : end,
    )
    const first = net.conv('input', [channels, 2, 1, 1])
    const y = net.conv(first, [filters, channels / groups, ...kernel], {
      strides,
      dilations,
      pads,
      group: groups,
    })
    return [net.builder.node('GlobalAveragePool', [y]), filters]
  }
  test.each([0, 1, 2, 3, 4, 5])('draw %i', async (index) => {
    const lowered = await compareSteps({
      input: [2, 2, 2],
      batch: 1 + index,
      layers: (net) => {
        for (let i = 0; i < index; i++) net.random.uniform()
        return large(net, index)
      },
    })
    const weights = lowered.graph.nodes.flatMap(({ opType, inputs }) =>
      /Conv/.test(opType) ? [inputs[1]!] : [],
    )
    expect(weights).not.toContain('w_1')
    const { nodes } = lowered.graph
    const gathered = nodes
      .filter(({ opType }) => opType === 'Gather')
      .map(({ inputs }) => inputs[0])
    // The output and the gradient of the weight share their columns.
    expect(new Set(gathered).size).toBe(gathered.length)
  })
})

describe('convolutions of narrow groups, whose channels fill no blocks', () => {
  const drawn = fc.record({
    groups: fc.constantFrom(1, 2, 4),
    read: fc.constantFrom(9, 10, 13),
    given: fc.constantFrom(11, 12, 20),
    kernel: fc.constantFrom(3, 5, 7),
    height: fc.integer({ min: 2, max: 6 }),
    width: fc.integer({ min: 2, max: 12 }),
    stride: fc.constantFrom(1, 2),
  })

  test('are products of columns on images of few columns', async () => {
    await fc.assert(
      fc.asyncProperty(drawn, async ({ groups, read, given, kernel, height, width, stride }) => {
        const [channels, filters] = [groups * read, groups * given]
        const lowered = await compareSteps({
          input: [channels, height, width],
          layers: (net) => {
            const pointwise = net.conv('input', [channels, channels, 1, 1])
            const y = net.conv(pointwise, [filters, read, kernel, kernel], {
              group: groups,
              strides: [stride, stride],
            })
            return [net.builder.node('GlobalAveragePool', [net.relu(y)]), filters]
          },
        })
        const [rows, columns] = [height, width].map((size) => Math.ceil(size / stride)) as [
          number,
          number,
        ]
        // Counted for 32 images. ONNX Runtime takes 5.5 ns for a row that it lays out, or 10 for filters that outnumber outputs, and a nanosecond for an element of the columns.
        const laidOut = 32 * channels * kernel ** 2 * rows
        const row = rows * columns < given ? 10 : 5.5
        const { producers } = linksOf(lowered.graph)
        // A convolution in blocks computes the Relu as well.
        let maker = lowered.graph.nodes.find(({ opType }) => opType === 'Relu')
        while (maker && !/^(Conv|Gemm|(Fused)?MatMul)$/.test(maker.opType))
          maker = producers.get(maker.inputs[0]!)
        const hasWindows = maker === undefined || maker.opType === 'Conv'
        if (laidOut * (row - columns) > 160_000) expect(hasWindows).toBe(false)
        if (columns > 10 && groups > 1) expect(hasWindows).toBe(true)
      }),
      { seed: testSeed, numRuns: 40 },
    )
  }, 60_000)
})

test.each([
  ['none', 'Erf'],
  ['tanh', 'Sigmoid'],
])(
  'Gelu (approximate: %s) and its derivative share what they have in common',
  async (approximate, shared) => {
    const lowered = await compareSteps({
      opset: 20,
      input: [12],
      layers: (net) => {
        const { builder } = net
        const hidden = builder.node('Gemm', ['input', net.parameter('m', [12, 9])])
        return [builder.node('Gelu', [hidden], { approximate }), 9]
      },
    })
    expect(operatorsOf(lowered).filter((name) => [shared, 'Gelu'].includes(name))).toEqual([shared])
  },
)

test('scalars have the rank of results that end in axes of one', async () => {
  const lowered = await compareSteps({
    input: [16, 2, 2],
    layers: (net) => [
      net.builder.node('GlobalAveragePool', [net.conv('input', [16, 16, 1, 1])]),
      16,
    ],
  })
  const infos = inferModel(lowered)
  const scaled = lowered.graph.nodes.filter(
    ({ opType, inputs }) => opType === 'Mul' && inputs.includes('w.momentum'),
  )
  expect(scaled).toHaveLength(1)
  expect(scaled[0]!.inputs.map((name) => infos.get(name)?.shape?.length)).toEqual([4, 4])
})

test.skipIf(block === 1)('so have the positions that the means of images are sums by', async () => {
  const { graph } = await compareSteps({
    input: [16, 4, 5],
    layers: (net) => {
      const image = net.conv('input', [16, 16, 1, 1])
      return [net.builder.node('ReduceSum', [image, net.builder.constant(int64([2, 3]))]), 16]
    },
  })
  const counts = graph.nodes.flatMap(({ opType, inputs }) => {
    const tensors = inputs.map((name) => graph.initializers.get(name)?.tensor)
    const of = tensors.find(
      (tensor) => tensor && toNumbers(tensor).every((each) => Number(each) === 20),
    )
    return opType === 'Mul' && of ? [of.dims] : []
  })
  expect(counts).toEqual([[1, 1, 1, 1]])
})
