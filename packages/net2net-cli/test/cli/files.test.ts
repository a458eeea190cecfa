/** What the command line does to files that are there, to full disks, and to whoever interrupts it. */
import { spawn, spawnSync } from 'node:child_process'
import fs from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { commandLine, net2net, teacherFile, temporaryFolder } from './net2net.ts'

const folder = temporaryFolder()
const at = (...names: readonly string[]) => join(folder, ...names)
let teacher: string
beforeAll(async () => {
  teacher = await teacherFile(folder)
  fs.writeFileSync(at('recipe.yaml'), 'steps:\n  - widen: { conv1: 9 }\n')
})
const widen = (...flags: readonly string[]) => net2net(['widen', teacher, 'conv1=9', ...flags])

describe('nothing is overwritten without --force', () => {
  test.each([
    ['the model', 'out.onnx', []],
    ['its external data', 'out.onnx.data', ['--external-data']],
  ])(
    '%s',
    async (_, name, flags) => {
      const here = fs.mkdtempSync(at('there-'))
      fs.writeFileSync(join(here, name), 'precious')
      const run = (...more: readonly string[]) =>
        widen('-o', join(here, 'out.onnx'), ...flags, ...more)
      const { code, err } = await run()
      expect(code).toBe(2)
      expect(err).toContain(`${join(here, name)} exists already`)
      expect(fs.readdirSync(here)).toEqual([name])
      expect(fs.readFileSync(join(here, name), 'utf8')).toBe('precious')
      expect((await run('--force')).code).toBe(0)
      expect(fs.readFileSync(join(here, name), 'utf8')).not.toBe('precious')
    },
    60_000,
  )

  test('the recipe that grow writes, and then no model either', async () => {
    const here = fs.mkdtempSync(at('recipe-'))
    fs.writeFileSync(join(here, 'out.onnx.recipe.yaml'), 'precious')
    const args = ['grow', at('recipe.yaml'), teacher, '-o', join(here, 'out.onnx')]
    const { code, err } = await net2net(args)
    expect(code).toBe(2)
    expect(err).toMatch(/out\.onnx\.recipe\.yaml exists already/)
    expect(fs.readdirSync(here)).toEqual(['out.onnx.recipe.yaml'])
    expect((await net2net([...args, '--force'])).code).toBe(0)
    expect(fs.readdirSync(here)).toEqual(['out.onnx', 'out.onnx.recipe.yaml'])
  }, 60_000)

  test('not even by two at once: one wins, the other is told', async () => {
    const here = fs.mkdtempSync(at('two-'))
    const out = join(here, 'out.onnx')
    const outcomes = await Promise.all([widen('-o', out), widen('-o', out), widen('-o', out)])
    expect(outcomes.map(({ code }) => code).toSorted()).toEqual([0, 2, 2])
    for (const { code, err } of outcomes) if (code === 2) expect(err).toMatch(/exists already/)
    expect(fs.readdirSync(here)).toEqual(['out.onnx'])
    expect((await net2net(['check', teacher, out])).code).toBe(0)
  }, 60_000)
})

test.skipIf(process.platform === 'win32')(
  'what is no regular file is not replaced, with --force either',
  async () => {
    const here = fs.mkdtempSync(at('special-'))
    spawnSync('mkfifo', [join(here, 'fifo')])
    fs.symlinkSync('/dev/null', join(here, 'device'))
    fs.mkdirSync(join(here, 'folder'))
    for (const name of ['fifo', 'device', 'folder']) {
      const before = fs.lstatSync(join(here, name)).ino
      const { code, err } = await widen('-o', join(here, name), '--force')
      expect(code, err).toBe(2)
      expect(fs.lstatSync(join(here, name)).ino).toBe(before)
    }
    expect(fs.readdirSync(here)).toEqual(['device', 'fifo', 'folder'])
  },
  60_000,
)

