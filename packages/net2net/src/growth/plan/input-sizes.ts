/** Which axes of an input get other sizes: those of an image, a signal or a volume. */
import { refusedError, usageError } from '../../errors.ts'
import { requiredInputs, type Shape } from '../../model/model.ts'
import type { DeclaredAxis, GrowthPlan } from '../growth-plan.ts'
import type { Solution } from '../solve/index.ts'
import { Resizing } from './resizing.ts'

/** Sizes of an input's spatial axes, in their order: `'256x256'`, `[256, 256]`, or one number for all of them. */
export type InputSize = number | string | readonly number[]

/** Larger than any image or signal. */
const LARGEST = 2 ** 24

/**
 * @param sizes By the names of inputs.
 * @throws Net2NetError (usage) for unknown inputs and sizes that cannot be; (refused) where a node is for the old size
 */
export function planInputSizes(
  solution: Solution,
  sizes: Readonly<Record<string, InputSize>>,
  seed: number,
): GrowthPlan {
  const inputs = Object.entries(sizes).flatMap(([name, size]) => axesOf(solution, name, size))
  return new Resizing(solution, inputs).plan(seed)
}

/** The axes of an input that get another size. */
function axesOf(solution: Solution, name: string, given: InputSize): readonly DeclaredAxis[] {
  const declared = requiredInputs(solution.model.graph)
  const shape = solution.facts.values.get(name)?.shape
  if (!declared.some((each) => each.name === name))
    throw usageError(
      `There is no input "${name}"; the inputs are ${declared.map((each) => each.name).join(', ')}.`,
      { where: name },
    )
  if (!shape || shape.length < 3)
    throw refusedError(
      `The input "${name}" has no spatial axes: [${shape ?? 'unknown'}] would need a batch, channels, and one size or more.`,
      { where: name },
    )
  const channels = channelAxis(solution, name, shape)
  const spatial = [...shape.keys()].filter((axis) => axis > 0 && axis !== channels)
  const wanted = parseSizes(name, given, spatial.length)
  return spatial.flatMap((axis, i): DeclaredAxis[] => {
    const [from, to] = [shape[axis]!, wanted[i]!]
    if (typeof from !== 'number')
      throw usageError(
        `The input "${name}" has no fixed size along axis ${axis} (${from ?? 'open'}): it takes any size already.`,
        { where: name },
      )
    return from === to ? [] : [{ kind: 'input', name, axis, from, to }]
  })
}

function parseSizes(name: string, given: InputSize, count: number): readonly number[] {
  const parts =
    typeof given === 'number'
      ? Array<number>(count).fill(given)
      : typeof given === 'string'
        ? given.split(/[x×]/).map((part) => (/^\d+$/.test(part) ? Number(part) : Number.NaN))
        : given
  const example = Array<number>(count).fill(256).join('x')
  if (!parts.every((size) => Number.isInteger(size) && size > 0 && size <= LARGEST))
    throw usageError(
      `"${given}" is no size of the input "${name}"; write for example ${example}.`,
      {
        where: name,
      },
    )
  if (parts.length !== count)
    throw usageError(
      `"${given}" gives ${parts.length} ${parts.length === 1 ? 'size' : 'sizes'}, but the input "${name}" has ${count} spatial ${count === 1 ? 'axis' : 'axes'}; write for example ${example}.`,
      { where: name },
    )
  return parts
}

/** The axis that layers sum over with a weight: that of the channels. A single channel is the shortest axis at either end. */
function channelAxis({ axes, relations }: Solution, name: string, shape: Shape): number {
  const nodes = new Set(relations.layers.map(({ node }) => node))
  const summed = new Set(
    relations.contractions.flatMap(({ node, axis }) => (nodes.has(node) ? axes.leaves(axis) : [])),
  )
  const found = (relations.axes.get(name) ?? []).flatMap((expression, axis) =>
    axis > 0 && axes.leaves(expression).some((leaf) => summed.has(leaf)) ? [axis] : [],
  )
  if (found.length > 0) return found.includes(1) ? 1 : found.at(-1)!
  const last = shape.length - 1
  const [front, back] = [shape[1], shape[last]]
  return typeof front === 'number' && typeof back === 'number' && back < front ? last : 1
}
