/** The runtime of this place, Node or a browser, for callers who name none. */
import { defaultRuntime } from '#runtime'
import type { Runtime } from './runtime.ts'

export const withRuntime = <T extends { readonly runtime?: Runtime | undefined }>(
  options: T,
): T & { readonly runtime: Runtime } => ({ ...options, runtime: options.runtime ?? defaultRuntime })
