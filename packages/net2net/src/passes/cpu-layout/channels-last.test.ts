import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { block, compareSteps, type Net, operatorsOf } from '../../../testing/compare-steps.ts'
import { testSeed } from '../../../testing/seed.ts'
import { intAttribute, intsAttribute } from '../../model/attributes.ts'
import { linksOf } from '../../model/links.ts'
import type { Model, Node } from '../../model/model.ts'

/** Transpositions between the blocks and channels that come last. */
function detours({ graph }: Model): readonly string[] {
  const { producers, uses } = linksOf(graph)
  const isReorder = (node: Node | undefined, opType: string) => node?.opType === opType
  return graph.nodes.flatMap((node) => {
    const [[x = ''], [y = '']] = [node.inputs, node.outputs]
    const perm = `${intsAttribute(node, 'perm')}`
    const isDetour =
      isReorder(producers.get(x), 'ReorderOutput') ||
      uses.get(y)?.some(({ node }) => isReorder(node, 'ReorderInput'))
    return ['0,2,3,1', '0,3,1,2', '0,2,1'].includes(perm) && isDetour ? [y] : []
  })
}

const reorders = (model: Model) =>
  model.graph.nodes.filter((node) => intAttribute(node, 'channels_last', 0) === 1)

/** Images [N, C, H, W] with their channels last, also with all positions as one axis. */
function channelsLast(net: Net, images: string, sizes: readonly number[], isFlat: boolean): string {
  const { builder } = net
  const [channels = 0, height = 0, width = 0] = sizes
  if (!isFlat) return builder.node('Transpose', [images], { perm: [0, 2, 3, 1] })
  const lines = builder.node('Reshape', [images, net.ints(-1, channels, height * width)])
  return builder.node('Transpose', [lines], { perm: [0, 2, 1] })
}

function channelsFirst(net: Net, last: string, sizes: readonly number[], isFlat: boolean): string {
  const { builder } = net
  if (!isFlat) return builder.node('Transpose', [last], { perm: [0, 3, 1, 2] })
  const lines = builder.node('Transpose', [last], { perm: [0, 2, 1] })
  return builder.node('Reshape', [lines, net.ints(-1, ...sizes)])
}

const normalized = (net: Net, last: string, channels: number) =>
  net.builder.node(
    'LayerNormalization',
    [last, net.parameter('scale', [channels]), net.parameter('shift', [channels])],
    { axis: -1 },
  )

describe('images whose channels come last between convolutions', () => {
  const networks = fc.record({
    channels: fc.constantFrom(block, 2 * block, block + 4),
    height: fc.integer({ min: 1, max: 6 }),
    width: fc.integer({ min: 1, max: 6 }),
    isFlat: fc.boolean(),
    isFixed: fc.boolean(),
    /** Between the normalization and the next convolution. */
    between: fc.constantFrom('Relu', 'Sigmoid', 'nothing', 'sum', 'back'),
    end: fc.constantFrom('convolution', 'images', 'last', 'mean'),
  })

  test('go into blocks and out of them', async () => {
    await fc.assert(
      fc.asyncProperty(networks, async (drawn) => {
        const { channels, height, width, isFlat, between, end } = drawn
        const sizes = [channels, height, width]
        const lowered = await compareSteps({
          input: [3, height, width],
          isFixed: drawn.isFixed,
          layers: (net) => {
            const { builder } = net
            const first = net.conv('input', [channels, 3, 3, 3])
            const last = normalized(net, channelsLast(net, first, sizes, isFlat), channels)
            const images = channelsFirst(net, last, sizes, isFlat)
            const again = () =>
              channelsFirst(
                net,
                normalized(net, channelsLast(net, images, sizes, isFlat), channels),
                sizes,
                isFlat,
              )
            const active =
              between === 'nothing'
                ? images
                : between === 'sum'
                  ? builder.node('Add', [images, first])
                  : between === 'back'
                    ? again()
                    : builder.node(between, [images])
            const count = channels * height * width
            if (end === 'images') return [active, count]
            if (end === 'last') return [channelsLast(net, active, sizes, isFlat), count]
            if (end === 'mean') return [builder.node('GlobalAveragePool', [active]), channels]
            return [net.relu(net.conv(active, [block, channels, 3, 3])), block * height * width]
          },
        })
        const isMoved = block > 1 && channels % block === 0 && height * width > 1
        if (end !== 'convolution' || !isMoved) return
        expect(reorders(lowered).length).toBeGreaterThanOrEqual(2)
        expect(detours(lowered)).toEqual([])
      }),
      { seed: testSeed, numRuns: 60 },
    )
  }, 120_000)

  test('are transposed where nothing is in blocks', async () => {
    const lowered = await compareSteps({
      input: [2 * block, 4, 5],
      layers: (net) => {
        const last = normalized(net, channelsLast(net, 'input', [], false), 2 * block)
        return [channelsFirst(net, last, [], false), 40 * block]
      },
    })
    expect(reorders(lowered)).toEqual([])
    expect(operatorsOf(lowered)).toContain('Transpose')
  })
})
