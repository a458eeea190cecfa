/** Which constants of a model are factors of low-rank adapters: noted of the initializers (TensorProto.metadata_props). */
import type { Metadata, Model } from './model.ts'

/** The metadata key: `A` or `B`. */
export const ADAPTER_KEY = 'net2net.lora'

export const adapterNote = (factor: 'A' | 'B'): Metadata => new Map([[ADAPTER_KEY, factor]])

/** The names of the factors. */
export const adaptersOf = ({ graph }: Model): ReadonlySet<string> =>
  new Set(
    [...graph.initializers].flatMap(([name, { metadata }]) =>
      metadata?.has(ADAPTER_KEY) ? [name] : [],
    ),
  )
