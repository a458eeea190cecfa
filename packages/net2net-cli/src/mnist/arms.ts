/**
 * The arms of the experiment: how each network starts and how fast it learns. The first five are
 * the Keras example's; the others say what the gain is due to.
 */

import { deepen, type Model, widen } from 'net2net'
import { usageError } from '../errors.ts'
import { deepenedLayers, mnistNetwork, widerWidths } from './networks.ts'

export interface Arm {
  readonly name: string
  /** One line for people. */
  readonly title: string
  readonly learningRate: number
  /** Whether it starts from the trained teacher. */
  readonly student: boolean
  /** Whether it starts as exactly the teacher. */
  readonly exact?: true
  /** The network before its first step. `teacher` is the trained one (for students). */
  readonly build: (teacher: Model, seed: number) => Model
  /** The Keras example's validation losses after epochs 1 to 3. */
  readonly published?: readonly [number, number, number]
}

const teacherRate = 0.01
/** A tenth of the teacher's, as the paper advises. */
const studentRate = 0.001

const arm = (name: string, title: string, build: Arm['build'], rest: Partial<Arm> = {}): Arm => ({
  name,
  title,
  build,
  learningRate: studentRate,
  student: true,
  ...rest,
})
const fresh = { learningRate: teacherRate, student: false } as const

export const teacherArm: Arm = arm(
  'teacher',
  'teacher model',
  (_, seed) => mnistNetwork('teacher', seed),
  { ...fresh, published: [0.0537, 0.0354, 0.0356] },
)

export const arms: readonly Arm[] = [
  teacherArm,
  arm(
    'wider_random_pad',
    'wider student by random padding',
    (teacher, seed) => widen(teacher, { ...widerWidths }, { seed, init: 'random-pad' }),
    { published: [0.032, 0.0317, 0.0289] },
  ),
  arm(
    'wider_net2wider',
    'wider student by net2wider',
    (teacher, seed) =>
      widen(teacher, { ...widerWidths }, { seed, init: 'net2wider', noise: 'paper' }),
    { published: [0.0271, 0.0274, 0.027] },
  ),
  arm(
    'deeper_random_init',
    'deeper student by random init',
    (teacher, seed) => deepen(teacher, deepenedLayers, { seed, init: 'random-init' }),
    { published: [0.0682, 0.0506, 0.0468] },
  ),
  arm(
    'deeper_net2deeper',
    'deeper student by net2deeper',
    (teacher, seed) => deepen(teacher, deepenedLayers, { seed, init: 'net2deeper' }),
    { exact: true, published: [0.0292, 0.0294, 0.0286] },
  ),
  arm(
    'wider_net2wider_exact',
    'wider student by net2wider, noise that cancels',
    (teacher, seed) =>
      widen(teacher, { ...widerWidths }, { seed, init: 'net2wider', noise: 'zero-sum' }),
    { exact: true },
  ),
  arm(
    'wider_from_scratch',
    "the wider student's architecture, fresh",
    (_, seed) => mnistNetwork('wider_from_scratch', seed, { widths: widerWidths }),
    fresh,
  ),
  arm(
    'deeper_from_scratch',
    "the deeper student's architecture, fresh",
    (_, seed) => mnistNetwork('deeper_from_scratch', seed, { deeper: true }),
    fresh,
  ),
  arm('teacher_continued', "the teacher trained on at the students' rate", (teacher) => teacher, {
    exact: true,
  }),
]

/** The Keras example's five. */
export const defaultArms: readonly string[] = arms
  .filter(({ published }) => published !== undefined)
  .map(({ name }) => name)

/**
 * The arms of these names, in their usual order; the teacher is added where a student needs it.
 *
 * @throws usage for an unknown name
 */
export function selectArms(names: readonly string[]): readonly Arm[] {
  for (const name of names)
    if (!arms.some((each) => each.name === name))
      throw usageError(
        `There is no arm "${name}"; the arms are ${arms.map((each) => each.name).join(', ')}.`,
      )
  if (names.length === 0) throw usageError('No arm was given.')
  const chosen = arms.filter(({ name }) => names.includes(name))
  return chosen.some(({ student }) => student) && !chosen.includes(teacherArm)
    ? [teacherArm, ...chosen]
    : chosen
}
