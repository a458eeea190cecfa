/** The browser that tests and measurements drive, where one is installed. */
import { existsSync } from 'node:fs'

/**
 * The shell is Chromium without windows: to open a page takes 0.1 s of processor time instead of 1.2. Debian
 * has it in a package of its own.
 */
export const executable = [
  '/usr/bin/chromium-headless-shell',
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
].find((path) => existsSync(path))
