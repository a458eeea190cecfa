import { t } from '../text/text.ts'

/** So many names are listed. */
const most = 4

/** The first names of a list, and how many there are more. */
export const firstOf = (names: readonly string[]): string => {
  const shown = names.slice(0, most).join(', ')
  return names.length > most ? t('{0} and {1} more', shown, names.length - most) : shown
}
