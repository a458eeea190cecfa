import { subgraphs } from './attributes.ts'
import type { Graph, Node } from './model.ts'

/** Hands out names that are not taken. */
export class NameSupply {
  readonly #taken: Set<string>
  readonly #next = new Map<string, number>()

  constructor(taken: Iterable<string>) {
    this.#taken = new Set(taken)
  }

  claim(name: string): void {
    this.#taken.add(name)
  }

  has(name: string): boolean {
    return this.#taken.has(name)
  }

  /** `base` itself if it is free, otherwise `base_1`, `base_2`, …; the result is taken. */
  fresh(base: string): string {
    let name = base
    for (let i = this.#next.get(base) ?? 1; this.#taken.has(name); i++) {
      name = `${base}_${i}`
      this.#next.set(base, i + 1)
    }
    this.#taken.add(name)
    return name
  }
}

/** Every value name in a graph and, since they share one scope, in its subgraphs. */
export function* valueNames(graph: Graph): Generator<string> {
  for (const input of graph.inputs) yield input.name
  yield* graph.initializers.keys()
  for (const node of graph.nodes) {
    yield* node.outputs
    for (const subgraph of subgraphs(node)) yield* valueNames(subgraph)
  }
}

/** How to call a node in messages: its name, or its first output where it has none. */
export const nodeLabel = (node: Node): string =>
  node.name !== '' ? node.name : (node.outputs.find((output) => output !== '') ?? node.opType)

/** `Conv conv1`: operator and name, for messages. */
export const describeNode = (node: Node): string => `${node.opType} ${nodeLabel(node)}`

/** How plans know a node: by its first output. */
export const nodeKey = (node: Node): string => node.outputs.find((output) => output !== '') ?? ''

/** Key of PyTorch's exporter: the modules around a node, from the outermost, then the operation. */
export const SCOPES = 'pkg.torch.onnx.name_scopes'

/**
 * The name of the module that a node was exported from, where PyTorch's exporter noted it: of the scopes
 * `['', 'h.0.mlp', 'h.0.mlp.c_fc', 'addmm']` the last but one; the last is the operation.
 */
export const moduleName = (node: Node): string | undefined => modulesAround(node).at(-1)

/** The names of all modules around a node, from the outermost: of the scopes above `h.0.mlp` and `h.0.mlp.c_fc`. */
export function modulesAround({ metadata }: Node): readonly string[] {
  const text = metadata?.get(SCOPES) ?? ''
  const scopes = [...text.matchAll(/'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"/g)]
  return scopes
    .slice(1, -1)
    .map(([, single, double]) => single || double || '')
    .filter((name) => name !== '')
}
