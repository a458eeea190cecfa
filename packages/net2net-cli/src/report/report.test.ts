import { mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import fc from 'fast-check'
import { save } from 'net2net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { mnistNetwork, widerWidths } from '../mnist/networks.ts'
import { distinctFolders, parseMetrics, readRun } from '../runs/read-run.ts'
import type { ArmRecord, RunRecord } from '../runs/run-record.ts'
import { reportHtml } from './report.ts'
import { answer } from './sentences.ts'
import { smoothed } from './smooth.ts'
import { writeReport } from './write-report.ts'

const arm = (name: string, losses: readonly number[], start?: number): ArmRecord => ({
  name,
  parameters: 1000,
  epochs: losses.map((valLoss, i) => ({
    epoch: i + 1,
    loss: valLoss * 0.9,
    accuracy: 0.9,
    valLoss,
    valAccuracy: 0.95,
    seconds: 10,
  })),
  ...(start === undefined ? {} : { initial: { valLoss: start, valAccuracy: 0.9 } }),
})
const run = (seed: number, shift = 0): RunRecord => ({
  name: `run-${seed}`,
  seed,
  arms: [
    arm('teacher', [0.0537, 0.0354]),
    arm('wider_random_pad', [0.032 + shift, 0.0317], 0.9),
    arm('wider_net2wider', [0.0271, 0.0274], 0.0356),
  ],
  steps: ['teacher', 'wider_random_pad', 'wider_net2wider'].flatMap((name) =>
    Array.from({ length: 50 }, (_, i) => ({ arm: name, step: 10 * (i + 1), loss: 1 / (i + 1) })),
  ),
  facts: [['Command', 'net2net mnist --seed <0> & more']],
})

describe('the report', () => {
  it('is one file: no script, no address elsewhere, nothing to load', async () => {
    const html = await reportHtml([run(0)])
    expect(html).not.toMatch(/<script|<link|<img|<iframe|@import|url\(/i)
    const addresses = html.match(/https?:\/\/[^"'\s<]+/g) ?? []
    expect(addresses.filter((url) => !url.startsWith('http://www.w3.org/'))).toEqual([])
    expect(html).toContain("default-src 'none'")
  })

  it("shows our figures with the published ones beside them, and each student's start", async () => {
    const html = await reportHtml([run(0)])
    const row = html.split('<tr>').find((part) => part.includes('Wider, Net2Wider</th>'))!
    const cells = [...row.matchAll(/<td[^>]*>([^<]*)/g)].map((match) => match[1])
    expect(cells).toEqual(['0.0356', '0.0271', '0.0274', '95.00%', '0.0271', '0.0274', '0.0270']) // prettier-ignore
  })

  it('shows how good a network is on what it did not learn, with names as text', async () => {
    const evaluation = {
      metrics: {
        accuracy: { value: 0.75, low: 0.3, high: 0.954321, interval: 'wilson' },
        auc: { value: Number.NaN },
      },
      perClass: [
        { class: 'a<b', precision: 1, recall: 0.5, f1: 2 / 3, support: 2 },
        { class: 'c', precision: 2 / 3, recall: 1, f1: 0.8, support: 2 },
      ],
      confusion: [
        [1, 1],
        [0, 2],
      ],
    } as const
    const evaluated = { ...arm('model', [0.5]), evaluation }
    const html = await reportHtml([{ ...run(0), arms: [evaluated] }])
    const section = html.split('On the validation data')[1]!.split('</section>')[0]!
    const cells = [...section.matchAll(/<(?:td|th scope="row")[^>]*>([^<]*)/g)].map(
      ([, text]) => text,
    )
    expect(cells).toEqual(
      [
        ['accuracy', '0.75', '0.3&#160;to 0.9543', 'Wilson', 'auc', '–', '–', ''],
        ['a&lt;b', '1', '0.5', '0.6667', '2', 'c', '0.6667', '1', '0.8', '2'],
        ['a&lt;b', '1', '1', 'c', '0', '2'],
      ].flat(),
    )
    expect(await reportHtml([run(0)])).not.toContain('On the validation data')
  })

  it('draws curves as SVG with a text for whoever cannot see them, told apart by dash too', async () => {
    const html = await reportHtml([run(0)])
    expect(html.match(/<figure class="chart">/g)).toHaveLength(3)
    for (const text of ['Validation loss of every arm', 'Training loss of every arm'])
      expect(html).toContain(`role="img" aria-label="${text}`)
    for (const colour of ['--series-1', '--series-2', '--series-3'])
      expect(html).toContain(`stroke="var(${colour})"`)
    expect(html).toMatch(/stroke-dasharray="6,3"/)
    expect(html).not.toContain('NaN')
  })

  it('escapes what comes from outside', async () => {
    const html = await reportHtml([
      { ...run(0), name: '<b>&', facts: [['Command', '<script>alert(1)</script>']] },
    ])
    expect(html).not.toContain('<script>')
    expect(html).toContain('&lt;script&gt;')
    expect(html).toContain('&lt;b&gt;&amp;')
  })

  it('says of several runs their means and ranges', async () => {
    const html = await reportHtml([run(0), run(1, 0.002)])
    expect(html).toContain('0.0330<small>0.0320&#160;to 0.0340</small>')
    expect(html).toContain('seeds 0, 1')
  })

  it('draws what grew: new units, and the layer that is new', async () => {
    const layers = (width: number) => [
      { name: 'conv1', op: 'Conv', width },
      { name: 'fc1', op: 'Gemm', width: 64 },
    ]
    const [teacher, pad] = run(0).arms
    const html = await reportHtml([
      {
        ...run(0),
        arms: [
          { ...teacher!, layers: layers(64) },
          {
            ...pad!,
            layers: [...layers(128), { name: 'fc1-deeper', op: 'Gemm', width: 64 }],
          },
        ],
      },
    ])
    expect(html).toContain('64 → 128')
    expect(html).toContain('+ 64')
    expect(html.match(/class="widened" x/g)).toHaveLength(1)
    expect(html.match(/class="inserted" x/g)).toHaveLength(1)
  })

  it('does without steps, without a teacher, with a run of one epoch', async () => {
    const html = await reportHtml([
      { ...run(0), steps: [], arms: [arm('wider_from_scratch', [0.1])] },
    ])
    expect(html).not.toContain('Training loss per step')
    expect(html).not.toContain('NaN')
  })

  it('does not speak of growth where a run was stopped before it', async () => {
    const html = await reportHtml([{ ...run(0), arms: [arm('teacher', [0.1])] }])
    expect(html).toContain('<h2>Learning</h2>')
    expect(html).not.toContain('At 0 the students begin')
  })

  it('shows of many epochs a few, the first and the last among them', async () => {
    const losses = Array.from({ length: 50 }, (_, i) => 1 / (i + 1))
    const html = await reportHtml([{ ...run(0), steps: [], arms: [arm('teacher', losses)] }])
    const heads = [...html.matchAll(/<th scope="col" class="number">(\d+)<\/th>/g)]
    expect(heads.map(([, epoch]) => Number(epoch))).toEqual([1, 8, 15, 22, 29, 36, 43, 50])
    expect(html).toContain('<td class="number">1.0000</td><td class="number">0.1250</td>')
  })

  it('explains the colours of networks that occur, and no others', async () => {
    const layers = [{ name: 'conv1', op: 'Conv', width: 64 }]
    const html = await reportHtml([{ ...run(0), arms: [{ ...arm('teacher', [0.1]), layers }] }])
    expect(html).toContain('units of the teacher')
    expect(html).not.toContain('new layers')
  })

  it("reports a training of somebody's own, without asking the experiment's question", async () => {
    const epochs = [1, 2].map((epoch) => ({ epoch, loss: 0.5 / epoch, seconds: 1 }))
    const own = { name: 'model', parameters: 41, epochs }
    const html = await reportHtml([{ ...run(0), arms: [own] }])
    expect(html).not.toContain('Does a student')
    expect(html).toContain('Training loss, arm by arm')
    expect(html).toContain('0.2500')
    expect(html).not.toContain('Validation')
  })

  it('refuses to report nothing', async () => {
    await expect(reportHtml([])).rejects.toMatchObject({ kind: 'usage' })
    await expect(reportHtml([{ ...run(0), arms: [] }])).rejects.toMatchObject({ kind: 'usage' })
  })
})

describe('the answer', () => {
  it('says ahead or behind, as the figures are', () => {
    expect(answer([run(0)])).toContain('ahead of its random baseline (0.0271 against 0.0320)')
    const worse = {
      ...run(0),
      arms: [arm('wider_random_pad', [0.02]), arm('wider_net2wider', [0.03])],
    }
    expect(answer([worse])).toContain('behind its random baseline (0.0300 against 0.0200)')
  })
  it('says where the data answer nothing', () => {
    expect(answer([{ ...run(0), arms: [arm('teacher', [0.1])] }])).toContain('cannot answer')
  })
})

describe('smoothing', () => {
  it('keeps a constant and damps noise', () => {
    for (const value of smoothed(Array(100).fill(3))) expect(value).toBeCloseTo(3, 10)
    const noisy = Array.from({ length: 400 }, (_, i) => (i % 2 === 0 ? 1 : -1))
    expect(Math.max(...smoothed(noisy).map(Math.abs))).toBeLessThan(0.4)
  })

  it('draws no drop and no rise between two curves that their values do not have', () => {
    const slope = fc.double({ min: -1, max: 1, noNaN: true })
    const lengths = fc.integer({ min: 12, max: 500 })
    fc.assert(
      fc.property(slope, lengths, lengths, (a, before, after) => {
        // One straight line, cut at the moment of growth, and each side smoothed by itself.
        const line = Array.from({ length: before + after }, (_, i) => 5 + a * i)
        const left = smoothed(line.slice(0, before))
        const right = smoothed(line.slice(before))
        expect(right[0]! - left.at(-1)!).toBeCloseTo(a, 6)
      }),
    )
    // Where both sides bend, and at both ends, no value lies outside of what the curve has.
    const bent = Array.from({ length: 300 }, (_, i) => 2.3 * Math.exp(-i / 6) + 0.05)
    for (const value of smoothed(bent)) {
      expect(value).toBeLessThanOrEqual(2.36)
      expect(value).toBeGreaterThanOrEqual(0.05)
    }
  })
})

describe('reading a run', () => {
  let folder: string
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'net2net-report-'))
    const { arms } = run(0)
    const [teacher, , wider] = arms
    await save(mnistNetwork('teacher', 0), join(folder, 'teacher.onnx'))
    await save(mnistNetwork('wider', 0, { widths: widerWidths }), join(folder, 'wider.onnx'))
    await writeFile(
      join(folder, 'results.json'),
      JSON.stringify({
        seed: 0,
        command: 'net2net mnist',
        finished: false,
        settings: { trainSize: 640 },
        arms: [
          { ...teacher, model: 'teacher.onnx' },
          { ...wider, model: 'wider.onnx', epochs: [{ ...wider!.epochs[0], loss: null }] },
        ],
      }),
    )
    await writeFile(
      join(folder, 'metrics.jsonl'),
      '{"arm":"teacher","step":10,"loss":0.5}\n{"arm":"teacher","step":20,"valLoss":1}\n{"arm":"tea',
    )
  })
  afterAll(() => rm(folder, { recursive: true }))

  it('takes figures, networks and steps, a torn last line left out', async () => {
    const record = await readRun(folder)
    expect(record.steps).toEqual([{ arm: 'teacher', step: 10, loss: 0.5 }])
    expect(record.arms[1]!.layers!.map((layer) => layer.width)).toEqual([128, 64, 128, 10])
    expect(record.arms[0]!.multiplyAdds).toBeGreaterThan(7e6)
    expect(record.arms[1]!.epochs[0]!.loss).toBeNaN()
    expect(record.facts).toContainEqual(['Finished', 'no: stopped before its end'])
    expect(record.facts).toContainEqual(['Train size', '640'])
  })

  it('writes the report beside it', async () => {
    const file = join(folder, 'report.html')
    await writeReport([folder], file)
    expect(await readFile(file, 'utf8')).toContain('Wider, Net2Wider')
    await expect(writeReport([folder], file)).rejects.toMatchObject({ kind: 'usage' })
  })

  it('is one run, whatever names it is given', async () => {
    const link = join(folder, 'link')
    await symlink(folder, link)
    const names = [
      `${folder}/`,
      folder,
      join(folder, '..', basename(folder)),
      link,
      'none',
      './none',
    ]
    expect(await distinctFolders(names)).toEqual([`${folder}/`, 'none'])
  })

  it('names the file and the field that are wrong', async () => {
    await expect(readRun(join(folder, 'nothing'))).rejects.toMatchObject({ kind: 'input' })
    const broken = await mkdtemp(join(tmpdir(), 'net2net-report-'))
    await writeFile(join(broken, 'results.json'), '{"seed":0,"arms":[{"name":7}]}')
    await expect(readRun(broken)).rejects.toThrow(/results\.json.*arms\.0\.name/)
    await rm(broken, { recursive: true })
  })

  it('reads metrics of any shape without a fault', () => {
    expect(parseMetrics('')).toEqual([])
    expect(parseMetrics('null\n[]\n7\n{"arm":1}\n')).toEqual([])
  })
})
