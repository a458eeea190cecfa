import { describe, expect, it } from 'vitest'
import { apart, reaching } from '../../page/src/ui/places.ts'

describe('the x axis of a chart', () => {
  it('shows its span, and what lies outside', () => {
    expect(reaching([0, 1], [])).toEqual([0, 1])
    // All that is known of an epoch may be where it starts.
    expect(reaching([0, 1], [0])).toEqual([0, 1])
    expect(reaching([-2, 3], [-4, 0, 2])).toEqual([-4, 3])
    expect(reaching([-2, 3], [0, 7])).toEqual([-2, 7])
  })
})

describe('names at the ends of lines', () => {
  it('stand where they want to, if they can', () => {
    expect(apart([10, 40, 80], 12, [0, 100])).toEqual([10, 40, 80])
  })
  it('stand one below the other where they would overlap', () => {
    expect(apart([10, 11, 12], 12, [0, 100])).toEqual([10, 22, 34])
  })
  it('stay within the drawing', () => {
    expect(apart([95, 96, 99], 12, [0, 100])).toEqual([76, 88, 100])
    expect(apart([-5, 50], 12, [0, 100])).toEqual([0, 50])
  })
})
