/** How the networks of a training are drawn, by their number, and called. */
import { t } from '../../text/text.ts'

const dashes: readonly (readonly number[])[] = [[6, 3], [], [2, 2], [8, 3, 2, 3], [4, 2]]
/** The network as it was is grey; what grew has colours. */
const series = [1, 3, 5, 2, 6, 4, 7, 8, 9]
export const colourOf = (i: number): string => `series-${series[i % series.length]}`
export const dashOf = (i: number): readonly number[] => dashes[i % dashes.length]!

/** What an arm is called, in the page's language: titles are kept in English, or are a network's name. */
export function titleText(title: string): string {
  const [, number] = /^grown, (\d+)$/.exec(title) ?? []
  return number === undefined ? t(title) : t('grown, {0}', number)
}
