/** What `compare` takes, for callers without a compiler: see arguments.ts. */
import * as kind from '../arguments.ts'
import type { CompareOptions } from './compare.ts'

const subject = kind.either('a model or the path of one', kind.model, kind.text)

export const comparing = {
  a: subject,
  b: subject,
  options: kind.options<CompareOptions>({
    inputs: kind.listOf(
      'a list of sets of inputs',
      kind.recordOf('an object of tensors by input', kind.tensor),
    ),
    samples: kind.number,
    seed: kind.number,
    tolerance: kind.number,
    wholeUpTo: kind.number,
    runtime: kind.runtime,
    signal: kind.signal,
    onProgress: kind.callback,
  }),
}
