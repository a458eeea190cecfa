/** The workers that hold the models: one for the Grow tab, one for the Compare tab, so that either can be ended without the other. */
import { client } from './client.ts'
import type { ModelMethods } from './protocol.ts'
import { startWorker } from './start-worker.ts'

export const models = {
  growth: client<ModelMethods>(() => startWorker('models')),
  comparison: client<ModelMethods>(() => startWorker('models')),
}
