/**
 * Which entries of a model's parameters growth has added since it was last trained: kept in the file's own metadata
 * (ModelProto.metadata_props), so that training can treat new units otherwise than old ones.
 */
import type { Model } from './model.ts'

/** The metadata key: a JSON object, the name of a parameter → `true`, or axis → [start, end, start, end, …]. */
export const NEW_ENTRIES_KEY = 'net2net.new'

/** Along each axis, the indices of the new entries: an entry is new if it is so along any axis. */
export type NewAlongAxes = ReadonlyMap<number, ReadonlySet<number>>

/** By the name of the parameter; `all` where the whole is new. */
export type NewEntries = ReadonlyMap<string, 'all' | NewAlongAxes>

/** What does not have the form of this key counts as not new. */
export function newEntriesOf({ metadata, graph }: Model): NewEntries {
  const entries = new Map<string, 'all' | NewAlongAxes>()
  for (const [name, value] of Object.entries(parsed(metadata.get(NEW_ENTRIES_KEY)))) {
    const dims = graph.initializers.get(name)?.tensor.dims
    if (!dims) continue
    if (value === true) entries.set(name, 'all')
    else if (typeof value === 'object' && value !== null)
      entries.set(
        name,
        new Map(
          Object.entries(value).map(([axis, ranges]) => [
            Number(axis),
            new Set(indices(ranges, dims[Number(axis)] ?? 0)),
          ]),
        ),
      )
  }
  return entries
}

/** The model with these entries noted, instead of any that were. */
export function withNewEntries(model: Model, entries: NewEntries): Model {
  const metadata = new Map(model.metadata)
  if (entries.size === 0) metadata.delete(NEW_ENTRIES_KEY)
  else {
    const value = [...entries].map(([name, along]) => [
      name,
      along === 'all' ||
        Object.fromEntries([...along].map(([axis, added]) => [axis, rangesOf(added)])),
    ])
    metadata.set(NEW_ENTRIES_KEY, JSON.stringify(Object.fromEntries(value)))
  }
  return { ...model, metadata }
}

function rangesOf(added: ReadonlySet<number>): readonly number[] {
  const ranges: number[] = []
  for (const index of [...added].sort((a, b) => a - b))
    if (ranges.at(-1) === index) ranges[ranges.length - 1] = index + 1
    else ranges.push(index, index + 1)
  return ranges
}

function* indices(ranges: unknown, size: number): Generator<number> {
  if (!Array.isArray(ranges)) return
  let i = 0
  for (let k = 0; k + 1 < ranges.length; k += 2) {
    const [start, end] = [Number(ranges[k]), Number(ranges[k + 1])]
    // They ascend: whatever a file says, no index comes twice.
    for (i = Math.max(i, start); i < Math.min(end, size); i++) yield i
  }
}

function parsed(text: string | undefined): object {
  try {
    return Object(text === undefined ? {} : JSON.parse(text)) as object
  } catch {
    return {}
  }
}
