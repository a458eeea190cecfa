/**
 * The one entry of all workers: the name of the worker says which part it plays, so that the
 * parts share their scripts.
 */
const early: unknown[] = []
const keep = ({ data }: MessageEvent) => early.push(data)
// What is sent while the part is loaded waits for it.
addEventListener('message', keep)

const parts: Readonly<Record<string, () => Promise<unknown>>> = {
  models: () => import('./model-methods.ts'),
  check: () => import('./check-methods.ts'),
  train: () => import('../train/train-worker.ts'),
  arm: () => import('../train/arm-worker.ts'),
  own: () => import('../train/own/own-worker.ts'),
  rank: () => import('../train/own/rank-methods.ts'),
  widths: () => import('../grow/width-methods.ts'),
  answer: () => import('../train/answer-methods.ts'),
}
void parts[self.name]?.().then(
  () => {
    removeEventListener('message', keep)
    for (const data of early) dispatchEvent(new MessageEvent('message', { data }))
  },
  (error: unknown) =>
    // Whoever started the worker is told of what is thrown in a task, and not of promises.
    setTimeout(() => {
      throw error
    }),
)

export {}
