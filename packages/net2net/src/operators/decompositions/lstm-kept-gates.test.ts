import { expect, test } from 'vitest'
import { compareSteps, type Net, operatorsOf, type Spec } from '../../../testing/compare-steps.ts'
import { randomStream } from '../../tensor/random.ts'

interface Sizes {
  readonly features: number
  readonly hidden: number
  readonly directions: number
}

/** [time, batch, features] through an LSTM: all states, [time, batch, directions · hidden], and the last cell. */
function lstm(net: Net, x: string, { features, hidden, directions }: Sizes): readonly string[] {
  const weights = [
    net.parameter('w', [directions, 4 * hidden, features]),
    net.parameter('r', [directions, 4 * hidden, hidden]),
    net.parameter('b', [directions, 8 * hidden]),
  ]
  const direction = directions === 2 ? 'bidirectional' : 'forward'
  const attributes = { hidden_size: hidden, direction }
  const [y, , cell] = net.builder.nodeOutputs('LSTM', [x, ...weights], attributes, { outputs: 3 })
  const beside = net.builder.node('Transpose', [y!], { perm: [0, 2, 1, 3] })
  return [net.builder.node('Reshape', [beside, net.ints(0, 0, -1)]), cell!]
}

/** Two layers, of which the second one goes both ways, and the end of the first one's cell. */
const stacked = (time: number, features: number, hidden: number): Spec => ({
  input: [time, features],
  layers: (net) => {
    const x = net.builder.node('Transpose', ['input'], { perm: [1, 0, 2] })
    const [y, cell] = lstm(net, x, { features, hidden, directions: 1 })
    const [z] = lstm(net, y!, { features: hidden, hidden, directions: 2 })
    const last = net.builder.node('Gather', [z!, net.ints(-1)], { axis: 0 })
    const rows = net.builder.node('Concat', [last, cell!], { axis: 2 })
    const flat = net.builder.node('Reshape', [rows, net.ints(-1, 3 * hidden)])
    return [flat, 3 * hidden]
  },
})

test('wide LSTMs keep their gates: their kernel is left out, and the step is the same', async () => {
  const random = randomStream(0, 'kept gates')
  for (let draw = 0; draw < 3; draw++) {
    const [time, features] = [2 + random.below(4), 16 + random.below(9)]
    const lowered = await compareSteps(stacked(time, features, 64 + random.below(20)))
    const used = operatorsOf(lowered)
    expect(used).not.toContain('LSTM')
    // There and back, in three directions.
    expect(used.filter((name) => name === 'Scan')).toHaveLength(6)
  }
})

test('wide inputs are multiplied before the steps', async () => {
  const used = operatorsOf(await compareSteps(stacked(3, 320, 64)))
  expect(used).toContain('MatMul')
  expect(used.filter((name) => name === 'Scan')).toHaveLength(6)
})

test('the product of all steps has one more of zeros where lines would collide in the cache', async () => {
  // 32 samples are assumed where the batch is open: a line has 1,024 numbers, or 992.
  const padsAfter = async (time: number) =>
    operatorsOf(await compareSteps(stacked(time, 16, 64))).filter((name) => name === 'Pad').length
  expect(await padsAfter(32)).toBe((await padsAfter(31)) + 1)
})

test('small LSTMs stay with their kernel', async () => {
  const used = operatorsOf(await compareSteps(stacked(5, 8, 8)))
  expect(used.filter((name) => name === 'LSTM')).toHaveLength(2)
})