test('what a killed run left is removed by the next', async () => {
  const here = fs.mkdtempSync(at('killed-'))
  // Killed while its temporary file is there.
  const watching = setInterval(() => {
    if (fs.readdirSync(here).some((name) => name.endsWith('.tmp'))) child?.kill('SIGKILL')
  }, 1)
  let child: ReturnType<typeof spawn> | undefined
  await new Promise((resolve) => {
    child = spawn(
      process.execPath,
      [...commandLine, 'widen', teacher, 'conv1=2000', 'fc1=2000', '-o', join(here, 'out.onnx')],
      { stdio: 'ignore' },
    )
    child.on('close', resolve)
  })
  clearInterval(watching)
  expect(fs.readdirSync(here)).toHaveLength(1)
  expect((await widen('-o', join(here, 'other.onnx'))).code).toBe(0)
  expect(fs.readdirSync(here)).toEqual(['other.onnx'])
}, 60_000)

describe('an output that cannot be written', () => {
  const shell = (command: string) =>
    spawnSync('bash', ['-c', command, 'bash', process.execPath, teacher], { encoding: 'utf8' })
  const program = `"$1" ${commandLine.join(' ')}`

  test.skipIf(!fs.existsSync('/dev/full'))(
    'is said, and an exit code',
    () => {
      const { status, stderr } = shell(`${program} inspect "$2" > /dev/full`)
      expect(status).toBe(1)
      expect(stderr).toMatch(/^net2net: the output cannot be written: ENOSPC.*\n$/)
    },
    60_000,
  )

  test.skipIf(!fs.existsSync('/dev/full'))(
    'does not matter where it is of messages',
    () => {
      const { status } = shell(`${program} inspect nothing.onnx 2> /dev/full`)
      expect(status).toBe(4)
    },
    60_000,
  )

  test('is none where a reader has seen enough', () => {
    const { stderr, stdout } = shell(`${program} inspect "$2" | head -1; echo \${PIPESTATUS[0]}`)
    expect(stderr).toBe('')
    expect(stdout).toMatch(/^Inputs.*\n0\n$/)
  }, 60_000)
})

describe('planning that takes long', () => {
  test.each([
    ['SIGINT', 130, 1000],
    ['SIGTERM', 143, 60_000],
  ] as const)(
    'is ended by %s',
    async (signal, expected, milliseconds) => {
      let sent = 0
      const { code, err } = await net2net(['widen', teacher, 'conv1=4000000', '--dry-run'], {
        onOutput: (child, said) => {
          if (sent > 0 || !said.includes('Planning takes about')) return
          sent = Date.now()
          child.kill(signal)
        },
      })
      expect(Date.now() - sent).toBeLessThan(milliseconds)
      expect(code).toBe(expected)
      expect(err).toContain(`net2net: Interrupted by ${signal}.`)
    },
    120_000,
  )

  test('is refused where it needs more memory than there is', async () => {
    const { code, err } = await net2net(['widen', teacher, 'conv1=16000000', '--dry-run'], {
      env: { NODE_OPTIONS: '--max-old-space-size=600' },
    })
    expect(code).toBe(2)
    expect(err).toMatch(/Planning this growth takes about 2\.6 GB of memory, and 0\.\d GB may/)
  }, 60_000)
})

test.each([
  ['threads', ['mnist', '--threads', '100000']],
  ['processes', ['mnist', '--jobs', '100000']],
  ['units', ['widen', 'TEACHER', 'conv1=16777217', '--dry-run']],
])(
  'there is a most of %s, and a document that says so',
  async (_, args) => {
    const { code, out } = await net2net([
      ...args.map((arg) => (arg === 'TEACHER' ? teacher : arg)),
      '--json',
    ])
    expect(code).toBe(2)
    expect(JSON.parse(out)).toMatchObject({ error: { kind: 'usage' } })
  },
  60_000,
)

test('errors carry their hints, in JSON too', async () => {
  const { code, out } = await net2net(['grow', teacher, at('recipe.yaml'), '--json'])
  expect(code).toBe(2)
  expect(JSON.parse(out).error).toEqual({
    kind: 'usage',
    message: expect.stringMatching(/The recipe comes first/),
    hint: expect.stringMatching(/^Write: net2net grow RECIPE/),
  })
}, 60_000)
