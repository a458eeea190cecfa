/** The command line on files of Keras and PyTorch, as a user of these frameworks meets it. */
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { bundle } from '../../../net2net/testing/bundle.ts'
import { kerasPython, torchPython } from '../../../net2net/testing/python.ts'
import { PythonProcess } from '../../../net2net/testing/python-process.ts'
import { net2net, temporaryFolder } from './net2net.ts'

const script = (name: string) =>
  fileURLToPath(new URL(`../../../net2net/test/bridges/${name}`, import.meta.url))
const lastLine = (printed: string) => printed.trim().split('\n').at(-1)!

describe.skipIf(!kerasPython)('files of Keras', () => {
  const folder = temporaryFolder()
  const python = new PythonProcess(kerasPython)
  const at = (name: string) => join(folder, name)
  const made = ['make', '["example", "unet", "ftrl"]']
  beforeAll(() => python.file(script('keras_networks.py'), folder, ...made), 300_000)
  afterAll(() => {
    python.close()
    rmSync(folder, { recursive: true })
  })

  test('are inspected, widened, checked and converted', async () => {
    const inspected = await net2net(['inspect', at('example.keras'), '--json'])
    expect(JSON.parse(inspected.out).layers.map(({ name }: { name: string }) => name)).toEqual([
      'conv1',
      'conv2',
      'fc1',
      'fc2',
    ])
    const widened = await net2net([
      ...['widen', at('example.keras'), 'conv1=13', 'fc1=20'],
      ...['-o', at('wider.keras'), '--json'],
    ])
    expect(widened).toMatchObject({ code: 0 })
    expect(JSON.parse(widened.out).check).toMatchObject({ equal: true })
    const checked = await net2net(['check', at('example.keras'), at('wider.keras'), '--json'])
    expect(checked.code).toBe(0)
    expect(JSON.parse(checked.out)).toMatchObject({ equal: true })
    expect(await net2net(['convert', at('wider.keras'), at('wider.onnx')])).toMatchObject({
      code: 0,
    })
    const again = await net2net(['check', at('wider.keras'), at('wider.onnx')])
    expect(again).toMatchObject({ code: 0 })
    const loaded = `import keras; m = keras.models.load_model("wider.keras"); print(m.get_layer("conv1").filters, m.get_layer("fc1").units)`
    expect(lastLine(await python.script(loaded, folder))).toBe('13 20')
  }, 300_000)

  test('follow the guide, from the training in Keras to the training of the students', async () => {
    const guide = readFileSync(new URL('../../../../docs/guides/keras.md', import.meta.url), 'utf8')
    const blocks = [...guide.matchAll(/^```(\w+)\n(.*?)^```$/gms)]
    const code = (language: string) =>
      blocks.flatMap(([, of, text]) => (of === language ? [text!] : []))
    const [teacher, student] = code('python')
    const data =
      'import numpy as np; x = np.random.default_rng(0).random((32, 28, 28, 1)); y = np.eye(10)[np.arange(32) % 10]'
    const loss = (name: string) =>
      `print(float(${name}.evaluate(x, y, verbose=0, return_dict=True)["loss"]))`
    const lossOf = async (...lines: readonly string[]) =>
      Number(lastLine(await python.script(lines.join('\n'), folder)))
    const before = await lossOf(data, teacher!, loss('teacher'))
    for (const line of code('sh').flatMap((text) => text.split('\n'))) {
      const [name, ...args] = line.replace(/#.*/, '').trim().split(/\s+/)
      if (name !== 'net2net') continue
      // Several commands of the guide write one file.
      const paths = args.map((arg) => (/\.(keras|onnx)$/.test(arg) ? at(arg) : arg))
      const again = args.includes('-o') || args[0] === 'convert' ? ['--force'] : []
      expect(await net2net([...paths, ...again]), line).toMatchObject({ code: 0 })
    }
    for (const file of ['wider.keras', 'deeper.keras']) {
      const [load, ...others] = student!.replace('wider.keras', file).split('\n')
      const same = await lossOf('import keras', data, load!, loss('student'))
      expect(Math.abs(same - before)).toBeLessThan(1e-5)
      const after = await lossOf('import keras', data, load!, ...others, loss('student'))
      expect(after).toBeLessThan(before + 1e-3)
    }
  }, 300_000)

  test('follow recipes that widen and deepen, whose resolved form appears beside them', async () => {
    const recipe = at('recipe.yaml')
    writeFileSync(
      recipe,
      'version: 1\nsteps:\n  - widen: {conv1: 11}\n  - deepen: [conv1]\n  - widen: {conv1-deeper: 17, fc1: x2}\n',
    )
    const grown = await net2net(['grow', recipe, at('example.keras'), '-o', at('grown.keras')])
    expect(grown).toMatchObject({ code: 0 })
    expect(grown.out).toMatch(/Equal/)
    expect(readdirSync(folder)).toContain('grown.keras.recipe.yaml')
  }, 120_000)

  test.each([
    [
      'a sum of two ways in a sequence',
      ['deepen', 'example.keras', 'fc1', '--block', 'residual', '-o', 'x.keras'],
      3,
      /"fc1-deeper" would be a sum of two ways, which a Sequential model cannot have\. Build/,
    ],
    [
      'state that does not grow',
      ['deepen', 'ftrl.keras', 'fc', '-o', 'x.keras'],
      3,
      /"Ftrl" .* cannot be grown.*include_optimizer=False/,
    ],
    [
      'the other format',
      ['widen', 'example.keras', 'fc1=x2', '-o', 'x.h5'],
      2,
      /ends with \.keras/,
    ],
    ['a file of Keras from ONNX', ['widen', 'wider.onnx', 'fc1=x2', '-o', 'x.keras'], 2, /is none/],
    [
      'a state dict beside it',
      ['widen', 'example.keras', 'fc1=x2', '-o', 'x.keras', '--weights', 'a.pt'],
      2,
      /--weights goes with ONNX/,
    ],
    ['what exists', ['widen', 'example.keras', 'fc1=x2', '-o', 'example.h5'], 2, /./],
    [
      'conversion into Keras',
      ['convert', 'example.keras', 'y.keras'],
      2,
      /convert writes ONNX files only/,
    ],
  ] as const)(
    'refuse %s in one sentence',
    async (_, args, code, message) => {
      const paths = args.map((arg) => (/\.(keras|h5|onnx|pt)$/.test(arg) ? at(arg) : arg))
      const result = await net2net(paths)
      expect(result.code).toBe(code)
      expect(result.err).toMatch(message)
      expect(result.err).not.toMatch(/\n\s+at /)
      expect(existsSync(at('x.keras'))).toBe(false)
    },
    60_000,
  )
})

const torch = new PythonProcess(torchPython)
afterAll(() => torch.close())

describe.skipIf(!torchPython)('state dicts of PyTorch', () => {
  const folder = temporaryFolder()
  const at = (name: string) => join(folder, name)
  beforeAll(() => torch.file(script('torch_networks.py'), folder, 'make'), 300_000)
  afterAll(() => rmSync(folder, { recursive: true }))
  const widen = (...args: readonly string[]) =>
    net2net(['widen', at('mlp.onnx'), 'node_linear=x2', ...args])

  test('grow beside the model, with the state of the optimizer', async () => {
    const state = ['--weights', at('mlp.pt'), '--optimizer', at('mlp-optimizer.pt')]
    expect(await widen('-o', at('wider.onnx'), ...state)).toMatchObject({ code: 0 })
    const cases = JSON.stringify([{ name: 'mlp', grown: 'wider', sizes: { hidden: 24 } }])
    const [loaded] = JSON.parse(
      await torch.file(script('torch_networks.py'), folder, 'load', cases),
    )
    expect(loaded.difference).toBeLessThan(1e-5)
    const [before, after] = loaded.losses as number[][]
    before!.forEach((loss, k) => {
      expect(Math.abs(after![k]! - loss)).toBeLessThan(2e-3 * loss)
    })
  }, 300_000)

  test('that do not say which parameter is which are refused, and nothing is written', async () => {
    const state = ['--weights', at('mlp.safetensors'), '--optimizer', at('mlp-optimizer.pt')]
    const refused = await widen('-o', at('no.onnx'), ...state)
    expect(refused.code).toBe(3)
    expect(refused.err).toMatch(/does not say which of its 6 parameters is which\. Give the names/)
    expect(readdirSync(folder).filter((name) => name.startsWith('no'))).toEqual([])
    const names = [
      '--names',
      'body.0.weight,body.0.bias,body.2.weight,body.2.bias,head.weight,head.bias',
    ]
    expect(await widen('-o', at('yes.onnx'), ...state, ...names)).toMatchObject({ code: 0 })
  }, 120_000)

  test('of another state of training are refused', async () => {
    const other = `import torch; s = torch.load("mlp.pt"); s["head.bias"] += 1; torch.save(s, "other.pt")`
    await torch.script(other, folder)
    const refused = await widen('-o', at('other.onnx'), '--weights', at('other.pt'))
    expect(refused.code).toBe(3)
    expect(refused.err).toMatch(
      /"head\.bias" of .*other\.pt and of the model differ in their numbers/,
    )
  }, 120_000)
})

describe.skipIf(!torchPython)('folders of transformers', () => {
  const folder = temporaryFolder()
  const at = (name: string) => join(folder, name)
  const guide = readFileSync(
    fileURLToPath(new URL('../../../../docs/guides/hugging-face.md', import.meta.url)),
    'utf8',
  )
  const blocks = (language: string) =>
    [...guide.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, 'gms'))].map(
      ([, text]) => text!,
    )
  const [make, open] = blocks('python')
  beforeAll(() => torch.script(make!, folder), 300_000)
  afterAll(() => rmSync(folder, { recursive: true }))
  const hf = (...args: readonly string[]) =>
    net2net(['hf', at('gpt2'), '--onnx', at('gpt2.onnx'), ...args])

  test('grow as the guide says, word for word', async () => {
    writeFileSync(at('mapping.yaml'), blocks('yaml')[0]!)
    const commands = blocks('sh').flatMap((text) => text.trim().split('\n'))
    for (const command of commands) {
      const args = command.replace(/#.*/, '').trim().split(/\s+/).slice(1)
      const isPath = (i: number) => i === 1 || /^(--onnx|-o|--mapping)$/.test(args[i - 1]!)
      const outcome = await net2net(args.map((arg, i) => (isPath(i) ? at(arg) : arg)))
      expect(outcome).toMatchObject({ code: 0, err: '' })
      expect(outcome.out).toMatch(/Equal/)
    }
    const printed = await torch.script(open!, folder)
    const differences = printed.trim().split('\n').map(Number)
    expect(differences).toHaveLength(4)
    for (const difference of differences) expect(difference).toBeLessThan(1e-5)
    const program = join(folder, 'program.ts')
    writeFileSync(at('package.json'), '{"type": "module"}')
    symlinkSync(
      fileURLToPath(new URL('../../../../node_modules', import.meta.url)),
      at('node_modules'),
    )
    writeFileSync(program, blocks('ts')[0]!)
    const out = execFileSync(process.execPath, [await bundle(program, at('program.mjs'))], {
      cwd: folder,
      encoding: 'utf8',
    })
    expect(out).toMatch(/field: 'n_inner'.*after: 384/s)
    expect(readdirSync(at('gpt2-larger'))).toContain('config.json')
  }, 300_000)

  test('say what they do as one JSON document, or as a plan', async () => {
    const { code, out } = await hf('--ffn', 'x2', '--layers', '+1', '-o', at('json'), '--json')
    expect(code).toBe(0)
    const document = JSON.parse(out)
    expect(document).toMatchObject({
      config: [
        { field: 'n_inner', before: null, after: 384 },
        { field: 'n_layer', before: 2, after: 3 },
      ],
      layers: { 'transformer.h.2': 'transformer.h.1' },
      check: { equal: true },
      files: ['model.safetensors', 'generation_config.json', 'config.json'],
    })
    const dry = await hf('h.0.mlp.c_fc=x2', 'h.1.mlp.c_fc=x2', '--dry-run')
    expect(dry.out).toMatch(/n_inner\s+not set\s+384/)
    expect(existsSync(at('dry'))).toBe(false)
  }, 120_000)

  test.each([
    ['what exists', ['--ffn', 'x2', '-o', 'gpt2'], 2, /give another one/],
    ['uneven plans', ['h.0.mlp.c_fc=x2', '-o', 'x'], 3, /one n_inner for all layers/],
    ['tied embeddings', ['--hidden', 'x2', '--heads', 'x2', '-o', 'x'], 3, /--untie/],
    ['sizes and layers', ['h.0.mlp.c_fc=x2', '--ffn', 'x2', '-o', 'x'], 2, /not given together/],
    ['no mapping', ['--ffn', 'x2', '--mapping', 'none.yaml', '-o', 'x'], 4, /none\.yaml/],
  ] as const)(
    'refuse %s in one sentence',
    async (_, args, code, message) => {
      const paths = args.map((arg, i) =>
        /^(-o|--mapping)$/.test(args[i - 1] ?? '') ? at(arg) : arg,
      )
      const result = await hf(...paths)
      expect(result.code).toBe(code)
      expect(result.err).toMatch(message)
      expect(result.err).not.toMatch(/\n\s+at /)
      expect(existsSync(at('x'))).toBe(false)
    },
    60_000,
  )
})
