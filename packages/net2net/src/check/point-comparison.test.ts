import { expect, test } from 'vitest'
import { float32 } from '../tensor/tensor.ts'
import { type Cut, pointName } from './cut.ts'
import { PointComparison } from './point-comparison.ts'

test('of several roundings the one counts that moves a point most', () => {
  const comparison = new PointComparison(1, { rounding: 1e-5, agreement: 1e-5 })
  const name = pointName('y')
  const near = (by: number) => [float32([2], [1, 1 + by])]
  comparison.add(0, name, near(0))
  comparison.add(1, name, near(1e-3))
  expect(comparison.differs).toBe(true)
  comparison.addJittered(name, near(1e-5))
  expect(comparison.differs).toBe(true)
  comparison.addJittered(name, near(5e-4))
  expect(comparison.differs).toBe(false)
  comparison.addJittered(name, near(1e-5))
  expect(comparison.differs).toBe(false)
})

test('two numbers that chance has put near each other are compared by their size', () => {
  const comparison = new PointComparison(1, { rounding: 1e-5, agreement: 1e-5 })
  const name = pointName('mean')
  comparison.add(0, name, [float32([2, 1, 1], [1, 1.001])])
  comparison.add(1, name, [float32([2, 1, 1], [1 + 1e-6, 1.001])])
  expect(comparison.differs).toBe(false)
})

test('what moves a value little, with which a point moves little, is not seen', () => {
  const comparison = new PointComparison(1, { rounding: 1e-5, agreement: 1e-5 })
  const point = pointName('y')
  for (const model of [0, 1] as const) comparison.add(model, point, [float32([2], [1, 2])])
  const layers = ['strong', 'weak'].map((weight) => ({ label: weight, weight }))
  const cut = { points: ['y'], layers } as unknown as Cut
  const share = 2 ** -6
  const movements = [
    { from: 'strong', to: 'value', by: share },
    { from: 'weak', to: 'value', by: share / 100 },
    { from: 'value', to: point, by: 1e-4 },
  ]
  const seen = (by?: number) => comparison.outcome(cut, movements, by).exercised(new Set())
  expect(seen(share)).toEqual(['strong'])
  expect(seen()).toEqual(['strong', 'weak'])
})
