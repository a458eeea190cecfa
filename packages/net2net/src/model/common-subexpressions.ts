/** When two nodes compute the same. */
import type { Attribute } from './model.ts'

/** Tensors among the attributes are compared up to this size: that of a number. */
const fewBytes = 16

/**
 * A key that is equal for nodes with the same operator, inputs and attributes; undefined where the
 * node cannot be compared (larger tensors and graphs among its attributes).
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
      case 'tensor': {
        const { dtype, dims, byteLength, strings } = attribute.value
        if (byteLength > fewBytes || strings) return undefined
        parts.push(`${name}=${dtype}[${dims}]:${attribute.value.read(0, byteLength)}`)
        break
      }
      default:
        return undefined
    }
  }
  return [domain, opType, outputs, ...inputs, ...parts.sort()].join('\u0001')
}
