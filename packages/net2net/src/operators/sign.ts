/** What operators tell of the signs of values. */
import type { Node } from '../model/model.ts'
import { isFloat } from '../tensor/dtype.ts'
import type { ValueInfo } from './contract/infer.ts'
import { operatorOf } from './table.ts'

/**
 * Are all elements of a value known to be at least 0? Follows pools, concatenations and views up to
 * operators such as Relu.
 */
export function isNonNegative(
  value: string,
  producers: ReadonlyMap<string, Node>,
  values: ReadonlyMap<string, ValueInfo>,
): boolean {
  const seen = new Set<string>()
  const visit = (name: string): boolean => {
    const node = producers.get(name)
    if (!node || node.outputs[0] !== name || seen.has(name)) return false
    seen.add(name)
    const sign = operatorOf(node)?.sign
    if (sign === 'non-negative') return true
    if (sign !== 'inherited') return false
    return node.inputs.every((input) => {
      const dtype = values.get(input)?.dtype
      return input === '' || (dtype !== undefined && !isFloat(dtype)) || visit(input)
    })
  }
  return visit(value)
}
