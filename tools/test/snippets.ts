/** The code in the documentation: found, and run as a reader would run it. */
import { execFile } from 'node:child_process'
import { readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { save } from 'net2net'
import { safetensorsParts } from 'net2net/bridges'
import { writeWhole } from 'net2net/files'
import { dense, sequential } from 'net2net/layers'
import { constantsOf } from 'net2net/model'
import { withClasses } from '../../packages/net2net/src/model/classes.ts'
import { bundle } from '../../packages/net2net/testing/bundle.ts'
import { mnistNetwork } from '../../packages/net2net-cli/src/mnist/networks.ts'
import { commandLine, temporaryFolder } from '../../packages/net2net-cli/test/cli/net2net.ts'

const run = promisify(execFile)

export interface Block {
  readonly language: string
  readonly text: string
}

/** The fenced blocks of a Markdown text, in their order. */
export const blocksOf = (markdown: string): readonly Block[] =>
  [...markdown.matchAll(/^```(\w*)\n(.*?)^```$/gms)].map(([, language, text]) => ({
    language: language!,
    text: text!,
  }))

/** The commands of a block of shell, without their comments. */
export const commandsIn = (text: string): readonly string[] =>
  text
    .replaceAll('\\\n', ' ')
    .split('\n')
    .map((line) => line.replace(/(^|\s)#.*/, '').trim())
    .filter((line) => line !== '')

/**
 * Commands that finish soon on small models. Of the others, the options are looked up in their help; those on files of PyTorch and
 * Keras are run by the tests of the bridge.
 */
const runnable =
  /^net2net (inspect|widen|deepen|grow|lora|merge|check|train|evaluate|predict|data) (?!.*(--data (fashion-)?mnist|--weights|\.keras\b))/

/** A folder with the files that the documents speak of, small. */
export async function folderOfReader(): Promise<string> {
  const folder = temporaryFolder()
  const flowers = sequential(
    [dense(8, { activation: 'relu', name: 'hidden' }), dense(3, { name: 'out' })],
    {
      input: [4],
    },
  )
  const network = sequential([dense(8, { activation: 'relu', name: 'fc1' }), dense(2)], {
    input: [3],
  })
  // As a training leaves it: with the names of its classes.
  const teacher = withClasses(mnistNetwork('teacher', 0), [...'0123456789'])
  await save(teacher, join(folder, 'teacher.onnx'))
  await save(flowers, join(folder, 'flowers.onnx'))
  await save(network, join(folder, 'network.onnx'))
  await writeWhole(join(folder, 'network.safetensors'), safetensorsParts(constantsOf(network)))
  const species = ['setosa', 'versicolor', 'virginica']
  const rows = Array.from({ length: 60 }, (_, i) => {
    const numbers = [5 + (i % 3) + (i % 7) / 10, 3 + (i % 5) / 10, 1.4 + 2 * (i % 3), 0.2 + (i % 3)]
    return [...numbers.map((number) => number.toFixed(1)), species[i % 3]].join(',')
  })
  const header = 'sepal length,sepal width,petal length,petal width,species'
  const table = (name: string, lines: readonly string[]) =>
    writeFileSync(join(folder, name), [header, ...lines, ''].join('\n'))
  table('flowers.csv', rows)
  for (const [i, month] of ['january', 'february', 'march'].entries())
    table(`${month}.csv`, rows.slice(20 * i, 20 * (i + 1)))
  writeFileSync(join(folder, 'package.json'), '{"type": "module"}')
  symlinkSync(resolve('node_modules'), join(folder, 'node_modules'))
  return folder
}

/**
 * Runs everything in a document that can be run, in its order and in one folder: commands, programs (blocks of
 * `ts`) and files (blocks whose first line is `# NAME.yaml`).
 *
 * @returns what each program printed
 */
export async function follow(document: string, folder: string): Promise<readonly string[]> {
  const outputs: string[] = []
  for (const { language, text } of blocksOf(readFileSync(document, 'utf8'))) {
    const file = /^# (\w+\.yaml)\n/.exec(text)?.[1]
    if (file !== undefined) writeFileSync(join(folder, file), text)
    if (language === 'ts') outputs.push(await runProgram(text, folder))
    if (language === 'sh') for (const command of commandsIn(text)) await runCommand(command, folder)
  }
  return outputs
}

async function runProgram(code: string, folder: string): Promise<string> {
  const file = join(folder, 'program.ts')
  // All of MNIST would take minutes.
  const fewer = '{ train: every.train.slice(0, 64), test: every.test.slice(0, 64) }'
  writeFileSync(
    file,
    code.replace(/^(.*)await loadMnist\(\)/m, `const every = await loadMnist()\n$1${fewer}`),
  )
  const program = await bundle(file, join(folder, 'program.mjs'))
  return (await run(process.execPath, [program], { cwd: folder })).stdout
}

async function runCommand(command: string, folder: string): Promise<void> {
  const [name, ...args] = command.split(/\s+/)
  if (name !== 'net2net') return
  if (runnable.test(command)) {
    await run(process.execPath, [...commandLine, ...args], { cwd: folder })
    return
  }
  const options = args.filter((word) => word.startsWith('--'))
  const { stdout } = await run(process.execPath, [...commandLine, args[0]!, '--help'])
  for (const option of options)
    if (!stdout.includes(`${option} `)) throw new Error(`${command}: there is no ${option}.`)
}
