/** Training steps of one network, ours and PyTorch's, each in a process of its own. */
import { fileURLToPath } from 'node:url'
import { interleave, type Starts } from './measure.ts'
import { formats, startPyTorch } from './pytorch.ts'
import { milliseconds, type Row, times } from './report.ts'
import type { Settings } from './settings.ts'
import type { StepsAnswer, StepsQuestion } from './steps-worker.ts'
import { Worker } from './worker.ts'

/** How often all contestants are started. */
export const startsOf = ({ quick }: Settings): number => (quick ? 1 : 3)
export const startsSaid =
  'Both sides are started three times (with `--quick` once), the other networks in between: medians over the starts, and their range.'

const program = fileURLToPath(new URL('steps-worker.ts', import.meta.url))

/**
 * Starts both sides and lets them take turns. @returns milliseconds from our model's file to the end of the first step
 *
 * @param network of networks.py, what the file holds
 * @param others contestants in our process, beside `net2net`
 */
export async function measureStart(
  starts: Starts,
  network: string,
  question: Omit<StepsQuestion, 'threads'>,
  { quick, threads, python, busy }: Settings,
  others: readonly string[] = [],
): Promise<number> {
  const { batch, optimizer } = question
  const { worker, answer } = await Worker.start<StepsAnswer>(
    [process.execPath, ...process.execArgv, program],
    { ...question, threads },
  )
  const torch =
    python === undefined
      ? undefined
      : await startPyTorch(python, { network, batch, optimizer, threads, busy })
  try {
    const contestants = [
      ...['net2net', ...others].map((name) => worker.contestant(name)),
      ...(torch ? formats.map((format) => torch.contestant(format)) : []),
    ]
    starts.add(await interleave(contestants, { rounds: quick ? 5 : 4, times: quick ? 3 : 5 }))
    return answer.firstStep
  } finally {
    worker.stop()
    torch?.stop()
  }
}

/** How our step compares with PyTorch's in its better format. */
export function comparison(starts: Starts): Pick<Row, 'measured' | 'values'> & { ratio: number } {
  const best = starts.fastest(formats)
  const ratio = starts.speedup(best, 'net2net')
  const work = starts.speedup(best, 'net2net', 'processor')
  const [ours, theirs] = [starts.of('net2net'), starts.of(best)]
  const disturbed = starts.disturbed === 0 ? '' : `; ${starts.disturbed} rounds disturbed`
  return {
    ratio: ratio.median,
    measured: `${times(ratio)}, in processor time ${work.median.toFixed(2)}×; ${milliseconds(ours)} against ${milliseconds(theirs)}, ${best}${disturbed}`,
    values: {
      ours: ours.median,
      pytorch: theirs.median,
      ratio: ratio.median,
      processorRatio: work.median,
      disturbed: starts.disturbed,
    },
  }
}
