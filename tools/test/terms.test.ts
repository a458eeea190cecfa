/**
 * One name per idea: the glossary's old names (its last column) are not used any more, in code, documentation and help
 * texts. Many of them are ordinary words elsewhere, so that each is looked for where it would mean the idea.
 */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'

const library = 'packages/net2net/'
const application = 'packages/net2net-cli/'
const growth = [
  `${library}src/growth`,
  `${library}src/operators`,
  `${library}src/growing`,
  `${library}src/recipe`,
  `${library}test`,
  `${application}page`,
  'docs/architecture.md',
  'docs/growth.md',
  'docs/decisions',
  'docs/guides',
  'README.md',
]
const everywhere = [
  'packages',
  'tools',
  'bench',
  'examples',
  'docs',
  'README.md',
  'CONTRIBUTING.md',
]

interface Rule {
  /** What the glossary's last column calls it. */
  readonly old: string
  readonly pattern: RegExp
  readonly where: readonly string[]
  /** Files that still have it, and why. */
  readonly except?: readonly string[]
}

const rules: readonly Rule[] = [
  { old: 'unit axis', pattern: /\bunit ax[ie]s\b/i, where: everywhere },
  {
    old: 'share',
    pattern: /\b(hold|take|give|need)(s|ing)? (\w+ )?shares\b|\bshares of it\b|unequal ?shares/i,
    where: growth,
  },
  { old: 'carried', pattern: /['"]carried['"]|\bcarried ax[ie]s\b/, where: growth },
  { old: 'summed', pattern: /['"]summed['"]|\bsummed ax[ie]s\b/, where: growth },
  { old: 'holds shares', pattern: /\bholds? (the |their )?shares?\b/, where: everywhere },
  {
    old: 'frozen axis',
    pattern:
      /\bfrozen (ax[ie]s|variable|unit)|\bfreezes? (the(?! parameters)|an?|both|every|several|only)\b|\bfrost\b/i,
    where: growth,
  },
  { old: 'inert', pattern: /\binert\b/, where: growth },
  { old: 'equal copies', pattern: /\bequal[- ]?copies\b/i, where: growth },
  { old: 'held number', pattern: /\bheld numbers?\b|\bheld\.ts\b/i, where: everywhere },
  {
    old: 'cell',
    pattern: /\bcells?\b/i,
    where: [
      `${library}src/growth`,
      `${library}src/operators/contract`,
      'docs/architecture.md',
      'docs/growth.md',
    ],
  },
  {
    old: 'pick',
    pattern: /\bpick(s|ed)? (an?|the|one|single) (entry|entries|unit)|\bpicked entr/i,
    where: growth,
  },
  { old: 'homogeneity', pattern: /\bhomogeneity\b/i, where: everywhere },
  {
    old: 'form',
    pattern: /\bforms\/|linear-?form/i,
    where: [...growth, `${library}src/check`],
  },
  { old: 'leftover', pattern: /\bleftover\b/i, where: [`${library}src/onnx`] },
  { old: 'proven save', pattern: /\bproven saves?\b|\bsave-?proven\b/i, where: everywhere },
  {
    old: 'stretch',
    pattern: /\bstretch(es)?\b/i,
    where: [
      `${library}src`,
      `${application}src`,
      'docs/lab',
      'docs/decisions',
      'docs/architecture.md',
    ],
    // A value of an attribute of the standard.
    except: [`${library}src/operators/rules/resize`],
  },
  {
    old: 'meeting',
    pattern: /\bmeeting\b|\bparticipants?\b|\btwins?\b/i,
    where: [`${library}src/check`, 'docs/lab', 'docs/decisions', 'docs/architecture.md'],
  },
  {
    old: 'streamed',
    pattern: /\bstreamed/i,
    where: [`${library}src`, 'docs/lab', 'docs/decisions', 'docs/architecture.md'],
  },
  { old: 'serving', pattern: /\bserving\b/i, where: [`${library}src`] },
  { old: 'lane', pattern: /\blanes?\b/i, where: [application, 'docs'] },
  {
    old: 'seed document',
    pattern: /\bseed (document|experiment)\b|\bthe seed[’']s\b/i,
    where: everywhere,
  },
  {
    old: 'room',
    pattern: /\brooms\b|\b(this|the|an?other|each|every|data|training|onnx|model) room\b/i,
    where: ['packages', 'tools', 'docs'],
  },
  { old: 'house', pattern: /\bhouse\b/i, where: everywhere },
  { old: 'surroundings', pattern: /\bsurroundings\b|#around\b/i, where: ['packages', 'docs'] },
]

const glossary = 'docs/reference/glossary.md'
const files = execFileSync('git', ['ls-files', '-co', '--exclude-standard', ...everywhere], {
  encoding: 'utf8',
})
  .split('\n')
  .filter((file) => /\.(ts|tsx|md|py|css)$/.test(file))
  // The glossary lists the words, this test looks for them, and the study is a record.
  .filter(
    (file) => file !== glossary && !file.endsWith('terms.test.ts') && !/^docs\/study\//.test(file),
  )

const isIn = (folders: readonly string[]) => (file: string) =>
  folders.some((folder) => file === folder || file.startsWith(folder.replace(/\/?$/, '/')))

const read = new Map(files.map((file) => [file, readFileSync(file, 'utf8').split('\n')]))

const findings = ({ pattern, where, except = [] }: Rule): readonly string[] =>
  files
    .filter(isIn(where))
    .filter((file) => !except.some((start) => file.startsWith(start)))
    .flatMap((file) =>
      read
        .get(file)!
        .flatMap((line, i) => (pattern.test(line) ? [`${file}:${i + 1} ${line.trim()}`] : [])),
    )

test.each(rules.map((rule) => [rule.old, rule] as const))('nothing is called "%s"', (_, rule) => {
  expect(files.filter(isIn(rule.where)).length).toBeGreaterThan(0)
  expect(findings(rule)).toEqual([])
})

describe('the glossary', () => {
  const rows = readFileSync(glossary, 'utf8')
    .split('\n')
    .filter((line) => /^\| (?!term|-)/.test(line))
    .map((line) => line.split('|').map((cell) => cell.trim()))

  test('every old name in it is looked for', () => {
    const old = rows.flatMap((cells) => cells.at(-2)!.split(', ')).filter((name) => name !== '')
    expect(old.length).toBeGreaterThan(15)
    const known = new Set(rules.map((rule) => rule.old))
    expect(old.filter((name) => !known.has(name))).toEqual([])
  })

  test('terms are there once', () => {
    const terms = rows.map(([, term]) => term!)
    expect(new Set(terms).size).toBe(terms.length)
  })
})
