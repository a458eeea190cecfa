/** State dicts and optimizer states of PyTorch, grown by plans that were made on exports of the same networks. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { bindEntries } from '../../src/bridges/bind.ts'
import { growEntries, growEntrySlots } from '../../src/bridges/grow-entries.ts'
import { optimizerSlots } from '../../src/bridges/optimizer-state.ts'
import { readTorchFile, stateDictOf, torchFileParts } from '../../src/bridges/torch-file.ts'
import { inspect, planWiden, type WidenOptions, type Widths } from '../../src/growth/index.ts'
import { load } from '../../src/onnx/file.node.ts'
import type { LazyTensor } from '../../src/tensor/tensor.ts'
import { torchPython } from '../../testing/python.ts'
import { PythonProcess } from '../../testing/python-process.ts'

const script = fileURLToPath(new URL('./torch_networks.py', import.meta.url))
let folder: string
const at = (name: string) => join(folder, name)
const interpreter = new PythonProcess(torchPython)
const python = (...args: string[]) => interpreter.file(script, folder, ...args)
const open = (name: string) => {
  const bytes = readFileSync(at(name))
  const source = {
    size: bytes.length,
    read: (from: number, length: number) => bytes.subarray(from, from + length),
  }
  return readTorchFile(source, name)
}
const write = (name: string, parts: ReturnType<typeof torchFileParts>) =>
  writeFileSync(at(name), Buffer.concat(parts.map((part) => part.read(0, part.byteLength))))

interface Loaded {
  readonly difference: number
  readonly losses: readonly [readonly number[], readonly number[]]
}

interface Case {
  readonly name: string
  readonly exported: string
  readonly grown: string
  /** New width by old width, and the argument of the network's class that it is. */
  readonly widths: readonly (readonly [from: number, to: number, argument: string])[]
  readonly options: WidenOptions
}

const growths: Readonly<Record<string, Case['widths']>> = {
  mlp: [
    [12, 17, 'hidden'],
    [9, 20, 'second'],
  ],
  conv: [
    [8, 13, 'stem'],
    [6, 10, 'inner'],
  ],
  attention: [[20, 33, 'inner']],
}
const cases: readonly Case[] = Object.entries(growths).flatMap(([name, widths]) =>
  ['', '-raw']
    .filter((kind) => kind === '' || name !== 'conv')
    .flatMap((kind) =>
      (['zero-sum', 'none'] as const).map((noise) => ({
        name,
        exported: `${name}${kind}.onnx`,
        grown: `${name}${kind}-${noise}`,
        widths,
        options: { seed: 3, noise },
      })),
    ),
)

/** Grows a network's state dict and optimizer state by a plan that is made on its export. */
async function grow({ name, exported, grown, widths, options }: Case): Promise<void> {
  const model = await load(at(exported))
  const { layers } = inspect(model)
  const asked = widths.map(([from, to]) => [layers.find(({ width }) => width === from)!.name, to])
  const plan = planWiden(model, Object.fromEntries(asked) as Widths, options)
  const file = open(`${name}.pt`)
  const entries = stateDictOf(file, name)
  const bindings = bindEntries(model, entries, { file: name })
  const after = growEntries(model, plan, bindings, entries, { file: name })
  const next = new Map([...entries].map(([key, tensor]) => [tensor, after.get(key)!]))
  write(
    `${grown}.pt`,
    torchFileParts(file, (tensor) => next.get(tensor), name),
  )
  const optimizer = open(`${name}-optimizer.pt`)
  const slots = optimizerSlots(optimizer, entries, { file: name })
  const nextSlots = new Map<LazyTensor, LazyTensor>()
  for (const kind of new Set(slots.map(({ slot }) => slot))) {
    const own = slots.filter(({ slot }) => slot === kind)
    const tensors = new Map(own.map(({ entry, tensor }) => [entry, tensor]))
    const { power } = own[0]!
    const result = growEntrySlots(model, plan, bindings, entries, tensors, power, { file: name })
    for (const { entry, tensor } of own) nextSlots.set(tensor, result.get(entry)!)
  }
  write(
    `${grown}-optimizer.pt`,
    torchFileParts(optimizer, (t) => nextSlots.get(t), name),
  )
}

describe.skipIf(!torchPython)('PyTorch state dicts', () => {
  let loaded: readonly Loaded[] = []
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'net2net-bridges-'))
    await python('make')
    for (const each of cases) await grow(each)
    const tasks = cases.map(({ name, grown, widths }) => ({
      name,
      grown,
      sizes: Object.fromEntries(widths.map(([, to, argument]) => [argument, to])),
    }))
    loaded = JSON.parse(await python('load', JSON.stringify(tasks))) as readonly Loaded[]
  }, 300_000)
  afterAll(() => {
    interpreter.close()
    rmSync(folder, { recursive: true, force: true })
  })

  test.each(cases.map(({ grown }, i) => [grown, i] as const))(
    '%s computes what the old network computed, and trains on from there',
    (_, i) => {
      const { difference, losses } = loaded[i]!
      expect(difference).toBeLessThan(1e-5)
      // The first loss is that of the same function; the next ones follow the same optimizer state.
      const [before, after] = losses
      before.forEach((loss, k) => {
        expect(Math.abs(after[k]! - loss)).toBeLessThan((k === 0 ? 1e-5 : 2e-3) * loss)
      })
    },
  )
})
