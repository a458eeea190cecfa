/**
 * A reporter of Vitest for CI: counts what passed, failed and was skipped, and says why, hooks and files that fail outside of their tests
 * included.
 */
import { appendFileSync, writeFileSync } from 'node:fs'
import type { Reporter, TestCase, TestModule } from 'vitest/node'

type Errors = readonly {
  readonly message: string
  readonly diff?: string | undefined
  readonly stack?: string | undefined
}[]

export default class FailuresReporter implements Reporter {
  readonly #counts = process.env.CI_COUNTS!
  readonly #failures = process.env.CI_FAILURES!
  #passed = 0
  #failed = 0
  #skipped = 0

  onTestRunEnd(modules: readonly TestModule[], unhandled: Errors): void {
    for (const module of modules) {
      this.#outside(module.moduleId, module.errors())
      for (const suite of module.children.allSuites())
        this.#outside(`${suite.fullName} (${module.moduleId})`, suite.errors())
      for (const test of module.children.allTests()) this.#test(test)
    }
    this.#outside('outside of all files', unhandled)
    writeFileSync(this.#counts, `${this.#passed} ${this.#failed} ${this.#skipped}\n`)
  }

  #test(test: TestCase): void {
    const { state, errors = [] } = test.result()
    if (state === 'passed') this.#passed++
    else if (state === 'failed') this.#failed++
    else this.#skipped++
    if (state !== 'passed') this.#say(state, `${test.fullName} (${test.module.moduleId})`, errors)
  }

  /** What fails before, between or after tests is none of them. */
  #outside(where: string, errors: Errors): void {
    if (errors.length === 0) return
    this.#failed++
    this.#say('failed', where, errors)
  }

  #say(state: string, where: string, errors: Errors): void {
    const reasons = errors.flatMap(({ message, diff = '', stack = '' }) => [
      message,
      diff,
      ...stack.split('\n').filter((line) => /^ +at /.test(line) && !line.includes('node_modules')),
    ])
    appendFileSync(this.#failures, `${state}: ${[where, ...reasons].join('\n')}\n`)
  }
}
