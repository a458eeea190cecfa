/** `net2net serve` and `net2net report`, as a shell sees them. */
import { spawn } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { commandLine, net2net } from './support.ts'

interface Outcome {
  readonly code: number
  readonly stderr: string
}
const failing = (args: readonly string[], cwd: string): Promise<Outcome> =>
  net2net(args, cwd).then(
    () => ({ code: 0, stderr: '' }),
    (error: Outcome) => error,
  )

describe('the commands', () => {
  let folder: string
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'net2net-commands-'))
  })
  afterAll(() => rm(folder, { recursive: true }))

  it('serve says where it is, answers, and ends on Ctrl-C', async () => {
    const child = spawn(process.execPath, [...commandLine, 'serve', '--port', '0'], { cwd: folder })
    const text = await new Promise<string>((resolve) => {
      child.stdout.once('data', (data: Buffer) => resolve(data.toString()))
    })
    const url = /http:\/\/127\.0\.0\.1:\d+\//.exec(text)![0]
    const page = await fetch(url)
    expect(page.status).toBe(200)
    expect(await page.text()).toContain('<title>net2net</title>')
    expect(await (await fetch(`${url}api/runs`)).json()).toMatchObject({ runs: [] })
    const ended = new Promise((resolve) => child.on('exit', resolve))
    child.kill('SIGINT')
    expect(await ended).toBe(0)
  })

  it('serve says that the port is taken, in a sentence', async () => {
    const other = createServer().listen(0, '127.0.0.1')
    await new Promise((resolve) => other.once('listening', resolve))
    const { port } = other.address() as AddressInfo
    const { code, stderr } = await failing(['serve', '--port', String(port)], folder)
    other.close()
    expect(code).toBe(2)
    expect(stderr).toContain(`Port ${port} is taken by another program. Choose another one`)
    expect(stderr).not.toContain('    at ')
  })

  it('serve says that the folder of runs is missing', async () => {
    const { code, stderr } = await failing(['serve', '--runs', 'nowhere'], folder)
    expect(code).toBe(4)
    expect(stderr).toContain('There is no folder nowhere.')
  })

  it('serve says that there is no such port', async () => {
    const { code, stderr } = await failing(['serve', '--port', '65536'], folder)
    expect(code).toBe(2)
    expect(stderr).toContain('It must be at most 65535.')
  })

  it('report makes a page of one run, and of several', async () => {
    const sizes = ['--epochs', '1', '--train-size', '64', '--test-size', '50']
    for (const seed of ['0', '1'])
      await net2net(
        ['mnist', ...sizes, '--arms', 'teacher', '--seed', seed, '-o', `seed-${seed}`],
        folder,
      )
    await rm(join(folder, 'seed-0', 'report.html'))
    await net2net(['report', 'seed-0'], folder)
    await net2net(['report', 'seed-0', 'seed-1', '-o', 'both.html'], folder)
    const title = async (file: string) =>
      /<h1>(.*)<\/h1>/.exec(await readFile(join(folder, file), 'utf8'))![1]
    expect(await title('seed-0/report.html')).toBe('Net2Net: seed 0')
    expect(await title('both.html')).toBe('Net2Net: 2 runs, seeds 0, 1')
    const { code, stderr } = await failing(['report', 'seed-0', '--target', '0.1'], folder)
    expect(code).toBe(2)
    expect(stderr).toContain('--target is for sweeps, and seed-0 holds none.')
  }, 120_000)

  it("report says that a folder is no run's", async () => {
    const { code, stderr } = await failing(['report', 'nowhere'], folder)
    expect(code).toBe(4)
    expect(stderr).toMatch(/nowhere.*no results\.json/)
  })
})
