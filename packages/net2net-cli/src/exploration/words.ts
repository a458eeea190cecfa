/** How growths and networks of an exploration are called in messages and reports. */
import type { GrowthStep } from 'net2net'
import type { NetworkAtRung } from 'net2net/exploring'

/** `widen conv1 x1.5`, `deepen fc1`, `deepen fc1 (residual)`. */
export function stepText(step: GrowthStep): string {
  const { seed: _, plan: __, ...rest } = step
  const [[kind, what] = ['', '']] = Object.entries<unknown>(rest)
  const block = 'block' in step && step.block === 'residual' ? ' (residual)' : ''
  if (typeof what !== 'object' || what === null || Array.isArray(what))
    return `${kind} ${[what].flat().join(', ')}${block}`
  const parts = Object.entries<unknown>({ ...what })
  const sizes = new Set(parts.map(([, size]) => String(size)))
  return sizes.size === 1
    ? `${kind} ${parts.map(([name]) => name).join(', ')} ${sizeText(parts[0]![1])}`
    : `${kind} ${parts.map(([name, size]) => `${name} ${sizeText(size)}`).join(', ')}`
}

const sizeText = (size: unknown): string => (Array.isArray(size) ? size.join('×') : String(size))

export const networkTitle = ({ network, rung }: NetworkAtRung): string =>
  `network ${network}, rung ${rung}`
