import { readdir } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Adapter, chooseDevice, orOnCpu } from '../../page/src/train/device.ts'
import type { ChosenDevice, TrainEvent, TrainSettings } from '../../page/src/train/protocol.ts'
import { noBrowser, pageFolder, type Site, softwareAdapter, startSite } from './support.ts'

const found: Adapter = { name: 'acme one', software: false }

/** Chooses with an adapter and steps of these durations; says what was measured, too. */
async function choose(
  setting: TrainSettings['device'],
  adapter: Adapter | Error,
  times: Readonly<Record<'cpu' | 'webgpu', number | Error>> = { cpu: 4, webgpu: 2 },
) {
  const measured: string[] = []
  const chosen = await chooseDevice({
    setting,
    adapter: async () => {
      if (adapter instanceof Error) throw adapter
      return adapter
    },
    async measure(device) {
      measured.push(device)
      const time = times[device]
      if (time instanceof Error) throw time
      return time
    },
  })
  return { ...chosen, measured }
}

describe('the choice of the device', () => {
  it('takes the faster one and tells both times', async () => {
    const faster = await choose('auto', found)
    expect(faster.device).toBe('webgpu')
    expect(faster.reason).toBe('On WebGPU: 2 ms a step on WebGPU (acme one), 4 ms on the CPU.')
    expect(faster.measured).toEqual(['cpu', 'webgpu'])
    const slower = await choose('auto', found, { cpu: 4, webgpu: 5 })
    expect(slower.device).toBe('cpu')
    expect(slower.reason).toMatch(/^On the CPU: it is faster here: 5 ms .* 4 ms on the CPU\.$/)
    expect((await choose('auto', found, { cpu: 4, webgpu: 4 })).device).toBe('cpu')
  })

  it('stays on the CPU without measuring where WebGPU is absent or software', async () => {
    for (const [adapter, reason] of [
      [{ missing: 'this browser has no WebGPU' }, /no WebGPU/],
      [{ name: 'soft', software: true }, /software only \(soft\)/],
      [new Error('lost'), /WebGPU failed: lost/],
    ] as const) {
      const chosen = await choose('auto', adapter)
      expect(chosen.device).toBe('cpu')
      expect(chosen.reason).toMatch(reason)
      expect(chosen.measured).toEqual([])
    }
  })

  it('stays on the CPU where WebGPU fails, or gives no answer', async () => {
    const failed = await choose('auto', found, { cpu: 4, webgpu: new Error('Out of memory.') })
    expect(failed).toMatchObject({
      device: 'cpu',
      reason: 'On the CPU: WebGPU failed: Out of memory.',
    })
    const silent = await chooseDevice({
      setting: 'auto',
      adapter: async () => found,
      measure: (device) => (device === 'cpu' ? Promise.resolve(4) : new Promise(() => {})),
      patience: 20,
    })
    expect(silent).toMatchObject({ device: 'cpu', reason: expect.stringMatching(/no answer/) })
  })

  it('gives up on WebGPU where it is far behind after its first steps', async () => {
    const asked: boolean[] = []
    await chooseDevice({
      setting: 'auto',
      adapter: async () => found,
      async measure(device, goOn) {
        if (device === 'webgpu') for (const time of [900, 80, 30, 80]) asked.push(goOn(time))
        return device === 'cpu' ? 4 : 80
      },
    })
    expect(asked).toEqual([true, true, true, false])
  })

  it('does as it is told, where that is possible', async () => {
    expect(await choose('cpu', found)).toMatchObject({ device: 'cpu', measured: [] })
    expect(await choose('webgpu', found)).toMatchObject({ device: 'webgpu', measured: [] })
    const soft: Adapter = { name: 'soft', software: true }
    expect(await choose('webgpu', soft)).toMatchObject({ device: 'webgpu', measured: [] })
    expect(await choose('webgpu', { missing: 'none' })).toMatchObject({ device: 'cpu' })
  })

  it('starts again on the CPU what fails on WebGPU, and says so', async () => {
    const told: ChosenDevice[] = []
    const run = (fails: readonly string[], device: ChosenDevice['device']) =>
      orOnCpu(
        { device, reason: '' },
        async (chosen) => {
          if (fails.includes(chosen.device)) throw new Error(`The ${chosen.device} was lost.`)
          return chosen.device
        },
        (instead) => told.push(instead),
      )
    expect(await run([], 'webgpu')).toBe('webgpu')
    expect(told).toEqual([])
    expect(await run(['webgpu'], 'webgpu')).toBe('cpu')
    const reason = 'On the CPU: WebGPU failed and this network started again: The webgpu was lost.'
    expect(told).toEqual([{ device: 'cpu', reason }])
    await expect(run(['webgpu', 'cpu'], 'webgpu')).rejects.toThrow('The cpu was lost.')
    await expect(run(['cpu'], 'cpu')).rejects.toThrow('The cpu was lost.')
    expect(told).toHaveLength(2)
  })
})

