/**
 * Where the arms of a run are trained. A student needs the trained teacher and nothing else, so several
 * train side by side, each in a worker of its own: two workers with one thread each make more steps than one with
 * two, and need no memory that is shared, which browsers give only to isolated pages.
 */

/** More would need much memory for little gain. */
const mostWorkers = 4

export interface WorkerPlan {
  readonly count: number
  /** Threads of ONNX Runtime in each. */
  readonly threads: number
}

export interface Machine {
  readonly cores: number
  /** Whether the page may share memory between threads. */
  readonly isolated: boolean
}

/** Workers for so many arms that may all begin. */
export function planWorkers(arms: number, { cores, isolated }: Machine): WorkerPlan {
  const count = Math.max(1, Math.min(arms, cores, mostWorkers))
  return { count, threads: isolated ? Math.max(1, Math.min(4, Math.floor(cores / count))) : 1 }
}
