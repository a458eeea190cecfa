import { Net2NetError } from '../errors.ts'
import type { Model } from '../model/model.ts'
import { plainRecurrences } from './plain-recurrences.ts'
import { withoutErfc } from './without-erfc.ts'
import { withoutFusions } from './without-fusions.ts'
import { withoutRepeats } from './without-repeats.ts'
import { withoutSequences } from './without-sequences.ts'
import { withoutSubgraphs } from './without-subgraphs.ts'
import { withoutWholeGathers } from './without-whole-gathers.ts'

/**
 * The same function, with what exporters write in roundabout ways written plainly, so that it can grow and be
 * trained; the model itself where there is nothing of that kind, and where its nodes contradict their inputs.
 * See docs/decisions/plain-forms-on-reading.md.
 */
export function plainly(model: Model): Model {
  try {
    return withoutWholeGathers(
      withoutSequences(
        withoutSubgraphs(withoutFusions(plainRecurrences(withoutErfc(withoutRepeats(model))))),
      ),
    )
  } catch (error) {
    // Whoever goes on with it says what is wrong, in the words of what they do.
    if (error instanceof Net2NetError) return model
    throw error
  }
}
