import { client } from './client.ts'
import type { ModelMethods } from './protocol.ts'
import { startWorker } from './start-worker.ts'

/** The worker that holds the models. */
export const models = client<ModelMethods>(() => startWorker('models'))
