import { chosen } from './model.ts'

/** A, B, C … for the runs that are shown together. */
export function letterOf(id: string): string {
  const index = chosen.value.indexOf(id)
  return index < 26 ? String.fromCharCode(65 + index) : String(index + 1)
}

/** The letter that a run's lines end with, where there are several runs. */
export const RunLetter = ({ id }: { id: string }) =>
  chosen.value.length > 1 && chosen.value.includes(id) ? (
    <abbr class="run-letter" title={`Lines that end with ${letterOf(id)} are of this run`}>
      {letterOf(id)}
    </abbr>
  ) : null
