/** JSON lines: an object a line, whose keys are the columns of a table. */
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { inputError } from '../../errors.ts'
import { quote } from '../../model/quote.ts'
import type { OpenTable, TableRow } from './rows.ts'
import { cellOf } from './values.ts'

/** The first object says which columns there are; a key that another lacks is a missing value. @throws input */
export async function jsonRows(stream: Readable, source: string): Promise<OpenTable> {
  const lines = createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY })
  const objects = objectsOf(lines, source)
  const { value: head } = await objects.next()
  if (head === undefined) return { first: [], rows: empty(), close: () => stream.destroy() }
  const header = Object.keys(head.object)
  const rowOf = ({ object, line }: Line): TableRow => {
    const unknown = Object.keys(object).find((key) => !header.includes(key))
    if (unknown !== undefined)
      throw inputError(
        `${source}: line ${line} has ${quote(unknown)}, which the first line does not have.`,
      )
    const cells = header.map((key) => cellOf(object[key], `${source}, column ${key}: line ${line}`))
    return { cells, line }
  }
  const named: TableRow = { cells: header, line: head.line }
  const rows = async function* () {
    yield named
    yield rowOf(head)
    for await (const one of objects) yield rowOf(one)
  }
  return { first: [named], isNamed: true, rows: rows(), close: () => stream.destroy() }
}

async function* empty(): AsyncGenerator<TableRow> {}

interface Line {
  readonly object: Readonly<Record<string, unknown>>
  readonly line: number
}

async function* objectsOf(
  lines: AsyncIterable<string>,
  source: string,
): AsyncGenerator<Line, undefined> {
  let line = 0
  for await (const text of lines) {
    line++
    if (text.trim() === '') continue
    let value: unknown
    try {
      value = JSON.parse(text)
    } catch (cause) {
      throw inputError(`${source}: line ${line} is no JSON: ${(cause as Error).message}.`, {
        cause,
      })
    }
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw inputError(`${source}: line ${line} is not an object of values by column.`)
    yield { object: value as Record<string, unknown>, line }
  }
  return undefined
}
