/** The command lines that do what the page did. */
import { endingOf, outputName, outputStem, withoutEnding } from '../engine/output-name.ts'
import type { GrowSettings } from '../engine/protocol.ts'
import { stepsOf } from '../engine/steps.ts'

/** Files of PyTorch that grow along. */
export interface StateFiles {
  readonly weights?: string
  readonly optimizer?: string
}

/** The line that fetches a sample network from the site of this page, so that the others have it. */
export const fetchSample = (id: string): string =>
  `curl -fsSO ${quote(new URL(`data/${id}.onnx`, location.href).href)}`

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

const stateOptions = ({ weights, optimizer }: StateFiles): readonly string[] => [
  ...(weights === undefined ? [] : ['--weights', weights]),
  ...(optimizer === undefined ? [] : ['--optimizer', optimizer]),
]

/** What the command line writes beside `STEM.onnx` for files of PyTorch. */
const writtenBeside = (stem: string, { weights, optimizer }: StateFiles): StateFiles => ({
  ...(weights !== undefined && {
    weights: `${stem}${/\.safetensors\.index\.json$|\.[^.]*$/.exec(weights)?.[0] ?? ''}`,
  }),
  ...(optimizer !== undefined && { optimizer: `${stem}-optimizer.pt` }),
})

export function commands(input: string, settings: GrowSettings, beside: StateFiles): string {
  const { widths, deepen, block, init, deepInit, noise, seed, kernel, more } = settings
  const output = outputName(input)
  if (more.length > 0) {
    // Steps of all kinds stand in a recipe; the shell writes it.
    const recipe = `${outputStem(input)}.recipe.json`
    const text = JSON.stringify({ version: 1, steps: stepsOf(settings) }, null, 1)
    const grow = line('grow', [recipe, input], [...stateOptions(beside), '-o', output])
    return `cat > ${quote(recipe.replace(/^-/, './-'))} <<'RECIPE'\n${text}\nRECIPE\n${grow}`
  }
  const lines: string[] = []
  const both = widths.size > 0 && deepen.length > 0
  const between = `${withoutEnding(input)}-wider${endingOf(input)}`
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
          ...stateOptions(beside),
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
          ...(kernel === undefined ? [] : ['--kernel', String(kernel)]),
          ...(deepInit === 'net2deeper' ? [] : ['--init', deepInit]),
          ...seedOption,
          ...stateOptions(both ? writtenBeside(withoutEnding(between), beside) : beside),
          ...['-o', output],
        ],
      ),
    )
  return lines.join('\n')
}
