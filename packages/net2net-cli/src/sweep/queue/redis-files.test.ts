/** Files of trials in a Redis that several sweeps share. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { RedisFiles } from './redis-files.ts'

const hasRedis = spawnSync('redis-server', ['--version']).status === 0
describe.skipIf(!hasRedis)('files in Redis', () => {
  let folder: string
  let server: ChildProcess
  let redis: Redis
  let files: RedisFiles
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'net2net-redis-'))
    const socket = join(folder, 'socket')
    server = spawn('redis-server', ['--port', '0', '--unixsocket', socket, '--save', ''])
    await new Promise<void>((resolve) =>
      server.stdout!.on('data', (text) => {
        if (String(text).includes('ready to accept connections at')) resolve()
      }),
    )
    redis = new Redis({ path: socket })
    files = new RedisFiles(redis, 'queue')
  })
  afterAll(async () => {
    redis.disconnect()
    server.kill('SIGKILL')
    await rm(folder, { recursive: true })
  })
  const there = async (id: string) => (await redis.keys(`*:${id}:*`)).length

  test('a file that is too large says how to do without Redis', async () => {
    const file = join(folder, 'large')
    await writeFile(file, '')
    await truncate(file, 64 * 2 ** 20 + 1)
    await expect(files.upload('large', 'model', file)).rejects.toThrow(
      /large has 65 MiB, and no more than 64 travel .*--common-folder .*--folder DIR/,
    )
    expect(await there('large')).toBe(0)
  })

  test('stay until the last sweep that wants them lets go', async () => {
    await files.want(['one', 'both'], 'a')
    await files.want(['both'], 'b')
    for (const id of ['one', 'both'])
      for (const which of ['model', 'state', 'result'] as const)
        await files.putText(id, which, 'content')
    await files.release(['one', 'both'], 'a')
    expect(await there('one')).toBe(0)
    expect([...(await files.having(['one', 'both'], 'model'))]).toEqual(['both'])
    // Twice is as once, and another queue is another world.
    await files.release(['both'], 'a')
    await new RedisFiles(redis, 'other').release(['both'], 'b')
    expect(await files.get('both', 'result')).toEqual(Buffer.from('content'))
    await files.release(['both'], 'b')
    expect(await there('both')).toBe(0)
  })

  test('of a sweep that is followed again are wanted once', async () => {
    await files.want(['again'], 'a')
    await files.want(['again'], 'a')
    await files.putText('again', 'model', 'content')
    await files.release(['again'], 'a')
    expect(await there('again')).toBe(0)
  })
})
