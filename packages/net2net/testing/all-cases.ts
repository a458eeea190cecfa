/** Every case of every operator: what the files `*.cases.ts` export. For tests only. */
import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Operator } from '../src/operators/contract/operator.ts'
import type { Cases, NodeCase, OperatorCases } from './cases.ts'

const folder = new URL('../src/operators/rules/', import.meta.url)

const files = readdirSync(fileURLToPath(folder), { encoding: 'utf8' })
  .filter((file) => file.endsWith('.cases.ts'))
  .sort()

const byFile = await Promise.all(
  files.map(async (file) => {
    const { cases } = (await import(new URL(file, folder).href)) as { cases: OperatorCases }
    return { file, cases }
  }),
)

/** By operator, with the file that they come from. */
export const allCases: ReadonlyMap<string, Cases & { readonly file: string }> = (() => {
  const all = new Map<string, Cases & { readonly file: string }>()
  for (const { file, cases } of byFile)
    for (const [operator, own] of Object.entries(cases)) {
      const other = all.get(operator)
      if (other) throw new Error(`${other.file} and ${file} both have cases of ${operator}.`)
      all.set(operator, { ...own, file })
    }
  return all
})()

/** The key of an operator's cases. */
export const caseKey = ({ name, domain = '' }: Pick<Operator, 'name' | 'domain'>): string =>
  domain === '' ? name : `${domain}.${name}`

/** The operator and its domain, from the key of its cases. */
export function operatorAt(key: string): { readonly op: string; readonly domain: string } {
  const dot = key.lastIndexOf('.')
  return { op: key.slice(dot + 1), domain: key.slice(0, Math.max(dot, 0)) }
}

export const nodeCases = ({ gradient }: Cases): readonly NodeCase[] =>
  gradient === undefined ? [] : typeof gradient === 'function' ? [{ draw: gradient }] : gradient
