/** Widens a layer of the model in one file and writes another; prints the milliseconds that this takes. */
import { load, save, widen } from 'net2net'

const [from = '', to = ''] = process.argv.slice(2)
const start = performance.now()
const model = await load(from)
const width = model.graph.initializers.get('dense4.weight').tensor.dims[1]
await save(widen(model, { dense4: Math.round(1.1 * width) }), to, { force: true })
const milliseconds = performance.now() - start
process.stdout.write(`${milliseconds}`)
