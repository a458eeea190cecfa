/** The arms as the page lists them; the worker knows how they are built. */
export { armTitle } from '../../../src/runs/run-record.ts'

/** In the experiments' own order; the first five are what is trained unless chosen otherwise. */
export const allArmNames = [
  'teacher',
  'wider_random_pad',
  'wider_net2wider',
  'deeper_random_init',
  'deeper_net2deeper',
  'wider_net2wider_exact',
  'wider_from_scratch',
  'deeper_from_scratch',
  'teacher_continued',
] as const

export const defaultArmNames: readonly string[] = allArmNames.slice(0, 5)

/** The number of the arm's colour and dash. */
export const armSeries = (name: string): number =>
  Math.max(0, (allArmNames as readonly string[]).indexOf(name)) + 1

/** Dashes besides colours, for whoever does not see colours. */
const dashes: readonly (readonly number[])[] = [
  [],
  [6, 3],
  [2, 2],
  [8, 3, 2, 3],
  [4, 2],
  [10, 4],
  [1, 3],
  [6, 2, 2, 2],
  [12, 3],
]
export const armDash = (name: string): readonly number[] => dashes[armSeries(name) - 1] ?? []
