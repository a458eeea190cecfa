import {
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { compare, inspect, load, save } from 'net2net'
import { encodeNpz } from 'net2net/data'
import { conv2d, residual, sequential } from 'net2net/layers'
import { GraphBuilder, withClasses } from 'net2net/model'
import { float32 } from 'net2net/tensor'
import { beforeAll, describe, expect, test } from 'vitest'
import { denseChain } from '../../../../bench/growth.ts'
import { net2net, teacherFile, temporaryFolder } from './net2net.ts'

const folder = temporaryFolder()
let teacher: string
beforeAll(async () => {
  teacher = await teacherFile(folder)
})
const at = (name: string) => join(folder, name)
const noCommand = (name: string) =>
  new RegExp(
    `^net2net: There is no command "${name}"; there are mnist, inspect, .* and help\\. Run`,
  )
const widths = async (file: string) =>
  Object.fromEntries(inspect(await load(file)).layers.map(({ name, width }) => [name, width]))

describe('a model of 300 MB', () => {
  test('is grown and checked within 512 MB', async () => {
    const [input, output, peak] = [at('large.onnx'), at('larger.onnx'), at('peak')]
    await save(denseChain(3e8, 3), input)
    const atExit = `process.on('exit', () => require('node:fs').writeFileSync(process.env.PEAK, String(process.resourceUsage().maxRSS)))`
    writeFileSync(at('peak.cjs'), atExit)
    const { code, out, err } = await net2net(['widen', input, 'dense0=x1.1', '-o', output], {
      env: { NODE_OPTIONS: `--require ${at('peak.cjs')}`, PEAK: peak },
    })
    expect(err).toBe('')
    expect(code).toBe(0)
    expect(out).toMatch(/Equal: every output agrees/)
    expect(statSync(output).size).toBeGreaterThan(3.1e8)
    expect(Number(readFileSync(peak, 'utf8')) * 1024).toBeLessThan(512e6)
    for (const file of [input, output]) rmSync(file)
  }, 120_000)
})

describe('extend', () => {
  const run = (...args: string[]) => net2net(['extend', teacher, ...args])

  test('adds classes and channels, checks that the old ones stay, and says how it found them', async () => {
    const output = at('extended.onnx')
    const { code, out, err } = await run(
      '--output',
      'output=+2',
      '--input',
      'input=1',
      '-o',
      output,
    )
    expect(err).toBe('')
    expect(code).toBe(0)
    expect(out).toMatch(/output output +1 +3 +5 +axis 1 holds the units of Gemm fc2/)
    expect(out).toMatch(
      /fc2\.bias +3 +5 +axis 0 copied, new entries the mean of the old ones minus 16\.64/,
    )
    expect(out).toMatch(
      /Kept: .* of the output "output" the first 3 of 5 entries of axis 1 are compared/,
    )
    expect(await compare(teacher, output)).toMatchObject({ equal: 'kept' })
    const check = await net2net(['check', teacher, output, '--json'])
    expect(check.code).toBe(0)
    expect(JSON.parse(check.out)).toMatchObject({
      equal: 'kept',
      kept: [
        { kind: 'input', name: 'input', entries: 2, of: 3 },
        { kind: 'output', name: 'output', entries: 3, of: 5 },
      ],
    })
    // What has fewer entries keeps nothing.
    expect((await net2net(['check', output, teacher])).code).toBe(1)
  })

  test('gives an input another size, and checks that at the old one nothing changes', async () => {
    const [map, output] = [at('map.onnx'), at('larger-map.onnx')]
    const layers = [
      conv2d(4, 3, { name: 'conv1', padding: 'same' }),
      conv2d(2, 3, { name: 'conv2' }),
    ]
    await save(sequential(layers, { input: [2, 8, 8], seed: 1 }), map)
    const { code, out, err } = await net2net(['extend', map, '--size', 'input=12x16', '-o', output])
    expect(err).toBe('')
    expect(code).toBe(0)
    expect(out).toMatch(/input input +3 +8 +16/)
    expect(out).toMatch(/output output +2 +6 +10/)
    expect(out).toMatch(/Equal: .*\nThat is with the old sizes of the inputs restored/)
    expect(inspect(await load(output)).outputs[0]).toMatchObject({
      shape: ['batch', 2, 10, 14],
    })
    const recipe = at('sizes.yaml')
    writeFileSync(
      recipe,
      'version: 1\nsteps:\n  - widen: { conv1: 6 }\n  - extend: { sizes: { input: 12x16 } }\n  - widen: { conv1: 9 }\n',
    )
    const both = await net2net(['grow', recipe, map, '-o', at('both.onnx')])
    expect(both.err).toBe('')
    expect(both.out).toMatch(/Equal: /)
    expect(await compare(output, at('both.onnx'))).toMatchObject({ equal: true })
  })

  test('names new classes, prints its plan as JSON, and does not overwrite', async () => {
    const named = at('named.onnx')
    await save(withClasses(await load(teacher), ['a', 'b', 'c']), named)
    const extend = (...args: string[]) =>
      net2net(['extend', named, '--output', 'output=+1', ...args])
    expect(await extend('--dry-run')).toMatchObject({
      code: 2,
      err: expect.stringMatching(
        /names its 3 classes: name the new one as well\. Give them with --names/,
      ),
    })
    const { code, out } = await extend(
      '--names',
      'd',
      '--start',
      'like:1',
      '--unlikely',
      '--dry-run',
      '--json',
    )
    expect(code).toBe(0)
    expect(JSON.parse(out)).toMatchObject({
      plan: {
        version: 3,
        classes: ['d'],
        declared: [{ kind: 'output', from: 3, to: 4 }],
        units: [{ init: 'added', map: [0, 1, 2, 1], split: [1, 1, 1, 0] }],
      },
    })
    expect(await extend('--names', 'd', '-o', named)).toMatchObject({ code: 2 })
    expect(inspect(await load(named)).classes).toEqual(['a', 'b', 'c'])
  })

  test.each([
    [['--output', 'output', '-o', 'x.onnx'], 2, /"output" is not NAME=\+N/],
    [
      ['--output', 'other=+1', '-o', 'x.onnx'],
      2,
      /There is no output "other"; the outputs are output/,
    ],
    [['--size', 'input', '-o', 'x.onnx'], 2, /"input" is not NAME=HxW; .* --size image=256x256/],
    [
      ['--size', 'input=99x99', '-o', 'x.onnx'],
      3,
      /cannot get another size .* Gemm fc1: it is for the old/,
    ],
    [['-o', 'x.onnx'], 2, /Nothing to extend was given/],
    [['--output', 'output=+1', '--start', 'big', '-o', 'x.onnx'], 2, /start must be one of/],
    [['--vocabulary', '+5', '-o', 'x.onnx'], 3, /The model has no vocabulary/],
    [['--positions', '+5', '-o', 'x.onnx'], 3, /no learned table of positions/],
  ] as const)('%j ends with %i', async (args, code, message) => {
    const { code: found, err } = await run(...args)
    expect(err).toMatch(message)
    expect(found).toBe(code)
  })
})

describe('widen', () => {
  test('writes a wider model that computes the same, and says so', async () => {
    const output = at('wider.onnx')
    const { code, out, err } = await net2net(['widen', teacher, 'conv1=11', 'fc1=x2', '-o', output])
    expect(err).toBe('')
    expect(code).toBe(0)
    expect(out).toMatch(/conv1 +6 +11 +net2wider/)
    expect(out).toMatch(/Parameters: 1,[\d,]+ → [\d,]+/)
    expect(out).toMatch(/Equal: every output agrees to 1e-5/)
    expect(await widths(output)).toEqual({ conv1: 11, conv2: 5, fc1: 14, fc2: 3 })
    expect(await compare(teacher, output)).toMatchObject({ equal: true })
  })

  test('with --json prints the plan, the parameters and the check, and nothing else', async () => {
    const { out, code } = await net2net(['widen', teacher, 'conv1=9', '-o', at('a.onnx'), '--json'])
    expect(code).toBe(0)
    const { plan, parameters, check } = JSON.parse(out)
    expect(plan.units[0]).toMatchObject({ members: ['conv1'], from: 6, to: 9 })
    expect(plan.units[0].map.slice(0, 6)).toEqual([0, 1, 2, 3, 4, 5])
    expect(parameters).toEqual({
      before: inspect(await load(teacher)).parameters,
      after: inspect(await load(at('a.onnx'))).parameters,
    })
    expect(check).toMatchObject({ equal: true, tolerance: 1e-5, outputs: [{ name: 'output' }] })
  })

  test('the same seed writes the same bytes, another seed others', async () => {
    const grown = async (name: string, seed: string) => {
      await net2net(['widen', teacher, 'conv1=13', '--seed', seed, '-o', at(name)])
      return readFileSync(at(name))
    }
    const [one, again, other] = await Promise.all([
      grown('s1.onnx', '7'),
      grown('s2.onnx', '7'),
      grown('s3.onnx', '8'),
    ])
    expect(one.equals(again)).toBe(true)
    expect(one.equals(other)).toBe(false)
  })

  test('--dry-run prints the plan and writes nothing', async () => {
    const before = readdirSync(folder).sort()
    const text = await net2net(['widen', teacher, 'conv1=9', '--dry-run'])
    expect(text.code).toBe(0)
    expect(text.out).toMatch(/conv1\.weight +6×2×3×3 +9×2×3×3/)
    expect(text.out).not.toMatch(/Written/)
    const json = await net2net(['widen', teacher, 'conv1=9', '--dry-run', '--json'])
    expect(Object.keys(JSON.parse(json.out))).toEqual(['plan', 'parameters'])
    expect(readdirSync(folder).sort()).toEqual(before)
  })

  test.each([
    ['random padding', ['--init', 'random-pad']],
    ['the noise of the paper', ['--noise', 'paper']],
  ])('%s changes the function on purpose: the difference is reported', async (name, flags) => {
    const output = at(`${name}.onnx`)
    const { code, out } = await net2net(['widen', teacher, 'conv1=9', '-o', output, ...flags])
    expect(code).toBe(0)
    expect(out).toMatch(/Different: .*\nThis initialization does not keep the function, on purpose/)
    expect(await compare(teacher, output)).toMatchObject({ equal: false })
  })

  test('checks on the inputs that it is given', async () => {
    const inputs = at('inputs.npz')
    const pixels = Float32Array.from({ length: 3 * 160 }, (_, i) => (i % 17) / 17)
    writeFileSync(inputs, encodeNpz(new Map([['input', float32([3, 2, 8, 10], pixels)]])))
    const { out, code } = await net2net([
      'widen',
      teacher,
      'conv1=9',
      '-o',
      at('given.onnx'),
      '--inputs',
      inputs,
      '--json',
    ])
    expect(code).toBe(0)
    expect(JSON.parse(out).check).toMatchObject({ equal: true, samples: 1 })
  })
})

test('deepen writes a deeper model that computes the same', async () => {
  const output = at('deeper.onnx')
  const { code, out } = await net2net(['deepen', teacher, 'conv2', 'fc1', '-o', output])
  expect(code).toBe(0)
  expect(out).toMatch(/conv2-deeper +conv2 +Conv/)
  expect(await widths(output)).toMatchObject({ conv2: 5, 'conv2-deeper': 5, 'fc1-deeper': 7 })
  expect(await compare(teacher, output)).toMatchObject({ equal: true })
  const random = at('random.onnx')
  await net2net(['deepen', teacher, 'fc1', '-o', random, '--init', 'random-init'])
  expect(await compare(teacher, random)).toMatchObject({ equal: false })
})

test('deepen --repeat copies residual blocks, alone or after layers', async () => {
  const block = (name: string) =>
    residual(
      [
        conv2d(3, 3, { name: `${name}.up`, padding: 'same', activation: 'relu' }),
        conv2d(4, 3, { name: `${name}.down`, padding: 'same' }),
      ],
      undefined,
      { name },
    )
  const model = sequential([conv2d(4, 3, { name: 'stem' }), block('h.0'), block('h.1')], {
    input: [1, 6, 5],
    seed: 4,
  })
  const [input, output] = [at('blocks.onnx'), at('repeated.onnx')]
  await save(model, input)
  const { code, out } = await net2net([
    'deepen',
    input,
    'stem',
    '--repeat',
    'h.*',
    '--copy',
    'stack',
    '-o',
    output,
  ])
  expect(code).toBe(0)
  expect(out).toMatch(
    /h\.0, h\.1 +\d+ +8 +h\.0_copy1\.down\.weight, h\.0_copy1\.down\.bias, h\.1_copy1/,
  )
  expect(out).toMatch(/Equal: every output agrees/)
  expect(Object.keys(await widths(output))).toEqual([
    'stem',
    'stem-deeper',
    ...['h.0', 'h.1', 'h.0_copy1', 'h.1_copy1'].flatMap((name) => [`${name}.up`, `${name}.down`]),
  ])
  const dry = await net2net([
    'deepen',
    input,
    '--repeat',
    'h.1.up',
    '--start',
    'identity',
    '--dry-run',
    '--json',
  ])
  expect(JSON.parse(dry.out).plan.repeated[0]).toMatchObject({
    blocks: ['h.1.up'],
    gates: [{ dims: [4, 1, 1] }],
  })
  expect(await net2net(['deepen', input, '--repeat', 'stem', '-o', at('none.onnx')])).toMatchObject(
    { code: 3 },
  )
  expect(
    await net2net(['deepen', input, 'stem', '--copy', 'stack', '-o', at('none.onnx')]),
  ).toMatchObject({ code: 2 })
  expect(await net2net(['deepen', input, '-o', at('none.onnx')])).toMatchObject({ code: 2 })
})

test('widen --kernel makes kernels larger, alone or with widths', async () => {
  const output = at('kernels.onnx')
  const args = [
    'widen',
    teacher,
    'fc1=9',
    '--kernel',
    'conv1=5',
    '--kernel',
    'conv2=3x7',
    '-o',
    output,
  ]
  const { code, out } = await net2net(args)
  expect(code).toBe(0)
  expect(out).toMatch(/conv1\.weight +6×2×3×3 +6×2×5×5 +conv1/)
  expect(out).toMatch(/fc1 +7 +9 +net2wider/)
  expect(out).toMatch(/Equal: every output agrees/)
  const dry = await net2net(['widen', teacher, '--kernel', 'conv*=5', '--dry-run', '--json'])
  expect(JSON.parse(dry.out).plan.kernels).toHaveLength(2)
  expect(await net2net(['widen', teacher, '--kernel', 'conv1=4', '--dry-run'])).toMatchObject({
    code: 2,
  })
  expect(await net2net(['widen', teacher, '--kernel', 'conv1', '--dry-run'])).toMatchObject({
    code: 2,
  })
  expect(await net2net(['widen', teacher, '--kernel', 'fc1=3', '--dry-run'])).toMatchObject({
    code: 3,
  })
})

test('shrink gives back what widen and deepen made', async () => {
  const [wide, deep, small] = [at('to-shrink.onnx'), at('to-shrink-2.onnx'), at('shrunk.onnx')]
  await net2net(['widen', teacher, 'conv1=12', 'fc1=x2', '--noise', 'none', '-o', wide])
  await net2net(['deepen', wide, 'fc1', '-o', deep])
  const { code, out } = await net2net(['shrink', deep, '-o', small])
  expect(code).toBe(0)
  expect(out).toMatch(/fc1-deeper +fc1-deeper/)
  expect(out).toMatch(/conv1 +12 +6 +merged/)
  expect(out).toMatch(/Equal: every output agrees/)
  expect(await widths(small)).toEqual(await widths(teacher))
  const nothing = await net2net(['shrink', teacher, '--dry-run'])
  expect(nothing).toMatchObject({ code: 0, out: expect.stringMatching(/^Nothing changes\./) })
})

test('inspect shows layers, and why one cannot grow', async () => {
  const { out, code } = await net2net(['inspect', teacher])
  expect(code).toBe(0)
  expect(out).toMatch(/conv1 +Conv +6 +yes +yes/)
  expect(out).toMatch(/fc2 cannot be widened: .*Softmax/)
  const json = JSON.parse((await net2net(['inspect', teacher, '--json'])).out)
  expect(json).toEqual(inspect(await load(teacher)))
  expect(json).toMatchObject({
    inputs: [{ name: 'input' }],
    outputs: [{ name: 'output' }],
    opset: 18,
    layers: [{ name: 'conv1', op: 'Conv', width: 6, widen: true, deepen: true }, {}, {}, {}],
  })
})

test('inspect says what a model without layers has instead', async () => {
  const graph = new GraphBuilder()
  graph.input('x', 'float32', ['n', 2])
  const [bytes] = graph.nodeOutputs('DynamicQuantizeLinear', ['x'], {}, { outputs: 3 })
  graph.output(graph.node('Cast', [bytes!], { to: 1 }), 'float32', ['n', 2])
  await save(graph.model(), at('quantized.onnx'))
  const { out, code } = await net2net(['inspect', at('quantized.onnx')])
  expect(code).toBe(0)
  expect(out).toMatch(/no layer with weights of its own: DynamicQuantizeLinear works on/)
})

test('check tells equal from different by its exit code', async () => {
  const other = at('other.onnx')
  await net2net(['widen', teacher, 'fc1=9', '--init', 'random-pad', '-o', other])
  const same = await net2net(['check', teacher, teacher, '--json'])
  expect([same.code, JSON.parse(same.out)]).toEqual([
    0,
    {
      equal: true,
      tolerance: 1e-5,
      samples: 4,
      outputs: [{ name: 'output', maxAbs: 0, maxRel: 0 }],
    },
  ])
  const different = await net2net(['check', teacher, other, '--json'])
  expect([different.code, JSON.parse(different.out).equal]).toEqual([1, false])
  expect((await net2net(['check', teacher, other, '--tolerance', '10'])).code).toBe(0)
})

test('check says what it cannot tell, and growth that keeps the function is proven all the same', async () => {
  const model = await load(teacher)
  // The outputs, whatever they are, become one and the same number.
  const graph = new GraphBuilder(model.graph)
  const [output] = model.graph.outputs
  const bounds = [5, 6].map((bound) => graph.constant(float32([], [bound])))
  graph.node('Clip', [output!.name, ...bounds], {}, { outputs: ['clipped'] })
  const clipped = { ...graph.graph(), outputs: [{ ...output!, name: 'clipped' }] }
  const [blind, padded, grown] = [at('blind.onnx'), at('padded.onnx'), at('grown.onnx')]
  await save({ ...model, graph: clipped }, blind)
  await net2net(['widen', blind, 'fc1=9', '--init', 'random-pad', '-o', padded])
  const { code, out } = await net2net(['check', blind, padded, '--json'])
  expect(code).toBe(1)
  expect(JSON.parse(out)).toMatchObject({ equal: null, outputs: [{ maxAbs: 0 }] })
  expect(JSON.parse(out).notExercised).toContain('fc1')
  const text = await net2net(['check', blind, padded])
  expect(text.out).toMatch(/Cannot tell: .*could have been overlooked: .*fc1/)
  expect(text.out).toMatch(/give them with --inputs/)
  const widened = await net2net(['widen', blind, 'fc1=9', '-o', grown])
  expect([widened.code, widened.err]).toEqual([0, ''])
  expect(widened.out).toMatch(/Equal: /)
})

test('a layer of a name with "=" is found', async () => {
  const { out, code, err } = await net2net(['widen', teacher, 'conv1=9=10', '--dry-run'])
  expect([out, code]).toEqual(['', 2])
  expect(err).toMatch(/no layer "conv1=9"/)
})

describe('bad input: one sentence, the right exit code, nothing half-written', () => {
  const cases: readonly (readonly [string, readonly string[], number, RegExp])[] = [
    [
      'an unknown layer',
      ['widen', '$T', 'konv1=9', '-o', '$O'],
      2,
      /no layer "konv1"; the layers are conv1, conv2, fc1, fc2\. Did you mean "conv1"\?/,
    ],
    [
      'an ambiguous layer',
      ['deepen', '$T', 'conv', '-o', '$O'],
      2,
      /"conv" could be any of the layers conv1, conv2/,
    ],
    [
      'a width that is not larger',
      ['widen', '$T', 'conv1=6', '-o', '$O'],
      2,
      /Conv conv1 has width 6; the new width must be larger, not 6/,
    ],
    [
      'a width beyond all bounds',
      ['widen', '$T', 'conv1=1000000000', '-o', '$O'],
      2,
      /conv1 cannot get width 1000000000; the largest is 16,777,216/,
    ],
    [
      'a layer called like a property of every object',
      ['widen', '$T', 'constructor=9', '-o', '$O'],
      2,
      /no layer "constructor"/,
    ],
    [
      'a width that is no number',
      ['widen', '$T', 'conv1=wide', '-o', '$O'],
      2,
      /"wide" is not a width/,
    ],
    ['no width', ['widen', '$T', 'conv1', '-o', '$O'], 2, /"conv1" is not LAYER=WIDTH/],
    ['a layer twice', ['widen', '$T', 'conv1=8', 'conv1=9', '-o', '$O'], 2, /conv1 is given twice/],
    [
      'a layer that cannot grow',
      ['widen', '$T', 'fc2=5', '-o', '$O'],
      3,
      /Gemm fc2 cannot be widened: .*Softmax/,
    ],
    ['no output', ['widen', '$T', 'conv1=9'], 2, /-o, or --dry-run/],
    [
      'an output that exists',
      ['widen', '$T', 'conv1=9', '-o', '$T'],
      2,
      /teacher\.onnx exists already; .*--force/,
    ],
    [
      'an output in no folder',
      ['widen', '$T', 'conv1=9', '-o', '/nowhere/x.onnx'],
      2,
      /its folder does not exist/,
    ],
    [
      'a model that is missing',
      ['widen', '/nowhere.onnx', 'conv1=9', '-o', '$O'],
      4,
      /\/nowhere\.onnx: there is no such file/,
    ],
    [
      'a file that is no model',
      ['inspect', 'package.json'],
      4,
      /package\.json is not an ONNX file: it is a text .* Networks are read from files of ONNX/,
    ],
    ['a folder', ['inspect', 'tools'], 4, /tools is a folder, and a network is a file/],
    ['a truncated model', ['inspect', '$BROKEN'], 4, /broken\.onnx: /],
    ['a truncated model to check', ['check', '$T', '$BROKEN'], 4, /broken\.onnx: /],
    [
      'inputs that are no archive',
      ['check', '$T', '$T', '--inputs', 'package.json'],
      4,
      /package\.json is not a whole NPZ/,
    ],
    [
      'inputs of another name',
      ['check', '$T', '$T', '--inputs', '$NPZ'],
      2,
      /no input x; it has input/,
    ],
    [
      'a model where the recipe belongs',
      ['grow', '$T', 'recipe.yaml', '-o', '$O'],
      2,
      /The recipe comes first, and .*teacher\.onnx is named as a model is\. Write: net2net grow RECIPE /,
    ],
    [
      'noise for copies that are not made',
      ['widen', '$T', 'conv1=9', '--init', 'random-pad', '--noise', 'paper', '-o', '$O'],
      2,
      /--init random-pad makes none: leave one of them away/,
    ],
    ['an unknown command', ['wide'], 2, noCommand('wide')],
    ['help for an unknown command', ['help', 'wide'], 2, noCommand('wide')],
    ['--help for an unknown command', ['wide', '--help'], 2, noCommand('wide')],
    ['options before the command', ['--seed', '3', 'widen'], 2, /unknown option '--seed'/],
    [
      'an unknown option',
      ['widen', '$T', 'conv1=9', '--sideways'],
      2,
      /unknown option '--sideways'/,
    ],
    ['a port that is none', ['serve', '--port', '99999'], 2, /It must be at most 65535/],
    ['an unknown choice', ['widen', '$T', 'conv1=9', '--noise', 'loud'], 2, /'loud' is invalid/],
    ['a seed that is no number', ['widen', '$T', 'conv1=9', '--seed', 'x'], 2, /'x' is invalid/],
    [
      'a missing argument',
      ['check', '$T'],
      2,
      /missing required argument 'b'\nRun "net2net check --help" for help/,
    ],
  ]
  const paths: Record<string, string> = {}
  beforeAll(() => {
    const whole = readFileSync(teacher)
    writeFileSync(at('broken.onnx'), whole.subarray(0, whole.length / 2))
    writeFileSync(at('other.npz'), encodeNpz(new Map([['x', float32([1], [1])]])))
    Object.assign(paths, {
      $T: teacher,
      $O: at('out/never.onnx'),
      $BROKEN: at('broken.onnx'),
      $NPZ: at('other.npz'),
    })
    mkdirSync(at('out'))
  })

  test.each(cases)('%s', async (_, args, code, message) => {
    const before = statSync(teacher).mtimeMs
    const result = await net2net(args.map((arg) => paths[arg] ?? arg))
    expect(result.err).toMatch(message)
    expect(result.err).not.toMatch(/\n\s+at /)
    expect(result.err.trim().split('\n').length).toBeLessThanOrEqual(3)
    expect(result).toMatchObject({ code, out: '' })
    expect(readdirSync(at('out'))).toEqual([])
    expect(statSync(teacher).mtimeMs).toBe(before)
  })

  test('with --json the error is the one JSON document', async () => {
    const { out, code } = await net2net(['widen', teacher, 'fc2=5', '-o', at('x.onnx'), '--json'])
    expect(code).toBe(3)
    expect(JSON.parse(out)).toMatchObject({ error: { kind: 'refused' } })
  })

  test('a growth is proven where it is, although the outputs are nothing but NaN', async () => {
    // The logarithm of a negative number: the outputs say nothing, but the layers that grew do.
    const graph = new GraphBuilder()
    graph.input('x', 'float32', ['n', 3])
    const weight = (name: string, dims: readonly number[]) =>
      graph.initializer(name, float32(dims, Array(12).fill(0.5)))
    const hidden = graph.node('Gemm', ['x', weight('w1', [3, 4])], {}, { name: 'a' })
    const logits = graph.node('Gemm', [hidden, weight('w2', [4, 3])], {}, { name: 'b' })
    const negative = graph.node('Neg', [graph.node('Exp', [logits])])
    graph.node('Log', [negative], {}, { outputs: ['y'] })
    graph.output('y', 'float32', ['n', 3])
    await save(graph.model(), at('nothing.onnx'))
    const widen = ['widen', at('nothing.onnx'), 'a=6', '--force', '--json']
    const proven = await net2net([...widen, '-o', at('proven.onnx')])
    expect(proven.code).toBe(0)
    expect(JSON.parse(proven.out).check).toMatchObject({ equal: true })
    const padded = await net2net([...widen, '-o', at('padded.onnx'), '--init', 'random-pad'])
    expect(JSON.parse(padded.out).check.equal).not.toBe(true)
  })

  test('an existing file is replaced with --force only', async () => {
    const copy = at('copy.onnx')
    copyFileSync(teacher, copy)
    expect((await net2net(['widen', teacher, 'conv1=9', '-o', copy])).code).toBe(2)
    expect((await net2net(['widen', copy, 'conv1=9', '-o', copy, '--force'])).code).toBe(0)
    expect(await widths(copy)).toMatchObject({ conv1: 9 })
  })
})

describe('help', () => {
  test('lists the commands', async () => {
    const { code, out, err } = await net2net(['--help'])
    expect([code, err]).toEqual([0, ''])
    for (const name of ['mnist', 'inspect', 'widen', 'deepen', 'check'])
      expect(out).toMatch(new RegExp(`^  ${name} `, 'm'))
  })
  test.each(['mnist', 'inspect', 'widen', 'deepen', 'check'])('%s has examples', async (name) => {
    const { code, out } = await net2net([name, '--help'])
    expect(code).toBe(0)
    expect(out).toMatch(new RegExp(`\\$ net2net ${name} `))
    expect(out).toMatch(/--json/)
  })
  test.each(['train', 'explore', 'widen', 'grow', 'extend', 'evaluate', 'rank'])(
    '%s has its many options in groups',
    async (name) => {
      const { out } = await net2net([name, '--help'])
      const groups = out.split(/^(?=\S.*:$)/m)
      const flagsOf = (heading: string) =>
        groups
          .filter((group) => group.startsWith(`${heading}:\n`))
          .flatMap((group) => group.match(/(?<=^ {2})-.*?(?= {2}|$)/gm) ?? [])
      expect(flagsOf('Options')).toEqual(['-h, --help'])
      expect(flagsOf('Output')).toContain('--json')
      expect(groups.filter((group) => group.includes('\n  -')).length).toBeGreaterThan(3)
    },
  )
  test('the version is the package’s', async () => {
    const { version } = JSON.parse(readFileSync('packages/net2net-cli/package.json', 'utf8'))
    expect((await net2net(['--version'])).out).toBe(`${version}\n`)
  })
})
