/** Loads what works over Redis, with packages that are installed only by those who want it. */
import { usageError } from '../../errors.ts'

/** @throws usage, with the command that installs them, where bullmq or ioredis is missing */
async function withPackages<T>(load: () => Promise<T>): Promise<T> {
  try {
    return await load()
  } catch (cause) {
    if ((cause as { readonly code?: unknown }).code !== 'ERR_MODULE_NOT_FOUND') throw cause
    throw usageError(
      'Sweeps and explorations over Redis need two packages more: npm install bullmq ioredis.',
      {
        cause,
      },
    )
  }
}

export const loadSubmit = () => withPackages(() => import('./submit.ts'))
export const loadSubmitRungs = () => withPackages(() => import('./submit-rungs.ts'))
export const loadWork = () => withPackages(() => import('./work.ts'))
