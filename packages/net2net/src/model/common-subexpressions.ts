/** When two nodes compute the same. */
import type { Attribute } from './model.ts'

/**
 * A key that is equal for nodes with the same operator, inputs and attributes; undefined where the
 * node cannot be compared (tensors and graphs among its attributes).
 */
export function expressionKey(
  opType: string,
  domain: string,
  inputs: readonly string[],
  attributes: ReadonlyMap<string, Attribute>,
  outputs: number,
): string | undefined {
  const parts: string[] = []
  for (const [name, attribute] of attributes) {
    switch (attribute.type) {
      case 'int':
      case 'float':
      case 'string':
        parts.push(`${name}=${attribute.type}:${attribute.value}`)
        break
      case 'ints':
      case 'floats':
      case 'strings':
        parts.push(`${name}=${attribute.type}:${attribute.value.join('\u0000')}`)
        break
      default:
        return undefined
    }
  }
  return [domain, opType, outputs, ...inputs, ...parts.sort()].join('\u0001')
}
