/**
 * The layers of Keras: which variables they have, in which order, the ONNX nodes that compute the same, and which
 * fields of their config follow from the shapes of their variables. Each family has a file, each layer an entry there.
 *
 * Keras keeps the channels last. Nodes that ONNX wants with the channels first get them through a Transpose, and values
 * stay so until a layer needs the other order.
 *
 * @see https://keras.io/api/layers/
 */
import { activationLayers } from './activations.ts'
import { attentions } from './attention.ts'
import type { KerasLayers } from './contract.ts'
import { convolutions } from './convolutions.ts'
import { core } from './core.ts'
import { merges } from './merging.ts'
import { normalizations } from './normalizations.ts'
import { operations } from './operations.ts'
import { poolings } from './pooling.ts'
import { recurrences } from './recurrent.ts'
import { reshapings } from './reshaping.ts'

/** Every layer that is understood, by its class. */
export const kerasLayers: KerasLayers = {
  ...core,
  ...convolutions,
  ...poolings,
  ...normalizations,
  ...activationLayers,
  ...merges,
  ...reshapings,
  ...attentions,
  ...recurrences,
}

/** Every operation of keras.ops that is understood, by its class. */
export const kerasOperations: KerasLayers = operations
