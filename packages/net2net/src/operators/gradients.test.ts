/** The gradients of all operators against differences of a float64 evaluation: the cases' draws. */
import { describe, test } from 'vitest'
import { checkAdjoint } from '../../testing/adjoint-check.ts'
import { allCases, nodeCases, operatorAt } from '../../testing/all-cases.ts'
import type { NodeCase } from '../../testing/cases.ts'
import { checkGradients, type GradientCase, oneNode } from '../../testing/gradient-check.ts'
import { type RandomStream, randomStream } from '../tensor/random.ts'

function check(key: string, { draw, draws = 30, linear, what = '' }: NodeCase): Promise<void> {
  const drawn = (random: RandomStream, index: number): GradientCase => {
    const { observed, ...node } = draw(random, index)
    return { ...oneNode({ ...operatorAt(key), ...node }), ...(observed && { outputs: observed }) }
  }
  return linear
    ? checkAdjoints(`${key} ${what}`, draws, drawn)
    : checkGradients({ draws, draw: drawn })
}

async function checkAdjoints(
  key: string,
  draws: number,
  draw: (random: RandomStream, index: number) => GradientCase,
): Promise<void> {
  for (let index = 0; index < draws; index++) {
    const random = randomStream(0, 'adjoint check', key, index)
    const drawn = draw(random, index)
    try {
      await checkAdjoint(drawn, random)
    } catch (cause) {
      const [node] = drawn.model.graph.nodes
      const given = [...node!.attributes].map(([name, a]) => `${name}=${'value' in a && a.value}`)
      throw new Error(
        `Draw ${index}: ${given.join(' ')}, input [${drawn.inputs.x0!.dims}]: ${String(cause)}`,
        { cause },
      )
    }
  }
}

describe('the gradient of', () => {
  for (const [key, cases] of allCases)
    for (const each of nodeCases(cases))
      test(each.what === undefined ? key : `${key} ${each.what}`, () => check(key, each))
})
