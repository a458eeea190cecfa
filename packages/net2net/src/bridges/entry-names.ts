/** How alike the name of an entry is to that of an initializer, and to what an exporter noted on it. */
import type { Model, Node } from '../model/model.ts'

/** What PyTorch's exporter notes on nodes, by initializer: which parameters a node reads, in which module. */
export function exporterNotes({ graph }: Model): ReadonlyMap<string, string> {
  const notes = new Map<string, string>()
  for (const node of graph.nodes) {
    const text = noteOn(node)
    if (text.length > 1)
      for (const input of node.inputs)
        if (graph.initializers.has(input)) notes.set(input, `${notes.get(input) ?? ''} ${text}`)
  }
  return notes
}

const noteOn = ({ metadata }: Node): string =>
  [
    metadata?.get('pkg.torch.onnx.fx_node') ?? '',
    metadata?.get('pkg.torch.onnx.name_scopes') ?? '',
  ].join(' ')

/** Whether the exporter notes on one of these nodes that it belongs to the module whose entry this is. */
export const isNotedOn = (nodes: readonly Node[], entry: string): boolean =>
  nodes.some((node) => isInModule(noteOn(node), entry))

/** The module may be inside a wrapper, of which the entry's name says nothing. */
function isInModule(note: string, entry: string): boolean {
  const module = entry.split('.').slice(0, -1).join('.')
  return module !== '' && new RegExp(`['.]${escaped(module)}'`).test(note)
}

/**
 * How well an entry fits an initializer that holds its numbers: 0 for not at all. What reads it counts more than what it is called:
 * of a tied head and embedding that are one tensor, exporters give either the name of the other.
 */
export function likeness(
  entry: string,
  initializer: string,
  notes: ReadonlyMap<string, string>,
): number {
  const note = notes.get(initializer) ?? ''
  return likenessOfNames(entry, initializer, note) + (isInModule(note, entry) ? 2000 : 0)
}

function likenessOfNames(entry: string, initializer: string, note: string): number {
  if (entry === initializer) return 1000
  const parts = entry.split('.')
  const common = initializer.split('.')
  let same = 0
  while (
    same < Math.min(parts.length, common.length) &&
    parts.at(-1 - same) === common.at(-1 - same)
  )
    same++
  // One of the two names lacks a wrapper's prefix ("module."), and nothing else.
  if (same > 0 && same === Math.min(parts.length, common.length)) return 100 + same
  const inNote = escaped(entry.replaceAll('.', '_'))
  if (new RegExp(`%[pb]_${inNote}\\b`).test(note)) return 500
  return new RegExp(`%[pb]_\\w+_${inNote}\\b`).test(note) ? 90 : 0
}

const escaped = (text: string): string => text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')
