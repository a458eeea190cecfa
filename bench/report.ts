/** What the benchmarks say, as data and as a Markdown table. */
import type { Summary } from './measure.ts'

export interface Row {
  readonly figure: string
  /** As people read it, with its spread. */
  readonly measured: string
  readonly target?: string
  /** Whether the target is reached; absent where there is none. */
  readonly reached?: boolean
  /** For programs. */
  readonly values: Readonly<Record<string, number | string>>
}
export interface Section {
  readonly title: string
  /** How it was measured. */
  readonly method: string
  readonly rows: readonly Row[]
  readonly notes?: readonly string[]
}
export interface Report {
  readonly date: string
  readonly quick: boolean
  readonly machine: Readonly<Record<string, string | number>>
  readonly sections: readonly Section[]
}

export const milliseconds = ({ median, range: [low, high] }: Summary): string =>
  `${short(median)} ms (${short(low)}–${short(high)})`
export const times = ({ median, range: [low, high] }: Summary): string =>
  `${median.toFixed(2)}× (${low.toFixed(2)}–${high.toFixed(2)})`
export const short = (value: number): string =>
  value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2)
export const percent = (value: number): string => `${(100 * value).toFixed(1)}%`

export function markdown({ date, quick, machine, sections }: Report): string {
  const lines = [
    '# Benchmarks',
    '',
    'Written by `npm run bench`; not edited by hand. All comparisons are ratios of interleaved runs:',
    'the contestants take turns on the same machine, and each round gives one ratio. Shown are',
    'medians over the rounds, with the first and third quartile in parentheses. Where a section says',
    'that the contestants were started several times, medians are over the starts, with the least and the greatest in parentheses.',
    'What bounds the figures that miss their targets, and what was tried:',
    '[steps, experiments, evaluation](decisions/fast-steps-on-the-cpu.md),',
    '[growth on disk](decisions/growth-on-disk.md).',
    ...(quick ? ['', '**A quick run**: few rounds, small sizes.'] : []),
    '',
    ...Object.entries(machine).map(([what, value]) => `- ${what}: ${value}`),
    `- date: ${date}`,
  ]
  for (const { title, method, rows, notes = [] } of sections) {
    lines.push(
      '',
      `## ${title}`,
      '',
      method,
      '',
      '| figure | measured | target | |',
      '|---|---|---|---|',
    )
    for (const { figure, measured, target = '', reached } of rows)
      lines.push(
        `| ${figure} | ${measured} | ${target} | ${reached === undefined ? '' : reached ? 'reached' : '**missed**'} |`,
      )
    for (const note of notes) lines.push('', note)
  }
  return `${lines.join('\n')}\n`
}
