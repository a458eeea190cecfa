/** What ONNX Runtime's CPU computes faster than the standard's operators as they stand. */
import { intAttribute } from '../../model/attributes.ts'
import type { Model } from '../../model/model.ts'
import { asImages } from './as-images.ts'
import { blockLayout } from './blocked-layout.ts'
import { columnConvolutions } from './column-convolutions.ts'
import { shapesForPlanning } from './declare-shapes.ts'
import { dotProducts } from './dot-products.ts'
import { equalRanks } from './equal-ranks.ts'
import { equalSizes } from './equal-sizes.ts'
import { fastKernels } from './fast-kernels.ts'
import { fillChannels } from './filled-channels.ts'
import { noneInBlocks, type StateInBlocks } from './filter-blocks.ts'
import { inferOnce } from './infer-once.ts'
import { joinGroups } from './joined-groups.ts'
import { maximaInParts } from './maxima-in-parts.ts'
import { movedRows } from './moved-rows.ts'
import { phaseConvolutions } from './phased-convolution.ts'
import { phaseTranspositions } from './phased-transposition.ts'
import { repeatedNumbers } from './repeated-numbers.ts'
import { rowFactors } from './row-factors.ts'
import { singleReshapes } from './single-reshapes.ts'
import { sumsOfProducts } from './sums-of-products.ts'
import { tileConvolutions } from './tile-convolutions.ts'
import { turnedProducts, withTransposedFactors } from './turned-products.ts'
import { wholeTranspositions } from './whole-transpositions.ts'
import { withShapes } from './with-shapes.ts'
import { withoutTallKernels } from './without-tall-kernels.ts'

/**
 * Rewrites for WebAssembly, which has no blocked layout and computes slowly: minimal filtering, phases, and what nobody reads is
 * left out. The same values, up to rounding.
 */
export const lowerForWasm = (model: Model): Model =>
  shapesForPlanning(singleReshapes(equalSizes(tileConvolutions(equalRanks(fastKernels(model))))), 1)

/**
 * Rewrites a model in terms of what ONNX Runtime has on this machine's CPU. The result computes the
 * same values, up to rounding, and is for this machine alone. Without a blocked layout, phases do not
 * pay either, and convolutions stay where they are.
 *
 * @param block channels per block of the runtime's blocked layout; 1 where it has none
 */
export const lowerForCpu = (model: Model, block: number): Model => lowerStep(model, block).model

/**
 * … of a step, and which of its state is fed, and handed back, in blocks of filters.
 *
 * @param states names of the inputs that are fed what the output `NAME.next` gave
 * @param exact outputs, and with them all that they depend on, in which equal numbers have to stay equal; default: all
 */
export function lowerStep(
  model: Model,
  block: number,
  states: Iterable<string> = [],
  exact?: Iterable<string>,
): { readonly model: Model; readonly inBlocks: StateInBlocks } {
  const fast = fastKernels(withTransposedFactors(wholeTranspositions(maximaInParts(model))))
  const columns = columnConvolutions(fast)
  const even = equalRanks(turnedProducts(sumsOfProducts(rowFactors(columns))))
  const isGrouped = even.graph.nodes.some((node) => intAttribute(node, 'group', 1) > 1)
  const filled = block > 1 ? fillChannels(even, block) : even
  const whole = block > 1 && isGrouped ? joinGroups(filled, block) : filled
  const phased = phaseTranspositions(whole, block)
  // Behind columns nobody could infer the batch's size.
  const sized = columns === fast ? phased : withShapes(phased, inferOnce(fast))
  const laidOut =
    block === 1
      ? { model: withoutTallKernels(sized), inBlocks: noneInBlocks }
      : blockLayout(imagesOf(sized, block), block, new Set(states), exact)
  const lowered = singleReshapes(equalSizes(movedRows(repeatedNumbers(dotProducts(laidOut.model)))))
  return { model: shapesForPlanning(lowered, block), inBlocks: laidOut.inBlocks }
}

/** All convolutions as ones of images, with strides as phases. */
function imagesOf(model: Model, block: number): Model {
  const images = asImages(model, block)
  const phased = phaseConvolutions(images, block)
  // How many planes of volumes are gathered depends on the batch.
  return images === model ? phased : withShapes(phased, inferOnce(model))
}
