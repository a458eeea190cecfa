/**
 * What an operator has to declare. Each operator lives in a file of its own (or of its family of
 * look-alikes) and answers a few questions with small declarative rules; the generic drivers
 * (shape inference, the growth solver, backward) know no operator by name. Every question but the
 * facets must be answered: an operator that forgets one does not compile.
 */
import type { none, Unsupported } from './answers.ts'
import type { AxesRule } from './axes.ts'
import type {
  ExecutionFacets,
  GrowthFacets,
  Reads,
  Scaling,
  Sign,
  TrainingFacets,
} from './facets.ts'
import type { GradientRule } from './gradient.ts'
import type { InferRule } from './infer.ts'

export interface Operator {
  readonly name: string
  /** '' is the standard's own domain. */
  readonly domain?: string
  /** 1. What are the shapes and types of your outputs? */
  readonly infer: InferRule | Unsupported
  /** 2. How do the axes of your tensors relate? */
  readonly axes: AxesRule | Unsupported
  /** 3. Which operators compute the gradients of your inputs? */
  readonly gradient: GradientRule | typeof none | Unsupported
  /** 4. How do factors on your inputs come out on output 0? */
  readonly scaling: Scaling
  /** 5. What is known of the sign of output 0? */
  readonly sign: Sign

  /** Inputs of which something else is read than their elements along axes. */
  readonly reads?: Reads
  readonly growth?: GrowthFacets
  readonly training?: TrainingFacets
  readonly execution?: ExecutionFacets
}
