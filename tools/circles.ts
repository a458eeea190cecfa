/** The modules that each module imports, with whatever is known of each import. */
type Imports = ReadonlyMap<string, ReadonlyMap<string, unknown>>

/** Ways from a module back to itself, their ends left away: as many as it takes to name each module that has one. */
export function circles(imports: Imports): string[][] {
  const found: string[][] = []
  const covered = new Set<string>()
  for (const module of imports.keys()) {
    if (covered.has(module)) continue
    const circle = wayBack(module, imports)
    if (!circle) continue
    found.push(circle)
    for (const member of circle) covered.add(member)
  }
  return found
}

/** The shortest way from a module to itself, breadth first; without its end. */
function wayBack(start: string, imports: Imports): string[] | undefined {
  const cameFrom = new Map<string, string>()
  const queue = [start]
  for (const module of queue)
    for (const next of imports.get(module)?.keys() ?? []) {
      if (next === start) {
        const way = [module]
        while (way[0] !== start) way.unshift(cameFrom.get(way[0]!)!)
        return way
      }
      if (cameFrom.has(next)) continue
      cameFrom.set(next, module)
      queue.push(next)
    }
  return undefined
}
