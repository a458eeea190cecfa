/**
 * The packed packages, as users get them: installed into an empty folder, imported in Node, bundled for browsers with Vite
 * and with esbuild, and computing in Chromium. `npm run build` comes first; NODES=22,24 imports in these versions too.
 */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import {
  cp,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { extname, join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { build as bundle } from 'esbuild'
import { type Browser, chromium } from 'playwright-core'
import { publint } from 'publint'
import { build as vite } from 'vite'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { executable } from '../../packages/net2net/testing/browser.ts'

const run = promisify(execFile)
const root = resolve('.')
const packages = ['net2net', 'net2net-cli'] as const
const node20 = process.execPath

let folder: string
/** The tarball of each package, and the files in it. */
const packed = new Map<string, { readonly file: string; readonly files: readonly string[] }>()
/** A folder with the library alone, and one with all that a user may install beside it. */
let bare: string
let full: string

const npm = (args: readonly string[], cwd: string) =>
  run('npm', [...args], { cwd, maxBuffer: 2 ** 26, shell: process.platform === 'win32' })
const install = (cwd: string, ...names: readonly string[]) =>
  npm(['install', '--prefer-offline', '--ignore-scripts', '--no-audit', '--no-fund', ...names], cwd)

async function emptyFolder(name: string): Promise<string> {
  const path = join(folder, name)
  await mkdir(path)
  await writeFile(join(path, 'package.json'), '{"private": true, "type": "module"}')
  return path
}

/** Runs a program in a folder; its output. */
async function node(cwd: string, program: string, command: readonly string[] = [node20]) {
  const file = join(cwd, 'program.js')
  await writeFile(file, program)
  const [binary, ...args] = command
  const { stdout } = await run(binary!, [...args, file], { cwd })
  return stdout.trim()
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'net2net-packages-'))
  for (const name of packages) {
    const source = join(root, 'packages', name)
    if (!existsSync(join(source, 'dist'))) throw new Error('Run "npm run build" first.')
    const tsx = join(root, 'node_modules/tsx/dist/cli.mjs')
    const prepack = join(root, 'tools/prepack.ts')
    await run(node20, [tsx, '--conditions=net2net-source', prepack], { cwd: source })
    const args = ['pack', '--ignore-scripts', '--json', '--pack-destination', folder]
    const [pack] = JSON.parse((await npm(args, source)).stdout) as {
      filename: string
      files: { path: string }[]
    }[]
    packed.set(name, {
      file: join(folder, pack!.filename),
      files: pack!.files.map(({ path }) => path),
    })
  }
  bare = await emptyFolder('bare')
  full = await emptyFolder('full')
  await install(bare, packed.get('net2net')!.file)
  const { devDependencies } = JSON.parse(await readFile('package.json', 'utf8')) as {
    devDependencies: Record<string, string>
  }
  const beside = ['onnxruntime-node', 'onnxruntime-web'].map(
    (name) => `${name}@${devDependencies[name]}`,
  )
  await install(full, ...packages.map((name) => packed.get(name)!.file), ...beside)
}, 600_000)

afterAll(() => rm(folder, { recursive: true, force: true }))

const entries = async (): Promise<readonly string[]> => {
  const manifest = await readFile(join(bare, 'node_modules/net2net/package.json'), 'utf8')
  const { exports } = JSON.parse(manifest) as { exports: Record<string, unknown> }
  return Object.keys(exports)
    .filter((name) => !/json$|\*/.test(name))
    .map((name) => name.replace('.', 'net2net'))
}

describe('the tarballs', () => {
  test('are small, and bring little', async () => {
    const { file, files } = packed.get('net2net')!
    expect((await stat(file)).size).toBeLessThan(700_000)
    const more = files.filter((name) => !/^dist\/.*\.(js|d\.ts)$/.test(name))
    expect(more.sort()).toEqual(['LICENSE', 'README.md', 'package.json', 'recipe.schema.json'])
    const lock = await readFile(join(bare, 'node_modules/.package-lock.json'), 'utf8')
    const { packages } = JSON.parse(lock) as { packages: Record<string, unknown> }
    expect(Object.keys(packages).length).toBeLessThanOrEqual(8)
  })

  test('have no tests, no source and no maps', () => {
    for (const { files } of packed.values())
      expect(files.filter((name) => /\.test\.|^src\/|\.map$|tsbuildinfo/.test(name))).toEqual([])
  })

  test('the schema of recipes is a JSON Schema', async () => {
    const schema = await node(
      bare,
      `import { createRequire } from 'node:module'
      const schema = createRequire(import.meta.url)('net2net/recipe.schema.json')
      console.log(Object.keys(schema.properties).join())`,
    )
    expect(schema).toBe('version,seed,steps')
  })
})