interface Ran {
  readonly events: readonly TrainEvent[]
  /** Whether WebGPU's build of the runtime was fetched. */
  readonly fetched: boolean
}

/** What the page's own worker answers to a run, until it is done. */
async function run(site: Site, settings: Partial<TrainSettings>): Promise<Ran> {
  const assets = await readdir(join(pageFolder, 'assets'))
  const script = assets.find((name) => /^worker-.*\.js$/.test(name))!
  const page = await site.open('tab=train')
  let fetched = false
  page.context().on('request', (request) => {
    fetched ||= request.url().includes('asyncify')
  })
  const events = await page.evaluate(
    ([url, training]) =>
      new Promise<unknown[]>((resolve) => {
        const worker = new Worker(url, { type: 'module', name: 'train' })
        const all: { type: string }[] = []
        worker.onmessage = ({ data }) => {
          all.push(data)
          if (data.type === 'done' || data.type === 'failed') {
            worker.terminate()
            resolve(all)
          }
        }
        worker.postMessage({ type: 'run', settings: training, paused: false })
      }),
    [
      `assets/${script}`,
      {
        arms: ['teacher'],
        epochs: 1,
        images: 6,
        testImages: 2,
        batchSize: 2,
        teacherRate: 0.05,
        studentRate: 0.001,
        seed: 3,
        device: 'auto',
        ...settings,
      },
    ] as const,
  )
  await page.context().close()
  return { events: events as TrainEvent[], fetched }
}

const lossesOf = ({ events }: Ran) =>
  events.flatMap((event) =>
    event.type === 'steps'
      ? event.losses.map(({ loss }) => loss)
      : event.type === 'epoch'
        ? [event.result.valLoss]
        : [],
  )
const devicesOf = ({ events }: Ran) =>
  events.flatMap((event) => (event.type === 'device' ? [event] : []))

describe.skipIf(noBrowser)('the workers that train', () => {
  it('train students side by side, once their teacher is done', async ({ skip }) => {
    if (availableParallelism() < 2) skip()
    const site = await startSite()
    const students = ['wider_net2wider', 'deeper_net2deeper']
    const { events } = await run(site, { arms: students, images: 64, batchSize: 8, device: 'cpu' })
    await site.close()
    const at = (type: TrainEvent['type'], name: string) =>
      events.findIndex(
        (event) =>
          event.type === type &&
          ('arm' in event && (typeof event.arm === 'string' ? event.arm : event.arm.name)) === name,
      )
    expect(events.at(-1)!.type).toBe('done')
    for (const [i, student] of students.entries()) {
      expect(at('start', student)).toBeGreaterThan(at('epoch', 'teacher'))
      expect(at('start', student)).toBeLessThan(at('epoch', students[1 - i]!))
    }
  }, 120_000)
})

describe.skipIf(noBrowser)('training on WebGPU', () => {
  let site: Site
  beforeAll(async () => {
    site = await startSite(softwareAdapter)
  })
  afterAll(() => site.close())

  it('agrees with the CPU to 1e-3', async ({ annotate }) => {
    const cpu = await run(site, { device: 'cpu' })
    const webgpu = await run(site, { device: 'webgpu' })
    const expected = lossesOf(cpu)
    expect(expected).toHaveLength(4)
    const [device, ...others] = devicesOf(webgpu)
    expect(others).toEqual([])
    // A Chromium without that adapter must train on the CPU and say why.
    await annotate(device!.reason)
    const seen = lossesOf(webgpu)
    expect(cpu.fetched).toBe(false)
    expect(webgpu.fetched).toBe(device!.device === 'webgpu')
    if (device!.device === 'cpu') expect(device!.reason).toMatch(/^On the CPU: .*WebGPU/)
    expect(seen).toHaveLength(4)
    for (const [i, loss] of seen.entries())
      expect(Math.abs(loss - expected[i]!), `figure ${i}`).toBeLessThan(1e-3)
  }, 300_000)

  it('is not chosen where the adapter is software', async () => {
    const [device] = devicesOf(await run(site, {}))
    expect(device).toMatchObject({ device: 'cpu' })
  }, 60_000)
})
