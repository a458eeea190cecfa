/** What we ask of whatever computes: ONNX Runtime in Node or in the browser. */
import type { Dim } from '../model/model.ts'
import type { DType } from '../tensor/dtype.ts'
import type { Tensor } from '../tensor/tensor.ts'

export type Device = 'cpu' | 'webgpu' | 'cuda'

export interface SessionOptions {
  readonly device?: Device | undefined
  /** Threads inside one operator; default: what the runtime chooses. */
  readonly threads?: number | undefined
  /** Graph rewriting before the first run. Changes the last bits of convolutions. */
  readonly optimization?: 'disabled' | 'basic' | 'extended' | 'layout' | 'all' | undefined
  /** Outputs that stay on the device between runs (WebGPU). */
  readonly keepOnDevice?: readonly string[] | undefined
}

/** What only in-place.ts asks for. */
export interface InPlaceOptions extends SessionOptions {
  /** An output that is no tensor, and the error that runs end with when all is done. */
  readonly refused?: { readonly output: string; readonly message: string }
}

export interface SessionValue {
  readonly name: string
  readonly dtype: DType | undefined
  readonly shape: readonly Dim[]
}

export type Feeds = Readonly<Record<string, Tensor>>

export interface Session {
  readonly inputs: readonly SessionValue[]
  readonly outputs: readonly SessionValue[]
  /**
   * Runs the model once. `outputs` selects what to compute: names, or tensors to write into
   * (never the buffer of an input of the same run).
   */
  run(feeds: Feeds, outputs?: readonly string[] | Feeds): Promise<Record<string, Tensor>>
  release(): Promise<void>
}

/** Options whose runtime may be left away: then it is ONNX Runtime in Node or in this browser. */
export type RuntimeOptional<T extends { readonly runtime: unknown }> = Omit<T, 'runtime'> & {
  readonly runtime?: T['runtime'] | undefined
}

export interface Runtime {
  /** For records: name, version and device. */
  readonly description: string
  /** Present if its CPU may have ONNX Runtime's blocked image layout: see channel-block.ts. */
  readonly blockedImages?: true
  /** Present if its CPU is WebAssembly's: vectors of four numbers, and no fused forms for processors. */
  readonly webAssembly?: true
  /** Present if it copies what runs wrote into the caller's tensors, unless asked otherwise: see in-place.ts. */
  readonly copiesInPlaceOutputs?: true
  /** Bytes of an ONNX file, or the path of one where the runtime can read files. */
  createSession(model: Uint8Array | string, options?: InPlaceOptions): Promise<Session>
}
