/** Schedules of learning rates, as the command line has them: `cosine`, `step:every=2,factor=0.5`. */
import {
  constant,
  cosine,
  type LearningRate,
  oneCycle,
  reduceOnPlateau,
  type Schedule,
  stepDecay,
  warmUp,
  warmupStableDecay,
} from 'net2net/training'
import { usageError } from '../errors.ts'

interface Settings {
  readonly [name: string]: number
}

/** A schedule by name: its settings with their defaults, and how it is made. `epochs` are those of the training. */
const schedules: Readonly<
  Record<
    string,
    {
      readonly settings: Settings
      make(rate: number, epochs: number, settings: Settings): Schedule
    }
  >
> = {
  constant: { settings: {}, make: (rate) => constant(rate) },
  step: {
    settings: { every: 1, factor: 0.1 },
    make: (rate, _, { every, factor }) => stepDecay(rate, every!, factor),
  },
  cosine: { settings: { end: 0 }, make: (rate, epochs, { end }) => cosine(rate, epochs, end) },
  wsd: {
    settings: { decay: 0.2, end: 0 },
    make: (rate, epochs, { decay, end }) =>
      warmupStableDecay(rate, epochs, { decay: decay!, end: end! }),
  },
  'one-cycle': {
    settings: { rise: 0.3 },
    make: (rate, epochs, { rise }) => oneCycle(rate, epochs, { rise: rise! }),
  },
  plateau: {
    settings: { factor: 0.1, patience: 2, minimum: 0 },
    make: (rate, _, { factor, patience, minimum }) =>
      reduceOnPlateau(rate, { factor: factor!, patience: patience!, minimum: minimum! }),
  },
}

/** The names of the schedules with their settings, for help texts. */
export const scheduleForms: readonly string[] = Object.entries(schedules).map(
  ([name, { settings }]) =>
    [name, Object.entries(settings).map(([key, value]) => `${key}=${value}`)]
      .flat()
      .reduce((text, part, i) => `${text}${['', ':'][i] ?? ','}${part}`, ''),
)

/** The learning rate over time that an option asks for. @throws usage, naming what is wrong */
export function scheduleOf(
  text: string,
  {
    rate,
    epochs,
    warmUpSteps,
  }: { readonly rate: number; readonly epochs: number; readonly warmUpSteps: number },
): LearningRate {
  const [name = '', given = ''] = text.split(/:(.*)/s)
  const schedule = Object.hasOwn(schedules, name) ? schedules[name] : undefined
  if (!schedule)
    throw usageError(
      `There is no schedule "${name}"; there are ${Object.keys(schedules).join(', ')}.`,
    )
  const settings: Record<string, number> = { ...schedule.settings }
  for (const part of given.split(',').filter((one) => one.trim() !== '')) {
    const [key = '', value = ''] = part.split('=').map((side) => side.trim())
    const known = Object.keys(settings)
    if (!known.includes(key) || value === '' || !Number.isFinite(Number(value)))
      throw usageError(
        known.length === 0
          ? `The schedule ${name} has no settings, so "${part}" says nothing.`
          : `"${part}" is no setting of the schedule ${name}: it has ${known.join(', ')}, each with a number (${known[0]}=${settings[known[0]!]}).`,
      )
    settings[key] = Number(value)
  }
  const made = schedule.make(rate, epochs, settings)
  return warmUpSteps > 0 ? warmUp(warmUpSteps, made) : name === 'constant' ? rate : made
}
