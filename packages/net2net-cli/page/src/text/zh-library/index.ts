/** What the library and the workers of the page say, in Chinese, by the English sentences; see translator.ts. A test holds that none is missing that the page can meet. */
import { bridges } from './bridges.ts'
import { data } from './data.ts'
import { files } from './files.ts'
import { growth } from './growth.ts'
import { operators } from './operators.ts'
import { page } from './page.ts'
import { training } from './training.ts'

export const zhLibrary: Readonly<Record<string, string>> = {
  ...growth,
  ...operators,
  ...files,
  ...bridges,
  ...data,
  ...training,
  ...page,
}
