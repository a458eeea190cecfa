import { client } from './client.ts'
import type { ModelMethods } from './protocol.ts'

/** The worker that holds the models. */
export const models = client<ModelMethods>(
  () => new Worker(new URL('./model.worker.ts', import.meta.url), { type: 'module' }),
)
