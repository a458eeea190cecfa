/** The command lines that do what the page did. */
import type { GrowSettings } from '../engine/protocol.ts'

export const outputName = (input: string): string => `${input.replace(/\.onnx$/i, '')}-grown.onnx`

/** A word as a POSIX shell reads it. */
const quote = (word: string) =>
  /^[\w.,:=@%+/-]+$/.test(word) && !word.startsWith('-')
    ? word
    : `'${word.replaceAll("'", `'\\''`)}'`

export function commands(input: string, settings: GrowSettings): string {
  const { widths, deepen, block, init, deepInit, noise, seed } = settings
  const output = outputName(input)
  const wider = Object.entries(widths)
  const lines: string[] = []
  const both = wider.length > 0 && deepen.length > 0
  const between = `${input.replace(/\.onnx$/i, '')}-wider.onnx`
  const seedOption = seed === 0 ? [] : ['--seed', String(seed)]
  if (wider.length > 0)
    lines.push(
      [
        'net2net widen',
        quote(input),
        ...wider.map(([name, width]) => quote(`${name}=${width}`)),
        ...(init === 'net2wider' ? [] : ['--init', init]),
        ...(noise === 'zero-sum' || init === 'random-pad' ? [] : ['--noise', noise]),
        ...seedOption,
        '-o',
        quote(both ? between : output),
      ].join(' '),
    )
  if (deepen.length > 0)
    lines.push(
      [
        'net2net deepen',
        quote(both ? between : input),
        ...deepen.map(quote),
        ...(block === 'identity' ? [] : ['--block', block]),
        ...(deepInit === 'net2deeper' ? [] : ['--init', deepInit]),
        ...seedOption,
        '-o',
        quote(output),
      ].join(' '),
    )
  return lines.join('\n')
}
