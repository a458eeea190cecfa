/** Copying beside other work. Node only. */
import fs from 'node:fs'
import { Worker } from 'node:worker_threads'
import { type CopyFailure, type CopyTask, copyRange } from './copy-range.ts'

/** Bytes from which on a thread is worth its start. */
const WORTH_A_THREAD = 2 ** 28

/** The program of the thread. It is a text, so that compilers and bundlers need not know of a second file. */
const program = `
  const fs = require('node:fs')
  const { parentPort } = require('node:worker_threads')
  const copyRange = ${copyRange}
  parentPort.on('message', (task) => parentPort.postMessage(copyRange(fs, task)))
`

/** Copies one range after the other: on a thread of its own where there is much to copy. */
export class Copier {
  readonly #thread: Worker | undefined
  /** Tasks that the thread has not ended yet, in order. */
  readonly #open: { resolve: (failure?: CopyFailure) => void; reject: (cause: Error) => void }[] =
    []

  /** For about so many bytes in all. */
  constructor(byteLength: number) {
    if (byteLength < WORTH_A_THREAD) return
    this.#thread = new Worker(program, { eval: true, execArgv: [] })
    this.#thread.on('message', (failure?: CopyFailure) => this.#open.shift()?.resolve(failure))
    this.#thread.on('error', (cause) => {
      for (const { reject } of this.#open.splice(0)) reject(cause)
    })
  }

  /** Several tasks may wait for the thread. */
  async copy(task: CopyTask): Promise<CopyFailure | undefined> {
    const thread = this.#thread
    if (!thread) return copyRange(fs, task)
    return new Promise((resolve, reject) => {
      this.#open.push({ resolve, reject })
      thread.postMessage(task)
    })
  }

  async end(): Promise<void> {
    await this.#thread?.terminate()
  }
}
