/** What a loss is: a scalar of prediction and target, and its gradient. */
import type { Shape } from '../../../model/model.ts'
import type { LinkFacet } from '../../../operators/contract/facets.ts'
import type { Emitter } from '../../../operators/contract/gradient.ts'

export interface LossContext {
  readonly emitter: Emitter
  /** The value that the loss is of: the model's output, or what its link was taken from. */
  readonly prediction: string
  /** Name of the graph input `target`. */
  readonly target: string
  /** Axis of the classes, as the link at the end of the model says. */
  readonly classAxis?: number | undefined
  /** Name of the graph input with the weight of each prediction, where there are weights: `weights` of the target's type. */
  readonly weights?: string | undefined
}

export interface EmittedLoss {
  /** The mean loss of the batch: a scalar. */
  readonly loss: string
  /**
   * ∂loss/∂prediction, of the prediction's shape. Default: what automatic differentiation makes of the nodes
   * that were emitted, so that any expression in ONNX operators is a loss.
   */
  readonly gradient?: () => string
  /** The same times a scalar, where no pass over the prediction is needed for that. Default: their product. */
  readonly scaledGradient?: (scale: string) => string
  /** Number of right predictions of the batch, a float scalar, where the loss is of classes. */
  readonly correct?: () => string
}

export interface TargetType {
  readonly dtype: 'float32' | 'int64'
  readonly shape: Shape
  /** How many elements of the target belong to one prediction: the classes, where one-hot. */
  readonly perPrediction: number
  /** How many classes there are, where the target holds their indices. */
  readonly classes?: number
  /** A label that does not count. */
  readonly ignored?: number
  /** The axis of the prediction that holds the classes, where there are any. */
  readonly classAxis?: number
  /** The shape of weights, one for each prediction, where the step takes them: the prediction's without the axis of the classes. */
  readonly weights?: Shape
}

export interface Loss {
  readonly name: string
  /** A link function that the loss has in itself: a model that ends in it trains below it. */
  readonly link?: LinkFacet['kind']
  /** Whether it reads the `weights` of its context: the loss is Σ w l / Σ w then. */
  readonly weighted?: true
  /**
   * Whether it is the mean of what each prediction costs by itself (with weights, the weighted mean), as almost all losses
   * are: then small batches are measured several at once.
   */
  readonly isMean?: true
  /**
   * What `target` must be, given the prediction's shape.
   *
   * @param classAxis as the link at the end of the model says
   * @param given the shape of the targets that there are, where it is known
   */
  target(prediction: Shape, classAxis: number | undefined, given?: Shape): TargetType
  emit(context: LossContext): EmittedLoss
}
