/** net2net predict --generate: how a text goes on. */
import type { Model } from 'net2net'
import { type Device, nodeRuntime } from 'net2net/runtime'
import { generate } from 'net2net/training'
import { usageError } from '../errors.ts'
import { type Io, printResult } from './command.ts'

export interface GenerateTextOptions {
  readonly generate?: number
  readonly prompt?: string
  readonly temperature?: number
  readonly seed?: number
  readonly data?: string
  readonly output?: string
  readonly device: Device
  readonly threads?: number
  readonly json?: true
}

/** @throws usage for an option that would change nothing */
export function refuseUnusedOfText(options: GenerateTextOptions): void {
  const { generate: count, prompt, temperature, seed, data, output } = options
  if (count === undefined) {
    for (const [name, value] of Object.entries({ prompt, temperature, seed }))
      if (value !== undefined) throw usageError(`--${name} is for --generate.`)
    return
  }
  if (prompt === undefined) throw usageError('Continued from what? Give the text with --prompt.')
  if (data !== undefined) throw usageError('--generate goes on from --prompt, and takes no --data.')
  if (output !== undefined)
    throw usageError('--generate writes to the standard output, not to a file of predictions.')
}

/** Writes the prompt and what comes after it, as it is generated. */
export async function generateText(
  io: Io,
  model: Model,
  options: GenerateTextOptions,
): Promise<void> {
  const { generate: units = 0, prompt = '', temperature, seed, json } = options
  const { device, threads } = options
  const continuation = generate(model, prompt, {
    runtime: nodeRuntime,
    units,
    temperature,
    seed,
    signal: io.signal,
    session: { device, threads },
  })
  let text = ''
  for await (const part of continuation) {
    if (!json) io.out(text === '' ? prompt + part : part)
    text += part
  }
  if (json) printResult(io, json, { prompt, continuation: text }, '')
  else io.out('\n')
}
