/** The command lines that do what the page did. */
import type { GrowSettings } from '../engine/protocol.ts'

export const outputName = (input: string): string => `${input.replace(/\.onnx$/i, '')}-grown.onnx`

/** A word as a POSIX shell reads it. */
const quote = (word: string) =>
  /^[\w.,:=@%+/-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`

/** Names that look like options stand behind all options. */
function line(command: string, names: readonly string[], options: readonly string[]): string {
  const words = names.some((name) => name.startsWith('-'))
    ? [...options, '--', ...names]
    : [...names, ...options]
  return ['net2net', command, ...words.map(quote)].join(' ')
}

export function commands(input: string, settings: GrowSettings): string {
  const { widths, deepen, block, init, deepInit, noise, seed } = settings
  const output = outputName(input)
  const lines: string[] = []
  const both = widths.size > 0 && deepen.length > 0
  const between = `${input.replace(/\.onnx$/i, '')}-wider.onnx`
  const seedOption = seed === 0 ? [] : ['--seed', String(seed)]
  if (widths.size > 0)
    lines.push(
      line(
        'widen',
        [input, ...[...widths].map(([name, width]) => `${name}=${width}`)],
        [
          ...(init === 'net2wider' ? [] : ['--init', init]),
          ...(noise === 'zero-sum' || init === 'random-pad' ? [] : ['--noise', noise]),
          ...seedOption,
          ...['-o', both ? between : output],
        ],
      ),
    )
  if (deepen.length > 0)
    lines.push(
      line(
        'deepen',
        [both ? between : input, ...deepen],
        [
          ...(block === 'identity' ? [] : ['--block', block]),
          ...(deepInit === 'net2deeper' ? [] : ['--init', deepInit]),
          ...seedOption,
          ...['-o', output],
        ],
      ),
    )
  return lines.join('\n')
}