describe('what tools say', () => {
  test.each(packages)(
    'publint finds nothing in %s',
    async (name) => {
      const tarball = await readFile(packed.get(name)!.file)
      const { messages } = await publint({
        pack: { tarball: new Uint8Array(tarball).buffer },
        strict: true,
      })
      // ONNX Runtime's script beside the page is another's file.
      const ours = messages.filter(({ args }) => !JSON.stringify(args).includes('page/dist/ort'))
      expect(ours.map(({ code, path }) => `${code} ${path.join('.')}`)).toEqual([])
    },
    60_000,
  )

  test('are the types wrong? No', async () => {
    const attw = join(root, 'node_modules/@arethetypeswrong/cli/dist/index.js')
    const args = [attw, packed.get('net2net')!.file, '--profile', 'esm-only', '--format', 'json']
    const { stdout } = await run(node20, args, { maxBuffer: 2 ** 26 })
    const { analysis } = JSON.parse(stdout) as {
      analysis: { problems: { kind: string; resolutionKind?: string }[] }
    }
    const problems = analysis.problems.filter(
      ({ resolutionKind }) => resolutionKind !== 'node10' && resolutionKind !== 'node16-cjs',
    )
    expect(problems).toEqual([])
  }, 60_000)

  test.each([
    ['nodenext', ['--module', 'nodenext', '--lib', 'es2023', '--types', 'node']],
    [
      'bundler',
      [
        '--module',
        'esnext',
        '--moduleResolution',
        'bundler',
        '--lib',
        'es2023,dom',
        '--customConditions',
        'browser',
      ],
    ],
  ])(
    'strict TypeScript takes the declarations; resolution: %s',
    async (resolution, options) => {
      await writeFile(
        join(bare, 'user.ts'),
        `import { compare, inspect, type Model, widen${resolution === 'bundler' ? '' : ', save'} } from 'net2net'
      import { ArrayDataset } from 'net2net/data'
      import { trainGrowing } from 'net2net/growing'
      import { dense, sequential } from 'net2net/layers'
      import { inferShapes } from 'net2net/model'
      import { parseRecipe } from 'net2net/recipe'
      import { type Runtime, webRuntime } from 'net2net/runtime'
      import { float32 } from 'net2net/tensor'
      import { adam, train } from 'net2net/training'
      const model: Model = sequential([dense(4, { name: 'a' })], { input: [3] })
      const runtime: Runtime = webRuntime()
      export const isEqual: boolean | 'kept' | null = (await compare(model, widen(model, { a: 6 }), { runtime })).equal
      // @ts-expect-error an unknown option
      widen(model, { a: 6 }, { sede: 1 })
      // @ts-expect-error without an optimizer
      train(model, [], { loss: 'mse' })
      export { adam, ArrayDataset, float32, inferShapes, inspect, parseRecipe, trainGrowing }`,
      )
      const tsc = join(root, 'node_modules/typescript/bin/tsc')
      const roots = ['--typeRoots', join(root, 'node_modules/@types')]
      const strict = ['--strict', '--exactOptionalPropertyTypes', '--noUncheckedIndexedAccess']
      const args = [
        tsc,
        '--noEmit',
        '--target',
        'es2022',
        ...strict,
        ...options,
        ...roots,
        'user.ts',
      ]
      const { stdout } = await run(node20, args, { cwd: bare }).catch(
        (error: { stdout: string }) => error,
      )
      expect(stdout).toBe('')
    },
    60_000,
  )
})

