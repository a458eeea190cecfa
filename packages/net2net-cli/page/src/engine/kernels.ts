/** Kernel sizes that are the next larger ones, before one is chosen. */
import { type InspectedLayer, Net2NetError, planKernels, type Solution } from 'net2net'
import type { LargerKernel } from './protocol.ts'
import type { ModelView } from './view.ts'

interface Opened {
  readonly solution: Solution
  readonly view: ModelView
}

/** The smallest size that makes the kernels of all these layers larger, or the reason why there is none. */
export function largerKernel(opened: Opened, names: readonly string[]): LargerKernel {
  let reason: string | undefined
  for (const size of sizesFor(opened)) {
    const refusal = refusalOf(opened, names, size)
    if (refusal === undefined) return { names, size }
    reason = refusal.message
    if (refusal.kind === 'refused') break
  }
  return { names, ...(reason !== undefined && { reason }) }
}

/** What is proposed where nothing is chosen: all layers, or, where no size is larger for all, those that most can have. */
export function usualKernels(opened: Opened, layers: readonly InspectedLayer[]): LargerKernel {
  const all = largerKernel(opened, ['*'])
  if (all.size !== undefined) return all
  let best = all
  let able = layers.map(({ name }) => name)
  for (const size of sizesFor(opened)) {
    const refusals = new Map(able.map((name) => [name, refusalOf(opened, [name], size)]))
    // Of these another size would be refused, too.
    able = able.filter((name) => refusals.get(name)?.kind !== 'refused')
    const names = able.filter((name) => refusals.get(name) === undefined)
    if (names.length > (best.size === undefined ? 0 : best.names.length)) best = { names, size }
  }
  return best
}

function refusalOf({ solution }: Opened, names: readonly string[], size: number) {
  try {
    planKernels(solution, Object.fromEntries(names.map((name) => [name, size])))
    return undefined
  } catch (error) {
    if (error instanceof Net2NetError) return error
    throw error
  }
}

/** One of the two that follow on the largest one is larger than every kernel by an even number, if any is. */
function sizesFor({ view: { nodes } }: Opened): readonly number[] {
  const largest = nodes
    .flatMap(({ parameters }) => parameters)
    .reduce((most, { dims }) => Math.max(most, ...(dims.length > 2 ? dims.slice(2) : [])), 1)
  return Array.from({ length: largest + 1 }, (_, i) => i + 2)
}
