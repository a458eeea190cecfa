/** Data with classes that a network does not tell apart yet: it gets an output for each of them. */
import type { SampleSet } from '../data/samples.ts'
import { type GrownModel, grow } from '../growth/index.ts'
import { classesOf, withClasses } from '../model/classes.ts'
import type { Model } from '../model/model.ts'
import { buildStep, type StepOptions } from '../training/compile/step-graph.ts'
import { rememberGrowth } from './remember-growth.ts'

/** A model that knows the classes of some data. */
export interface ClassesAdded {
  /** With their names, where the data or the model have names. */
  readonly model: Model
  /** What the model grew by; absent where it knew all classes. */
  readonly grown?: GrownModel
  /** Names, or numbers where nobody has named them. */
  readonly newClasses: readonly string[]
  /** Names of all classes by their numbers, where targets are numbers of classes that have names. */
  readonly classes?: readonly string[]
}

/**
 * The model with an output for every class of the samples. Those that it knew keep their places and scores; new ones come behind
 * them, in the order of the sets. A model whose targets are no indices of classes stays as it is.
 *
 * @param sets samples whose targets are classes, numbered by their own names or, without names, as the model numbers them
 * @param options of a training step: they tell which output the classes are of, and which labels do not count
 * @throws refused where the output cannot be extended; usage and refused as `buildStep`
 */
export function withClassesOf(
  model: Model,
  sets: readonly SampleSet[],
  options: StepOptions,
): ClassesAdded {
  const { output, target } = buildStep(model, options)
  const { classes: known, ignored } = target
  if (known === undefined) return { model, newClasses: [] }
  const names = [...(classesOf(model) ?? [])]
  let count = known
  for (const { classes, target: labels } of sets)
    if (classes) names.push(...classes.filter((name) => !names.includes(name)))
    else
      for (const label of labels?.data ?? [])
        if (Number(label) !== ignored) count = Math.max(count, Number(label) + 1)
  // Names of outputs that nobody has named are their numbers.
  while (names.length > 0 && names.length < count) names.push(String(names.length))
  const total = Math.max(count, names.length)
  const named = (one: Model) =>
    names.length > 0 ? { model: withClasses(one, names), classes: names } : { model: one }
  if (total === known) return { ...named(model), newClasses: [] }
  const newClasses = Array.from(
    { length: total - known },
    (_, i) => names[known + i] ?? String(known + i),
  )
  const grown = grow(model, [
    {
      extend: { outputs: { [output]: total - known } },
      ...(classesOf(model) ? { classes: newClasses } : {}),
    },
  ])
  return { ...named(rememberGrowth(grown, 0)), grown, newClasses }
}
