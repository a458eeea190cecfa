import { t } from '../text/text.ts'
import { shownRuns } from './model.ts'

/** A, B, C … for the runs that are shown together. */
export function letterOf(key: string): string {
  const index = shownRuns.value.findIndex((run) => run.key === key)
  return index < 26 ? String.fromCharCode(65 + index) : String(index + 1)
}

/** The letter that a run's lines end with, where there are several runs. */
export const RunLetter = ({ of }: { of: string }) =>
  shownRuns.value.length > 1 && shownRuns.value.some(({ key }) => key === of) ? (
    <abbr class="run-letter" title={t('Lines that end with {0} are of this run', letterOf(of))}>
      {letterOf(of)}
    </abbr>
  ) : null
