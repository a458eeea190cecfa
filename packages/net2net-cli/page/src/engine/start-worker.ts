/** Starts a worker that plays one part; see worker.ts. */
export const startWorker = (
  name: 'models' | 'check' | 'train' | 'own' | 'rank' | 'widths' | 'answer',
): Worker => new Worker(new URL('./worker.ts', import.meta.url), { type: 'module', name })