describe('in Node', () => {
  const versions = (process.env.NODES ?? '').split(',').filter(Boolean)
  const commands = [
    [node20],
    ...versions.map((version) => ['npx', '-y', '-p', `node@${version}`, 'node']),
  ]

  test.each(commands.map((command) => [command.at(-2) ?? process.version, command] as const))(
    '%s, every entry is imported, without any other package',
    async (_, command) => {
      const names = await entries()
      expect(names.length).toBeGreaterThan(10)
      const program = `for (const name of ${JSON.stringify(names)})
        if (Object.keys(await import(name)).length === 0) throw new Error(name)
      console.log('all there')`
      expect(await node(bare, program, command)).toBe('all there')
    },
    300_000,
  )

  test('growing needs no runtime; a missing one is one sentence with what installs it', async () => {
    const program = `import { compare, inspect, widen } from 'net2net'
    import { dense, sequential } from 'net2net/layers'
    const model = sequential([dense(4, { name: 'a' }), dense(2)], { input: [3] })
    const wider = widen(model, { a: 6 })
    console.log(inspect(wider).layers[0].width)
    await compare(model, wider).catch(({ kind, message }) => console.log(kind, message))`
    expect(await node(bare, program)).toBe(
      '6\ninput Running models needs ONNX Runtime: npm install onnxruntime-node.',
    )
    const training = `import { dense, sequential } from 'net2net/layers'
    import { nodeRuntime, webRuntime } from 'net2net/runtime'
    import { sgd, train } from 'net2net/training'
    ${data}
    const model = sequential([dense(1)], { input: [2] })
    for (const runtime of [nodeRuntime, webRuntime()])
      try {
        const options = { loss: 'mse', optimizer: sgd({ learningRate: 1 }), runtime }
        for await (const _ of train(model, data, options));
      } catch ({ kind, message }) {
        console.log(kind, message)
      }`
    expect(await node(bare, training)).toBe(
      ['node', 'web']
        .map(
          (build) => `input Running models needs ONNX Runtime: npm install onnxruntime-${build}.`,
        )
        .join('\n'),
    )
  })

  test('it grows, checks and trains', async () => {
    const program = `${main('nodeRuntime')}\nconsole.log(JSON.stringify(await main(nodeRuntime)))`
    expect(JSON.parse(await node(full, program))).toEqual(outcome)
  }, 120_000)

  test('a start reads few files', async () => {
    const hook = join(full, 'hook.js')
    const load = `export async function load(url, context, next) {
      if (url.startsWith('file:')) (await import('node:fs')).writeSync(2, url + '\\n')
      return next(url, context)
    }`
    await writeFile(
      hook,
      `import { register } from 'node:module'
      register('data:text/javascript,' + encodeURIComponent(${JSON.stringify(load)}))`,
    )
    const model = join(full, 'model.onnx')
    const save = `import { save } from 'net2net'
    import { dense, sequential } from 'net2net/layers'
    await save(sequential([dense(4), dense(2)], { input: [3] }), ${JSON.stringify(model)})`
    await node(full, save)
    const read = async (...args: readonly string[]) => {
      const bin = join(full, 'node_modules/net2net-cli/bin/net2net.js')
      const { stderr } = await run(node20, ['--import', hook, bin, ...args], { cwd: full })
      const files = stderr.split('\n').filter((line) => line.startsWith('file:'))
      const sizes = await Promise.all(files.map(async (url) => (await stat(new URL(url))).size))
      return { files: files.length, kilobytes: sizes.reduce((sum, size) => sum + size, 0) / 1000 }
    }
    const help = await read('--help')
    expect(help.files).toBeLessThanOrEqual(3)
    expect(help.kilobytes).toBeLessThan(10)
    const inspect = await read('inspect', model)
    expect(inspect.files).toBeLessThanOrEqual(9)
    expect(inspect.kilobytes).toBeLessThan(660)
  }, 60_000)

  test('without them, sweeps over Redis name the packages that they need', async () => {
    const bin = join(full, 'node_modules/net2net-cli/bin/net2net.js')
    const args = [bin, 'worker', '--queue', 'redis://localhost:1']
    const failed = await run(node20, args, { cwd: full }).catch((error: unknown) => error)
    expect(failed).toMatchObject({
      code: 2,
      stderr:
        'net2net: Sweeps and explorations over Redis need two packages more: npm install bullmq ioredis.\n',
    })
  })
})

