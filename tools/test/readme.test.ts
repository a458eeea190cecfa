/** What the README and the guides show is executed, word for word. */
import { execFile } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { build } from 'esbuild'
import { compare, inspect, load } from 'net2net'
import { beforeAll, describe, expect, test } from 'vitest'
import { blocksOf, commandsIn, folderOfReader, follow } from './snippets.ts'

const run = promisify(execFile)
const guides = readdirSync('docs/guides').map((name) => `docs/guides/${name}`)
const documents = ['README.md', ...guides]
/** Whose programs are for browsers: they are bundled, not run. */
const browserGuide = 'docs/guides/browser.md'

/** What is followed by the tests of the bridge, where Python can make its files. */
const huggingFaceGuide = 'docs/guides/hugging-face.md'

describe('README', () => {
  let folder: string
  let outputs: readonly string[]
  beforeAll(async () => {
    folder = await folderOfReader()
    outputs = await follow('README.md', folder)
  }, 600_000)

  test('the commands grow the teacher', async () => {
    const commands = blocksOf(readFileSync('README.md', 'utf8')).flatMap(({ text }) =>
      commandsIn(text),
    )
    expect(commands).toContain('net2net widen teacher.onnx conv1=128 fc1=96 -o wider.onnx')
    const { layers } = inspect(await load(join(folder, 'wider.onnx')))
    expect(layers.map(({ width }) => width)).toEqual([128, 64, 96, 10])
  })

  test('the TypeScript does too', async () => {
    expect(outputs[0]).toMatch(/equal: true/)
    expect(await compare(join(folder, 'teacher.onnx'), join(folder, 'student.onnx'))).toMatchObject(
      { equal: true },
    )
  }, 60_000)

  test('trained models know their classes', async () => {
    const model = await load(join(folder, 'runs/wider/model.onnx'))
    expect(inspect(model)).toMatchObject({ classes: ['setosa', 'versicolor', 'virginica'] })
  })
})

describe('guides', () => {
  test.each(guides.filter((guide) => guide !== browserGuide && guide !== huggingFaceGuide))(
    '%s',
    async (guide) => {
      await follow(guide, await folderOfReader())
    },
    600_000,
  )

  test('programs for browsers are bundled without a module of Node', async () => {
    const folder = await folderOfReader()
    const programs = blocksOf(readFileSync(browserGuide, 'utf8')).filter(
      ({ language }) => language === 'ts',
    )
    expect(programs.length).toBeGreaterThan(0)
    for (const { text } of programs) {
      const file = join(folder, 'program.ts')
      writeFileSync(file, text)
      const { outputFiles } = await build({
        entryPoints: [file],
        bundle: true,
        splitting: true,
        format: 'esm',
        platform: 'browser',
        conditions: ['net2net-source', 'browser'],
        outdir: join(folder, 'out'),
        write: false,
        logLevel: 'silent',
      })
      for (const output of outputFiles) expect(output.text).not.toMatch(/from\s*["'](node:|fs["'])/)
    }
  })
})

test('every program is right in strict TypeScript', async () => {
  const folder = await folderOfReader()
  const files = documents.flatMap((document, i) =>
    blocksOf(readFileSync(document, 'utf8'))
      .filter(({ language }) => language === 'ts')
      .map(({ text }, j) => {
        const name = `program-${i}-${j}.ts`
        writeFileSync(join(folder, name), text)
        return name
      }),
  )
  const config = { extends: resolve('tsconfig.base.json'), files }
  const lib = ['es2023', 'dom']
  writeFileSync(
    join(folder, 'tsconfig.json'),
    JSON.stringify({
      ...config,
      compilerOptions: { lib, typeRoots: [resolve('node_modules/@types')] },
    }),
  )
  const tsc = resolve('node_modules/typescript/bin/tsc')
  const { stdout } = await run(process.execPath, [tsc, '-p', folder]).catch(
    (error: { stdout: string }) => error,
  )
  expect(stdout).toBe('')
}, 120_000)

test('every npm script that the documents name is there', () => {
  const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as {
    scripts: Record<string, string>
  }
  const texts = [...documents, 'CONTRIBUTING.md'].map((file) => readFileSync(file, 'utf8')).join()
  const named = [...texts.matchAll(/\bnpm (?:run ([\w:]+)|(start|test))\b/g)]
  expect(named.length).toBeGreaterThan(5)
  for (const [, script, short] of named) expect(scripts).toHaveProperty([(script ?? short)!])
})

test('every link inside the repository leads somewhere', () => {
  const pages = [
    ...documents,
    'README.zh-CN.md',
    'CONTRIBUTING.md',
    'CHANGELOG.md',
    'docs/architecture.md',
    'docs/growth.md',
    ...['decisions', 'lab', 'reference'].flatMap((name) =>
      readdirSync(`docs/${name}`)
        .filter((file) => file.endsWith('.md'))
        .map((file) => `docs/${name}/${file}`),
    ),
  ]
  const broken = pages.flatMap((page) =>
    [...readFileSync(page, 'utf8').matchAll(/\]\(([^)#\s]+)[^)]*\)/g)]
      .map(([, target]) => target!)
      .filter((target) => !/^\w+:/.test(target))
      .filter((target) => !existsSync(join(dirname(page), target)))
      .map((target) => `${page}: ${target}`),
  )
  expect(broken).toEqual([])
})
