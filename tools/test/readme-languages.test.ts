/** The Chinese README says what the English one says: the same commands, code, figures and links, section by section. */
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { blocksOf, commandsIn } from './snippets.ts'

const [english, chinese] = ['README.md', 'README.zh-CN.md'].map((file) =>
  readFileSync(file, 'utf8'),
)

/** The text under each heading, without blocks of code. */
const sectionsOf = (text: string): readonly string[] =>
  text.replace(/^```.*?^```$/gms, '').split(/^#+ .*$/m)

/** Blocks of code without their comments, which each README has in its own language. */
const codeOf = (text: string) =>
  blocksOf(text).map(({ language, text: code }) =>
    language === 'sh'
      ? commandsIn(code)
      : code.split('\n').map((line) => line.replace(/ \/\/ [^{].*/, '').trimEnd()),
  )

const found = (section: string, pattern: RegExp): readonly string[] =>
  [...section.matchAll(pattern)].map(([match]) => match).sort()

/** Each README links to the other one. */
const linksIn = (section: string) =>
  found(section, /\]\([^)]+\)/g).filter((link) => !/README/.test(link))

const figuresIn = (section: string) => found(section, /(?<![\w.])\d[\d.,]*(?<![.,])%?/g)

test('the same code', () => {
  expect(codeOf(english!).length).toBeGreaterThan(5)
  expect(codeOf(chinese!)).toEqual(codeOf(english!))
})

test('the same sections, with the same figures, links and code in them', () => {
  const [ours, theirs] = [sectionsOf(english!), sectionsOf(chinese!)]
  expect(theirs.length).toBe(ours.length)
  for (const [i, section] of ours.entries()) {
    const other = theirs[i]!
    expect({
      figures: figuresIn(other),
      links: linksIn(other),
      code: found(other, /`[^`]+`/g),
    }).toEqual({
      figures: figuresIn(section),
      links: linksIn(section),
      code: found(section, /`[^`]+`/g),
    })
  }
  expect(ours.flatMap(figuresIn).length).toBeGreaterThan(60)
})

test('the same rows of tables', () => {
  const rows = (text: string) => found(text, /^\|.*\|$/gm).length
  expect(rows(chinese!)).toBe(rows(english!))
})
