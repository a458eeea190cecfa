/** The browser that tests and measurements drive, where one is installed. */
import { existsSync } from 'node:fs'

/**
 * The headless shell is Chromium without windows: a page takes 0.1 s of processor time to open, instead of 1.2. Debian's
 * package is `chromium-headless-shell`.
 */
export const executable = [
  '/usr/bin/chromium-headless-shell',
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
].find((path) => existsSync(path))
