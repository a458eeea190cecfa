/** The worker that runs networks on drawn digits. */
import { client } from '../engine/client.ts'
import { startWorker } from '../engine/start-worker.ts'
import type { AnswerMethods } from './answer-methods.ts'

export const answerer = client<AnswerMethods>(() => startWorker('answer'))
