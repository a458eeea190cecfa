/** The Compare tab: two models, what differs, and whether they compute the same. */
import { batch, effect, signal } from '@preact/signals'
import { models } from '../engine/model-client.ts'
import type { Check, ComparedModels, Failure } from '../engine/protocol.ts'
import { sameFile, sourceFromFile, sourceOf, sourceTitle } from '../engine/sources.ts'
import { param, setParams, tab } from '../state.ts'
import { announce } from '../ui/announce.tsx'
import { failureFrom } from '../ui/failure.tsx'

export const sides = { a: param('a'), b: param('b') }

export const compared = signal<ComparedModels | undefined>(undefined)
export const comparing = signal(false)
export const number = signal(0)
export const failure = signal<Failure | undefined>(undefined)
export const check = signal<Check | Failure | 'running' | undefined>(undefined)
export const selected = signal<string | undefined>(undefined)

export async function openSide(side: 'a' | 'b', file: File): Promise<void> {
  const { name } = await sourceFromFile(file)
  const wanted = sides[side].peek()
  // The file that a link asks for: now it is there.
  if (!sameFile(name, wanted)) setParams({ [side]: name }, { push: true })
  else if (sides.a.peek() !== '' && sides.b.peek() !== '')
    await compare(sides.a.peek(), sides.b.peek())
}

async function compare(a: string, b: string): Promise<void> {
  const own = number.peek() + 1
  batch(() => {
    number.value = own
    comparing.value = true
    failure.value = undefined
    compared.value = undefined
    check.value = undefined
    selected.value = undefined
  })
  try {
    const sources = [await sourceOf(a), await sourceOf(b)] as const
    const [first, second] = sources
    if (first === undefined || second === undefined) {
      failure.value = {
        kind: 'input',
        message: `This link is about ${sourceTitle(first === undefined ? a : b)}, and a link does not carry the file: nothing is uploaded.`,
        hint: 'Open that file here, on its side.',
      }
      return
    }
    const result = await models.call('compare', [first, second])
    if (number.peek() !== own) return
    batch(() => {
      compared.value = result
      check.value = 'running'
    })
    const { same, widened, changed, inserted, removed } = result.diff.counts
    announce(
      `${same} nodes the same, ${widened + changed} changed, ${inserted} new, ${removed} removed.`,
    )
    void runCheck(own)
  } catch (error) {
    if (number.peek() === own) failure.value = failureFrom(error)
  } finally {
    if (number.peek() === own) comparing.value = false
  }
}

async function runCheck(own: number): Promise<void> {
  let result: Check | Failure
  try {
    result = await models.call('checkComparison', undefined)
  } catch (error) {
    result = failureFrom(error)
  }
  if (number.peek() === own) check.value = result
}

let shown = ''
export const followAddress = (): (() => void) =>
  effect(() => {
    const [a, b] = [sides.a.value, sides.b.value]
    if (tab.value !== 'compare' || a === '' || b === '' || shown === `${a}\n${b}`) return
    shown = `${a}\n${b}`
    void compare(a, b)
  })
