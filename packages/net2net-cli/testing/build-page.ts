/** The page, built before its tests open it, where its sources are newer. */
import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { isNewer } from './is-newer.ts'

const at = (path: string) => fileURLToPath(new URL(`../${path}`, import.meta.url))

export function setup(): void {
  const sources = ['page/src', 'page/index.html', 'page/vite.config.ts', 'src', '../net2net/src']
  if (isNewer(at('page/dist/index.html'), sources.map(at))) return
  const { NODE_ENV: _, ...env } = process.env
  execFileSync('npm', ['run', '--silent', 'build:web'], {
    cwd: at('../..'),
    env,
    stdio: ['ignore', 'ignore', 'inherit'],
  })
}
