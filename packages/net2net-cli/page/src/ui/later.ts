/** Work that nobody waits for with a press of a key: one piece a task, so that inputs are answered between two pieces. */
const waiting = new Set<() => void>()
let isPlanned = false

function plan(): void {
  if (isPlanned || waiting.size === 0) return
  isPlanned = true
  setTimeout(() => {
    isPlanned = false
    const [work] = waiting
    if (work === undefined) return
    waiting.delete(work)
    plan()
    work()
  })
}

/** @returns calls it off, if it is not done yet */
export function later(work: () => void): () => void {
  waiting.add(work)
  plan()
  return () => waiting.delete(work)
}
