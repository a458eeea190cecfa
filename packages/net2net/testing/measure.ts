/** Run as a program: loads a model (and saves it), and prints what that took as JSON. */
import { Net2NetError } from '../src/errors.ts'
import { load } from '../src/onnx/file.node.ts'
import { save } from '../src/onnx/save.node.ts'

const [from = '', to] = process.argv.slice(2)
const rss = () => process.resourceUsage().maxRSS * 1024
const before = rss()
const start = process.cpuUsage()
let error: string | undefined
try {
  const model = await load(from)
  if (to !== undefined) await save(model, to)
} catch (cause) {
  if (!(cause instanceof Net2NetError)) throw cause
  error = cause.message
}
const { user, system } = process.cpuUsage(start)
const seconds = (user + system) / 1e6
process.stdout.write(JSON.stringify({ error, seconds, before, after: rss() }))
