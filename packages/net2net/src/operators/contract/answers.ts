/** Answers that are not rules. */

/** An honest "no": the rule cannot exist or does not exist yet, and why. */
export interface Unsupported {
  readonly unsupported: string
}

/** `reason` is a verb phrase that continues "Conv conv1 …" or "the gradient …": `draws at random`. */
export const unsupported = (reason: string): Unsupported => ({ unsupported: reason })

/** The output has no gradient by its nature (integers, shapes, comparisons). */
export const none = 'none'
