/** What one arm has found, beside what the search from scratch found. */
import type { Point } from './arms.ts'

/** What an arm would take at that point for so many parameters: the best on the validation data. */
function chosen(points: readonly Point[], parameters: number, compute: number): Point | undefined {
  const able = points.filter((one) => one.compute <= compute && one.parameters <= parameters)
  return able.reduce<Point | undefined>(
    (best, one) => (best === undefined || one.loss < best.loss ? one : best),
    undefined,
  )
}

/** Networks that no other one is better than, in validation loss and parameters. */
export const front = (points: readonly Point[]): readonly Point[] =>
  points.filter(
    (a) =>
      !points.some(
        (b) =>
          b.parameters <= a.parameters &&
          b.loss <= a.loss &&
          (b.parameters < a.parameters || b.loss < a.loss),
      ),
  )

/** When the arm's choice for so many parameters was as good on the test data as the target. */
const reached = (points: readonly Point[], target: Point): Point | undefined =>
  points.find(({ compute }) => {
    const choice = chosen(points, target.parameters, compute)
    return choice !== undefined && choice.test <= target.test
  })

export interface Measures {
  /** Shares of the compute after which half of the targets, and all, were reached; 1 where they never were. */
  readonly half: number
  readonly all: number
  /** The same shares of the processor time that the search from scratch took. */
  readonly halfSeconds: number
  readonly allSeconds: number
  /** Targets that were reached, of how many. */
  readonly reached: number
  readonly targets: number
  /** Test loss over that of the target, at the sizes of the targets and the end: geometric mean. NaN without networks so small. */
  readonly ratio: number
  /** Test loss of the network that is best on the validation data, whatever its size. */
  readonly best: number
  readonly bestParameters: number
  readonly seconds: number
  readonly trainings: number
}

/** @param reference what the search from scratch made of the same compute and seed */
export function measure(points: readonly Point[], reference: readonly Point[]): Measures {
  const end = reference.at(-1)!
  const within = points.filter(({ compute }) => compute <= end.compute)
  const targets = front(reference)
  const times = targets.map((target) => reached(within, target))
  const share = (of: 'compute' | 'seconds', part: number): number => {
    const shares = times.map((time) => Math.min(1, (time?.[of] ?? end[of]) / end[of]))
    return shares.sort((a, b) => a - b)[Math.ceil(part * shares.length) - 1]!
  }
  const logs = targets.map(({ parameters, test }) =>
    Math.log((chosen(within, parameters, end.compute)?.test ?? Number.NaN) / test),
  )
  const best = chosen(within, Number.POSITIVE_INFINITY, end.compute)
  return {
    half: share('compute', 0.5),
    all: share('compute', 1),
    halfSeconds: share('seconds', 0.5),
    allSeconds: share('seconds', 1),
    reached: times.filter((time) => time !== undefined).length,
    targets: targets.length,
    ratio: Math.exp(logs.reduce((sum, log) => sum + log, 0) / logs.length),
    best: best?.test ?? Number.NaN,
    bestParameters: best?.parameters ?? Number.NaN,
    seconds: within.at(-1)?.seconds ?? 0,
    trainings: within.length,
  }
}
