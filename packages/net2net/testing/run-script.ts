import { spawnSync } from 'node:child_process'

/** Runs TypeScript in a Node process of its own. */
export const runScript = (options: readonly string[], script: string, ...args: readonly string[]) =>
  spawnSync(
    process.execPath,
    [
      ...options,
      '--conditions=net2net-source',
      '--import',
      'tsx',
      '--input-type=module',
      '-e',
      script,
      ...args,
    ],
    { encoding: 'utf8' },
  )
