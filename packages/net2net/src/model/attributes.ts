/** Reading and writing node attributes as plain JavaScript values. */
import { clampToSafe, type LazyTensor } from '../tensor/tensor.ts'
import type { Attribute, Graph, Node } from './model.ts'

/** An integer attribute; beyond ±2^53 clamped ("to the end" in old Slice nodes). */
export function intAttribute<T extends number | undefined>(
  node: Node,
  name: string,
  fallback: T,
): number | T {
  const attribute = node.attributes.get(name)
  return attribute?.type === 'int' ? clampToSafe(attribute.value) : fallback
}

export function intsAttribute(node: Node, name: string): readonly number[] | undefined {
  const attribute = node.attributes.get(name)
  return attribute?.type === 'ints' ? attribute.value.map(clampToSafe) : undefined
}

export function floatAttribute<T extends number | undefined>(
  node: Node,
  name: string,
  fallback: T,
): number | T {
  const attribute = node.attributes.get(name)
  return attribute?.type === 'float' ? attribute.value : fallback
}

export function floatsAttribute(node: Node, name: string): readonly number[] | undefined {
  const attribute = node.attributes.get(name)
  return attribute?.type === 'floats' ? attribute.value : undefined
}

export function stringAttribute<T extends string | undefined>(
  node: Node,
  name: string,
  fallback: T,
): string | T {
  const attribute = node.attributes.get(name)
  return attribute?.type === 'string' ? attribute.value : fallback
}

export function tensorAttribute(node: Node, name: string): LazyTensor | undefined {
  const attribute = node.attributes.get(name)
  return attribute?.type === 'tensor' ? attribute.value : undefined
}

/** The subgraphs of a node (the branches of If, the bodies of Loop and Scan). */
export function subgraphs(node: Node): Graph[] {
  return [...node.attributes.values()].flatMap((attribute) =>
    attribute.type === 'graph'
      ? [attribute.value]
      : attribute.type === 'graphs'
        ? [...attribute.value]
        : [],
  )
}

/** The node with its subgraphs changed; itself where it has none. */
export function withSubgraphs(node: Node, change: (graph: Graph) => Graph): Node {
  if (subgraphs(node).length === 0) return node
  const changed = new Map<string, Attribute>()
  for (const [name, attribute] of node.attributes)
    changed.set(
      name,
      attribute.type === 'graph'
        ? { ...attribute, value: change(attribute.value) }
        : attribute.type === 'graphs'
          ? { ...attribute, value: attribute.value.map(change) }
          : attribute,
    )
  return { ...node, attributes: changed }
}

/** Marks a number as a float attribute; bare numbers are integers. */
export const float = (value: number): Attribute => ({ type: 'float', value })
export const floats = (value: readonly number[]): Attribute => ({ type: 'floats', value })

/** A convenient spelling of an attribute: integers, strings, tensors, or a full `Attribute`. */
export type AttributeLike = number | readonly number[] | string | LazyTensor | Attribute | undefined

const isAttribute = (value: object): value is Attribute => 'type' in value

/** Builds an attribute map; entries that are undefined are left out. */
export function attributes(
  entries: Readonly<Record<string, AttributeLike>>,
): ReadonlyMap<string, Attribute> {
  const result = new Map<string, Attribute>()
  for (const [name, value] of Object.entries(entries)) {
    if (value === undefined) continue
    if (typeof value === 'number') result.set(name, { type: 'int', value: BigInt(value) })
    else if (typeof value === 'string') result.set(name, { type: 'string', value })
    else if (Array.isArray(value))
      result.set(name, { type: 'ints', value: value.map((v: number) => BigInt(v)) })
    else if (isAttribute(value as object)) result.set(name, value as Attribute)
    else result.set(name, { type: 'tensor', value: value as LazyTensor })
  }
  return result
}