describe('in a browser', () => {
  /** What a user writes, and the folder that the bundle is served from. */
  const source = (folder: string) => join(folder, 'browser.js')
  const bundlers: Readonly<Record<string, (cwd: string, out: string) => Promise<unknown>>> = {
    vite: (cwd, out) =>
      vite({
        root: cwd,
        configFile: false,
        logLevel: 'error',
        build: {
          outDir: out,
          minify: false,
          rolldownOptions: { input: source(cwd), output: { entryFileNames: 'main.js' } },
        },
      }),
    esbuild: (cwd, out) =>
      bundle({
        entryPoints: { main: source(cwd) },
        absWorkingDir: cwd,
        bundle: true,
        splitting: true,
        format: 'esm',
        platform: 'browser',
        target: 'es2022',
        outdir: out,
        logLevel: 'silent',
      }),
  }
  let browser: Browser | undefined
  beforeAll(async () => {
    await writeFile(
      source(full),
      `${main('webRuntime')}
      main(webRuntime({ wasmPaths: new URL('/ort/', location).href, threads: 1 })).then(
        (found) => { document.title = JSON.stringify(found) },
        (error) => { document.title = String(error.stack) },
      )`,
    )
    if (executable !== undefined)
      browser = await chromium.launch({
        executablePath: executable,
        args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-background-networking'],
      })
  })
  afterAll(() => browser?.close())

  test.each(Object.keys(bundlers))(
    'a bundle of %s has no module of Node',
    async (name) => {
      const out = join(full, `bundle-${name}`)
      await bundlers[name]!(full, out)
      for (const text of await textsIn(out)) {
        expect(text).not.toMatch(/__vite-browser-external|from\s*["'](node:|fs["'])/)
        expect(text).not.toMatch(/onnxruntime-node/)
      }
    },
    120_000,
  )

  test.skipIf(executable === undefined).each(Object.keys(bundlers))(
    'the bundle of %s grows, checks and trains',
    async (name) => {
      const out = join(full, `bundle-${name}`)
      const wasm = join(full, 'node_modules/onnxruntime-web/dist')
      for (const ending of ['wasm', 'mjs'])
        await cp(
          join(wasm, `ort-wasm-simd-threaded.${ending}`),
          join(out, 'ort', `ort-wasm-simd-threaded.${ending}`),
        )
      await writeFile(join(out, 'index.html'), '<script type="module" src="/main.js"></script>')
      const server = createServer(async (request, response) => {
        const path = new URL(request.url!, 'http://host').pathname
        const file = join(out, path === '/' ? 'index.html' : path)
        const content = await readFile(file).catch(() => undefined)
        response.writeHead(content ? 200 : 404, { 'Content-Type': types[extname(file)] ?? '' })
        response.end(content)
      })
      await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
      const page = await browser!.newPage()
      try {
        await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`)
        await page.waitForFunction('document.title !== ""', undefined, { timeout: 60_000 })
        expect(JSON.parse(await page.title())).toEqual(outcome)
      } finally {
        await page.close()
        server.close()
      }
    },
    120_000,
  )

  test('sequential alone is small, in the bundles of both', async () => {
    const cwd = await emptyFolder('alone')
    await writeFile(
      join(cwd, 'main.js'),
      "import { sequential } from 'net2net/layers'\nsequential([])",
    )
    await symlink(join(bare, 'node_modules'), join(cwd, 'node_modules'))
    await vite({
      root: cwd,
      configFile: false,
      logLevel: 'error',
      build: { outDir: 'vite', rolldownOptions: { input: join(cwd, 'main.js') } },
    })
    await bundle({
      entryPoints: [join(cwd, 'main.js')],
      bundle: true,
      format: 'esm',
      minify: true,
      outdir: join(cwd, 'esbuild'),
    })
    for (const name of ['vite', 'esbuild']) {
      const texts = await textsIn(join(cwd, name))
      expect(texts.length).toBe(1)
      expect(texts[0]).toMatch(/a list of layers/)
      expect(texts[0]!.length, name).toBeLessThan(20_000)
    }
  }, 60_000)

  test('without onnxruntime-web, what computes nothing is bundled all the same', async () => {
    const cwd = await emptyFolder('growing')
    await writeFile(join(cwd, 'main.js'), "import { widen } from 'net2net'\nconsole.log(widen)")
    await symlink(join(bare, 'node_modules'), join(cwd, 'node_modules'))
    const main = join(cwd, 'main.js')
    await expect(
      bundle({
        entryPoints: [main],
        bundle: true,
        format: 'esm',
        write: false,
        logLevel: 'silent',
      }),
    ).resolves.toMatchObject({ errors: [] })
    await expect(
      vite({
        root: cwd,
        configFile: false,
        logLevel: 'silent',
        build: { write: false, rolldownOptions: { input: main } },
      }),
    ).resolves.toBeDefined()
  }, 60_000)
})

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.mjs': 'text/javascript',
  '.wasm': 'application/wasm',
}

async function textsIn(folder: string): Promise<readonly string[]> {
  const names = await readdir(folder, { recursive: true })
  return Promise.all(
    names
      .filter((name) => /\.m?js$/.test(name))
      .map((name) => readFile(join(folder, name), 'utf8')),
  )
}

/** Points of the plane, and the product of their coordinates. */
const data = `
import { ArrayDataset } from 'net2net/data'
const count = 256
const x = Float32Array.from({ length: 2 * count }, (_, i) => Math.sin(1.7 * i * i))
const y = Float32Array.from({ length: count }, (_, i) => x[2 * i] * x[2 * i + 1])
const data = new ArrayDataset(
  { input: { dtype: 'float32', dims: [2], data: x } },
  { dtype: 'float32', dims: [1], data: y },
)`

/** What the program finds, wherever it runs. */
const outcome = {
  width: 12,
  layers: 3,
  equal: true,
  seesDifference: true,
  learns: true,
  predicts: true,
  readiesBytes: true,
}

/** Grows a model, checks it, trains it, and predicts with it, as users in Node and in browsers write it. */
const main = (runtime: string) => `
import { compare, decodeModel, deepen, encodeModel, inspect, widen } from 'net2net'
import { dense, flatten, sequential } from 'net2net/layers'
import { ${runtime} } from 'net2net/runtime'
import { Tensor } from 'net2net/tensor'
import { adam, evaluate, predict, train } from 'net2net/training'
${data}
async function main(runtime) {
  const layers = [dense(8, { name: 'a', activation: 'relu' }), dense(1, { name: 'b' })]
  const teacher = decodeModel(encodeModel(sequential(layers, { input: [2], seed: 1 })))
  const student = deepen(widen(teacher, { a: 12 }, { seed: 1 }), ['a'])
  const other = sequential(layers, { input: [2], seed: 2 })
  const loss = 'mse'
  const training = train(student, data, { loss, optimizer: adam({ learningRate: 0.01 }), epochs: 5, runtime })
  for await (const _ of training);
  const before = await evaluate(teacher, data, { loss, runtime })
  const after = await evaluate(training.model, data, { loss, runtime })
  const found = inspect(student).layers
  const valuesOf = async (model, inputs) => {
    const values = []
    for await (const { outputs } of predict(model, inputs, { runtime, batchSize: 100 }))
      values.push(...outputs.output.values.data)
    return values
  }
  const predicted = await valuesOf(training.model, data)
  const squares = predicted.map((value, i) => (value - y[i]) ** 2)
  const mean = squares.reduce((sum, square) => sum + square, 0) / squares.length
  // Bytes of pictures become what they were in a training that normalized them.
  const preparation = { kind: 'pictures', fit: 'crop', mean: [0.5], deviation: [0.25] }
  const pictures = sequential([flatten(), dense(1)], { input: [1, 2, 2], seed: 3 })
  const known = { ...pictures, metadata: new Map([['net2net.preparation', JSON.stringify(preparation)]]) }
  const bytes = [0, 51, 153, 255]
  const floats = Float32Array.from(bytes, (byte) => (byte / 255 - 0.5) / 0.25)
  const [fromBytes] = await valuesOf(known, [{ inputs: { input: new Tensor('uint8', [1, 1, 2, 2], Uint8Array.from(bytes)) } }])
  const [fromFloats] = await valuesOf(known, [{ inputs: { input: new Tensor('float32', [1, 1, 2, 2], floats) } }])
  return {
    predicts: predicted.length === count && Math.abs(mean - after.loss) < 1e-5,
    readiesBytes: Math.abs(fromBytes - fromFloats) < 1e-5,
    width: found[0].width,
    layers: found.length,
    equal: (await compare(teacher, student, { runtime })).equal,
    seesDifference: !(await compare(teacher, other, { runtime })).equal,
    learns: after.loss < before.loss,
  }
}`
