/** Samples whose classes have the numbers that a model knows them by. */
import { inputError } from '../errors.ts'
import { shown } from '../model/classes.ts'
import { type NumericDType, Tensor, type TypedArray } from '../tensor/tensor.ts'
import type { SampleSet } from './samples.ts'

/**
 * The same samples, each class with the number of its name among these. Samples without names are left as they are.
 *
 * @throws input where the samples have a class that is not among these
 */
export function numberedAs(samples: SampleSet, classes: readonly string[]): SampleSet {
  const own = samples.classes
  if (!own || (own.length === classes.length && own.every((name, i) => name === classes[i])))
    return samples
  const missing = own.filter((name) => !classes.includes(name))
  if (missing.length > 0)
    throw inputError(
      `The data have the classes ${shown(missing)}, which are not among ${shown(classes)}.`,
    )
  return renumbered(
    samples,
    classes,
    own.map((name) => classes.indexOf(name)),
  )
}

function renumbered(
  samples: SampleSet,
  classes: readonly string[],
  numbers: readonly number[],
): SampleSet {
  const { bytes, target, columns, preparation, weights } = samples
  return {
    length: samples.length,
    classes,
    columns,
    preparation,
    weights,
    target: target && { ...target, ...(target.data && { data: mapped(target.data, numbers) }) },
    bytes: bytes && { ...bytes, samples: renumbered(bytes.samples, classes, numbers) },
    async *batches(size, order, epoch) {
      for await (const batch of samples.batches(size, order, epoch)) {
        const { dtype, dims, data } = batch.target
        yield { ...batch, target: new Tensor<NumericDType>(dtype, dims, mapped(data, numbers)) }
      }
    },
  }
}

/** What is no class, such as a label that the loss ignores, stays. */
function mapped(labels: TypedArray, numbers: readonly number[]): TypedArray {
  const result = labels.slice()
  if (result instanceof BigInt64Array || result instanceof BigUint64Array)
    for (const [i, label] of result.entries()) result[i] = BigInt(numbers[Number(label)] ?? label)
  else for (const [i, label] of result.entries()) result[i] = numbers[label] ?? label
  return result
}
