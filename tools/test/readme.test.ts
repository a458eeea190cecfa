/** The README's examples are executed, word for word. */
import { execFile } from 'node:child_process'
import { readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { beforeAll, describe, expect, test } from 'vitest'
import { compare, inspect, load, save } from '../../packages/net2net/src/index.ts'
import { mnistNetwork } from '../../packages/net2net-cli/src/mnist/networks.ts'
import {
  commandLine,
  sources,
  temporaryFolder,
} from '../../packages/net2net-cli/test/cli/net2net.ts'

const readme = readFileSync('README.md', 'utf8')
const blocks = (language: string) =>
  [...readme.matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\``, 'gms'))].map(
    (match) => match[1]!,
  )
const run = promisify(execFile)
const folder = temporaryFolder()

beforeAll(() => save(mnistNetwork('teacher', 0), join(folder, 'teacher.onnx')))

describe('README', () => {
  test('the commands grow the teacher', async () => {
    const commands = blocks('sh')
      .flatMap((block) => block.split('\n'))
      .map((line) => line.replace(/#.*/, '').trim())
      .filter((line) => /^net2net (inspect|widen|deepen|check) /.test(line))
    expect(commands).toContain('net2net widen teacher.onnx conv1=128 fc1=96 -o wider.onnx')
    for (const command of commands) {
      const args = command.split(/\s+/).slice(1)
      await run(process.execPath, [...commandLine, ...args], {
        cwd: folder,
      })
    }
    const { layers } = inspect(await load(join(folder, 'wider.onnx')))
    expect(layers.map(({ width }) => width)).toEqual([128, 64, 96, 10])
  }, 120_000)

  test('the TypeScript does too', async () => {
    const [code] = blocks('ts')
    expect(code).toMatch(/from 'net2net'/)
    const file = join(folder, 'example.ts')
    writeFileSync(file, code!)
    writeFileSync(join(folder, 'package.json'), '{"type": "module"}')
    symlinkSync(resolve('node_modules'), join(folder, 'node_modules'))
    const { stdout } = await run(process.execPath, [...sources, file], { cwd: folder })
    expect(stdout).toMatch(/equal: true/)
    expect(await compare(join(folder, 'teacher.onnx'), join(folder, 'student.onnx'))).toMatchObject(
      { equal: true },
    )
  }, 120_000)
})
