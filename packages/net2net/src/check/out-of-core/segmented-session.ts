/**
 * Computing a model that may be larger than memory: its nodes run in segments, one after the
 * other, each as a model of its own with no more weights than fit into a block. A weight larger
 * than that is fed in slices to a node that is linear in it.
 */
import { usageError } from '../../errors.ts'
import { type Model, requiredInputs, type ValueDeclaration } from '../../model/model.ts'
import type { WeightSlicingOf } from '../../operators/contract/slicing.ts'
import { slicingOf } from '../../operators/table.ts'
import type { Feeds, Runtime, SessionValue } from '../../runtime/runtime.ts'
import type { Computation, OutOfCoreOptions } from './computation.ts'
import { Pass } from './pass.ts'
import { BLOCK_BYTES, type Segment, segmentsOf } from './segments.ts'

export function outOfCoreSession(
  runtime: Runtime,
  model: Model,
  options: OutOfCoreOptions = {},
): Computation {
  const { graph } = model
  const { blockBytes = BLOCK_BYTES, sliceBytes = options.blockBytes ?? 2 ** 24 } = options
  const { slicing = slicingOf } = options
  const sizes = { blockBytes, sliceBytes, slicing }
  const inputs = requiredInputs(graph).map(sessionValue)
  return {
    inputs,
    outputs: graph.outputs.map(sessionValue),
    isStreamed: true,
    async run(samples, { signal, onProgress, peer, onOutput, probe } = {}) {
      for (const feeds of samples) mustFit(feeds, inputs)
      const segments = segmentsOf(graph, blockBytes, probe?.isInParts ? probe.changes : undefined)
      const pass = new Pass(runtime, model, samples, {
        ...options,
        ...sizes,
        signal,
        peer,
        onOutput,
        probe,
        isTaken: (name) => segments.some(({ takes }) => takes.includes(name)),
      })
      peer?.join(segments.map((segment) => keyOf(model, segment, slicing)))
      for (const [i, segment] of segments.entries()) {
        signal?.throwIfAborted()
        onProgress?.(i / segments.length)
        await (segment.large ? pass.sliced(segment, i) : pass.whole(segment))
        peer?.passed(i + 1)
      }
      return await pass.outputs()
    },
    async release() {},
  }
}

/**
 * The same for two nodes that differ in nothing but what the weights hold; undefined for nodes that
 * take no weight in slices.
 */
function keyOf(
  { graph, opsets }: Model,
  { nodes, large }: Segment,
  slicing: WeightSlicingOf,
): string | undefined {
  if (!large) return undefined
  const node = nodes[0]!
  const { opType, domain, attributes, inputs } = node
  const tensors = inputs.map((name) => graph.initializers.get(name)?.tensor)
  if (!tensors.some((tensor, i) => tensor && slicing(node, i, tensor.dims))) return undefined
  const weights = tensors.map((tensor, i) => tensor && [inputs[i], tensor.dtype, tensor.dims])
  const facts = [opType, domain, opsets.get(domain), [...attributes], weights]
  return JSON.stringify(facts, (_, value) => (typeof value === 'bigint' ? `${value}` : value))
}

function sessionValue({ name, type }: ValueDeclaration): SessionValue {
  return type.kind === 'tensor'
    ? { name, dtype: type.dtype, shape: type.shape ?? [] }
    : { name, dtype: undefined, shape: [] }
}

function mustFit(feeds: Feeds, inputs: readonly SessionValue[]): void {
  const names = inputs.map(({ name }) => name)
  for (const name of Object.keys(feeds))
    if (!names.includes(name))
      throw usageError(`The model has no input ${name}; it has ${names.join(', ')}.`)
}
