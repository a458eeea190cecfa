/** The question and the answer, in a sentence each, and no more than the figures say. */
import {
  type ArmRecord,
  armsCalled,
  mean,
  type RunRecord,
  teacherName,
} from '../runs/run-record.ts'

export const question =
  'Does a student that starts from its teacher learn faster than one whose new units or layers start at random?'

interface Pair {
  readonly kind: string
  readonly grown: string
  readonly baseline: string
}
const pairs: readonly Pair[] = [
  { kind: 'wider', grown: 'wider_net2wider', baseline: 'wider_random_pad' },
  { kind: 'deeper', grown: 'deeper_net2deeper', baseline: 'deeper_random_init' },
]

const loss = (value: number) => value.toFixed(4)
const validationLosses = (arms: readonly ArmRecord[], epoch: number) =>
  arms.map((arm) => arm.epochs[epoch]?.valLoss).filter((value) => value !== undefined)

/** Do the runs hold arms of the experiment, or one training of somebody's own? */
export const isExperiment = (runs: readonly RunRecord[]): boolean =>
  runs.some((run) =>
    run.arms.some(
      ({ name }) =>
        name === teacherName ||
        pairs.some(({ grown, baseline }) => name === grown || name === baseline),
    ),
  )

/** The sentence that the data supports; says so where it supports none. */
export function answer(runs: readonly RunRecord[]): string {
  const parts = pairs.flatMap(({ kind, grown, baseline }) => {
    const ours = validationLosses(armsCalled(runs, grown), 0)
    const theirs = validationLosses(armsCalled(runs, baseline), 0)
    if (ours.length === 0 || theirs.length === 0) return []
    const [a, b] = [mean(ours), mean(theirs)]
    const word = a < b ? 'ahead of' : a > b ? 'behind' : 'level with'
    return [
      `the ${kind} student grown from its teacher was ${word} its random baseline (${loss(a)} against ${loss(b)})`,
    ]
  })
  if (parts.length === 0)
    return 'This run holds no pair of a grown student and its random baseline, so it cannot answer that.'
  const many = runs.length > 1 ? ` on average over ${runs.length} runs` : ''
  const sentence = `After its first epoch${many}, ${parts.join('; ')} in validation loss.`
  return `${sentence} ${caveat(runs)}`.trim()
}

function caveat(runs: readonly RunRecord[]): string {
  const teachers = validationLosses(
    armsCalled(runs, teacherName),
    Math.max(0, ...armsCalled(runs, teacherName).map((arm) => arm.epochs.length)) - 1,
  )
  const continued = armsCalled(runs, 'teacher_continued')
  const notes: string[] = []
  if (runs.length === 1) notes.push('One run with one seed proves little.')
  if (teachers.length > 0 && continued.length === 0)
    notes.push(
      'Whether growth, or only the smaller learning rate, made the gain would take the arm teacher_continued.',
    )
  return notes.join(' ')
}
