/** What the cells of a table's column are, seen one after the other. */
import { hasDecimalComma, isMissing, isNumber } from './cells.ts'

/** A cell, for messages. */
export interface Cell {
  readonly text: string
  readonly line: number
}

/** With more different values than that, they are not kept. */
const mostValues = 2 ** 20

export class ColumnScan {
  rows = 0
  /** Cells that are numbers. */
  numbers = 0
  /** Cells that are neither numbers, nor empty, nor words for what is missing. */
  texts = 0
  /** All numbers are written without a point. */
  isWhole = true
  firstText: Cell | undefined
  /** The first cell that is empty. */
  firstEmpty: Cell | undefined
  /** The first cell with a word that programs write where a number is missing. */
  firstWord: Cell | undefined
  #mean = 0
  #squares = 0
  #values: Map<string, number> | undefined = new Map()
  readonly #countsNumbers: boolean

  /** @param countsNumbers whether numbers are kept among the values, too */
  constructor(countsNumbers: boolean) {
    this.#countsNumbers = countsNumbers
  }

  add(text: string, line: number): void {
    this.rows++
    if (text === '') {
      this.firstEmpty ??= { text, line }
      return
    }
    if (isNumber(text)) {
      const value = Number(text)
      this.numbers++
      const difference = value - this.#mean
      this.#mean += difference / this.numbers
      this.#squares += difference * (value - this.#mean)
      this.isWhole &&= /^[+-]?\d+$/.test(text)
      if (this.#countsNumbers) this.#count(text)
      return
    }
    if (isMissing(text)) this.firstWord ??= { text, line }
    else {
      this.texts++
      this.firstText ??= { text, line }
    }
    this.#count(text)
  }

  #count(text: string): void {
    if (!this.#values) return
    this.#values.set(text, (this.#values.get(text) ?? 0) + 1)
    if (this.#values.size > mostValues) this.#values = undefined
  }

  /** The different values, in the order of the alphabet (UTF-16); undefined where they are too many. */
  get values(): readonly string[] | undefined {
    return this.#values && [...this.#values.keys()].sort()
  }

  /** The value that occurs most often; of equals, the first of the alphabet. */
  get mostFrequent(): string | undefined {
    const counts = [...(this.#values ?? [])]
    counts.sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1))
    return counts[0]?.[0]
  }

  /** Whether what there is are numbers, written as such. */
  get isNumeric(): boolean {
    return this.texts === 0 && this.numbers > 0
  }

  /** Whether numbers were meant: there are some, or they have a decimal comma. */
  get isMeantAsNumbers(): boolean {
    return this.numbers > 0 || hasDecimalComma(this.firstText?.text ?? '')
  }

  /** The first cell without a value, where numbers are meant. */
  get firstMissing(): Cell | undefined {
    const [a, b] = [this.firstEmpty, this.firstWord]
    return a && b ? (a.line < b.line ? a : b) : (a ?? b)
  }

  get mean(): number {
    return this.#mean
  }

  /** Of all numbers that there are, not of a sample of them; 1 where they are all the same. */
  get deviation(): number {
    return Math.sqrt(this.#squares / this.numbers) || 1
  }
}
