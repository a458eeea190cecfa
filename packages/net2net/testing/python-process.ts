/** One process of Python for many scripts: to load a framework takes longer than most of them. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { dirname } from 'node:path'
import { createInterface } from 'node:readline'
import { pythonEnvironment, quickExports } from './python.ts'

/** Runs each task as if it were the program; what native code prints goes to stderr. */
const loop = `
import contextlib, io, json, os, sys, traceback
sys.path.append(sys.argv[1])
import quick_exports
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
for line in sys.stdin:
    task = json.loads(line)
    printed = io.StringIO()
    try:
        os.chdir(task["folder"])
        sys.argv = [task.get("file", "-c"), *task["args"]]
        with contextlib.redirect_stdout(printed):
            if "file" in task:
                quick_exports.run(task["file"])
            else:
                exec(compile(task["script"], "script", "exec"), {"__name__": "__main__"})
        answer = {"printed": printed.getvalue()}
    except BaseException:
        answer = {"failed": traceback.format_exc()}
    answers.write(json.dumps(answer) + "\\n")
    answers.flush()
`

type Answer = { readonly printed: string } | { readonly failed: string }

interface Task {
  readonly folder: string
  readonly args: readonly string[]
  readonly file?: string
  readonly script?: string
}

export class PythonProcess {
  readonly #python: string | undefined
  #child: ChildProcessWithoutNullStreams | undefined
  #said = ''
  readonly #waiting: ((answer: Answer) => void)[] = []

  /** @param python the interpreter; it starts with the first script */
  constructor(python: string | undefined) {
    this.#python = python
  }

  /** Runs a script in a folder; its arguments follow. Returns what it printed. */
  script(script: string, folder: string, ...args: readonly string[]): Promise<string> {
    return this.#run({ script, folder, args })
  }

  /** The same for a script that is a file, which may import those beside it. */
  file(file: string, folder: string, ...args: readonly string[]): Promise<string> {
    return this.#run({ file, folder, args })
  }

  close(): void {
    this.#child?.kill()
  }

  async #run(task: Task): Promise<string> {
    const child = this.#child ?? this.#start()
    child.stdin.write(`${JSON.stringify(task)}\n`)
    const answer = await new Promise<Answer>((resolve) => this.#waiting.push(resolve))
    if ('failed' in answer) throw new Error(answer.failed)
    return answer.printed
  }

  #start(): ChildProcessWithoutNullStreams {
    const child = spawn(this.#python!, ['-c', loop, dirname(quickExports)], {
      env: pythonEnvironment,
    })
    this.#child = child
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#said = (this.#said + text).slice(-10_000)
    })
    createInterface(child.stdout).on('line', (line) => this.#waiting.shift()?.(JSON.parse(line)))
    child.on('close', () => {
      for (const resolve of this.#waiting.splice(0)) resolve({ failed: `It ended: ${this.#said}` })
    })
    return child
  }
}
