/**
 * Comparisons and logic with broadcasting: y[i] = a[i] ∘ b[i], a boolean (or an integer for the
 * bitwise ones). https://onnx.ai/onnx/operators/onnx__Equal.html and neighbours
 *
 * Growth: an element of y depends on one element of each operand, so copies of a unit compare alike; axes
 * are unified as for arithmetic (helpers/broadcast.ts). There is no gradient.
 */

import { none } from '../contract/answers.ts'
import type { Operator } from '../contract/operator.ts'
import { broadcastRule, inferBroadcast } from '../helpers/broadcast.ts'
import type { ElementOperation } from '../helpers/elements.ts'

const bool = (condition: boolean): number => (condition ? 1 : 0)

const comparison = (
  name: string,
  numbers: ElementOperation['numbers'],
  anySize?: NonNullable<ElementOperation['anySize']>,
): Operator => {
  const element: ElementOperation = anySize ? { numbers, anySize } : { numbers }
  return {
    name,
    infer: inferBroadcast(element, true),
    axes: broadcastRule(element),
    gradient: none,
    scaling: 'none',
    sign: 'unknown',
    execution: { broadcasts: true },
  }
}

const bitwise = (name: string): Operator => ({
  name,
  infer: inferBroadcast(),
  axes: broadcastRule(),
  gradient: none,
  scaling: 'none',
  sign: 'unknown',
})

export const comparisons: readonly Operator[] = [
  // Sizes are positive: they never equal the 0 and −1 that shapes use as signs.
  comparison(
    'Equal',
    (a, b) => bool(a === b),
    (value) => (value <= 0 ? 0 : undefined),
  ),
  comparison('Greater', (a, b) => bool(a > b)),
  comparison('Less', (a, b) => bool(a < b)),
  comparison('GreaterOrEqual', (a, b) => bool(a >= b)),
  comparison('LessOrEqual', (a, b) => bool(a <= b)),
  comparison('And', (a, b) => bool(a !== 0 && b !== 0)),
  comparison('Or', (a, b) => bool(a !== 0 || b !== 0)),
  comparison('Xor', (a, b) => bool((a !== 0) !== (b !== 0))),
  bitwise('BitwiseAnd'),
  bitwise('BitwiseOr'),
  bitwise('BitwiseXor'),
  bitwise('BitShift'),
]
