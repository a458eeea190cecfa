import { readFileSync, writeFileSync } from 'node:fs'
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import { torchPython } from '../../testing/python.ts'
import { PythonProcess } from '../../testing/python-process.ts'
import { randomTensors } from '../../testing/random-tensors.ts'
import { temporaryFolder } from '../../testing/temporary-folder.ts'
import { float32, materialize, toNumbers } from '../tensor/tensor.ts'
import { entryOf } from './pickle.ts'
import { safetensorsParts } from './safetensors.ts'
import { readTorchFile, stateDictOf, torchFileParts } from './torch-file.ts'

const sized = (bytes: Uint8Array) => ({
  size: bytes.length,
  read: (at: number, length: number) => bytes.subarray(at, at + length),
})
const joined = (parts: ReturnType<typeof torchFileParts>) =>
  Buffer.concat(parts.map((part) => part.read(0, part.byteLength)))

describe.skipIf(!torchPython)('PyTorch files', () => {
  const at = temporaryFolder()
  const python = new PythonProcess(torchPython)
  afterAll(() => python.close())
  const open = (name: string) => readTorchFile(sized(readFileSync(at(name))), name)

  const saving = `
import torch
torch.manual_seed(0)
net = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 4))
tied = torch.nn.Linear(4, 4)
optimizers = {}
for kind, make in dict(sgd=lambda p: torch.optim.SGD(p, 0.1, momentum=0.9, nesterov=True),
                       adam=lambda p: torch.optim.AdamW(p, 1e-3, amsgrad=True),
                       adagrad=lambda p: torch.optim.Adagrad(p, 0.1)).items():
    o = make(net.parameters())
    net(torch.randn(8, 3)).square().mean().backward()
    o.step()
    optimizers[kind] = o.state_dict()
torch.save(net.state_dict(), "state.pt")
torch.save({"epoch": 3, "state_dict": net.state_dict(), "loss": 0.25, "optimizers": optimizers}, "checkpoint.pt")
shared = torch.arange(12.0)
torch.save({"view": shared[2:8].reshape(2, 3), "turned": shared.reshape(3, 4).t(), "tie": tied.weight, "tied": tied.weight,
            "half": torch.ones(2, dtype=torch.float16), "brain": torch.ones(2, dtype=torch.bfloat16),
            "count": torch.tensor(2**40), "none": torch.empty(0, 3), "flag": torch.tensor([True, False])}, "odd.pt")`

  it('are read: values, views, transposed and shared tensors', async () => {
    await python.script(saving, at())
    const odd = open('odd.pt')
    const tensor = (key: string) => odd.tensorOf(entryOf(odd.value, key))!
    expect(tensor('view').dims).toEqual([2, 3])
    expect(toNumbers(tensor('view'))).toEqual([2, 3, 4, 5, 6, 7])
    expect(toNumbers(tensor('turned'))).toEqual([0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11])
    expect(tensor('half').dtype).toBe('float16')
    expect(tensor('brain').dtype).toBe('bfloat16')
    expect(toNumbers(tensor('count'))).toEqual([2 ** 40])
    expect(tensor('none').dims).toEqual([0, 3])
    expect(toNumbers(tensor('flag'))).toEqual([1, 0])
    expect(tensor('tie')).toBe(tensor('tied'))
    expect([...stateDictOf(open('state.pt'), 'state.pt').keys()]).toEqual([
      '0.weight',
      '0.bias',
      '1.weight',
      '1.bias',
      '1.running_mean',
      '1.running_var',
      '1.num_batches_tracked',
      '2.weight',
      '2.bias',
    ])
    expect(stateDictOf(open('checkpoint.pt'), 'checkpoint.pt').size).toBe(9)
    expect(entryOf(open('checkpoint.pt').value, 'epoch')).toBe(3n)
    expect(entryOf(open('checkpoint.pt').value, 'loss')).toBe(0.25)
  }, 60_000)

  it('are written so that torch.load opens them with weights_only', async () => {
    await python.script(saving, at())
    for (const name of ['state', 'checkpoint', 'odd']) {
      const file = open(`${name}.pt`)
      writeFileSync(at(`${name}-again.pt`), joined(torchFileParts(file, () => undefined, name)))
    }
    const comparing = `
import torch
def same(a, b):
    assert type(a) is type(b) or isinstance(a, torch.Tensor), (type(a), type(b))
    if isinstance(a, torch.Tensor):
        assert a.dtype == b.dtype and a.shape == b.shape and torch.equal(a, b)
    elif isinstance(a, dict):
        assert list(a) == list(b), (list(a), list(b))
        for k in a: same(a[k], b[k])
        if hasattr(a, "_metadata"): assert a._metadata == b._metadata
    elif isinstance(a, (list, tuple)):
        assert len(a) == len(b)
        for x, y in zip(a, b): same(x, y)
    else:
        assert a == b, (a, b)
for name in ["state", "checkpoint", "odd"]:
    same(torch.load(name + ".pt", weights_only=True), torch.load(name + "-again.pt", weights_only=True))
odd = torch.load("odd-again.pt", weights_only=True)
assert odd["tie"].data_ptr() == odd["tied"].data_ptr()
print("ok")`
    expect((await python.script(comparing, at())).trim()).toBe('ok')
  }, 60_000)

  it('are written with other tensors in the place of some', async () => {
    await python.script(saving, at())
    const file = open('state.pt')
    const old = stateDictOf(file, 'state.pt').get('2.bias')
    const replaced = torchFileParts(
      file,
      (t) => (t === old ? float32([2, 1], [5, 7]) : undefined),
      'x',
    )
    writeFileSync(at('replaced.pt'), joined(replaced))
    const script = `
import torch
a, b = torch.load("state.pt"), torch.load("replaced.pt")
assert b["2.bias"].tolist() == [[5.0], [7.0]]
assert all(torch.equal(a[k], b[k]) for k in a if k != "2.bias")
print("ok")`
    expect((await python.script(script, at())).trim()).toBe('ok')
  }, 60_000)

  it('with any tensors are what PyTorch wrote', async () => {
    const samples = fc.sample(randomTensors, { numRuns: 10, seed: 2 })
    const script = `
import torch, sys
from safetensors.torch import load_file
for i in range(${samples.length}):
    torch.save({k: v.clone() for k, v in load_file(f"{i}.safetensors").items()}, f"{i}.pt")`
    for (const [i, tensors] of samples.entries())
      writeFileSync(
        at(`${i}.safetensors`),
        Buffer.concat(safetensorsParts(tensors).map((part) => part.read(0, part.byteLength))),
      )
    await python.script(script, at())
    for (const [i, tensors] of samples.entries()) {
      const file = open(`${i}.pt`)
      for (const [key, tensor] of tensors)
        expect(materialize(file.tensorOf(entryOf(file.value, key))!)).toEqual(materialize(tensor))
    }
  }, 60_000)

  it('of whole modules, of the old format and of code are refused, and nothing is executed', async () => {
    await python.script(
      `
import torch, pickle, zipfile, os
torch.save(torch.nn.Linear(2, 2), "module.pt")
torch.save({"a": torch.ones(1)}, "old.pt", _use_new_zipfile_serialization=False)
class Evil:
    def __reduce__(self): return (os.system, ("touch evil",))
with zipfile.ZipFile("evil.pt", "w") as z:
    z.writestr("evil/data.pkl", pickle.dumps(Evil(), 2))`,
      at(),
    )
    expect(() => open('module.pt')).toThrow(/module\.pt names "torch\.nn\.modules\.linear\.Linear"/)
    expect(() => open('old.pt')).toThrow(/old\.pt is not a zip archive/)
    expect(() => open('evil.pt')).toThrow(/evil\.pt names "posix\.system"/)
  }, 60_000)

  it('damaged at random end in one sentence', async () => {
    await python.script(saving, at())
    const whole = readFileSync(at('checkpoint.pt'))
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { minLength: 1, maxLength: 8 }),
        fc.option(fc.nat(whole.length)),
        (changes, length) => {
          const bytes = new Uint8Array(whole.subarray(0, length ?? whole.length))
          for (const [place, value] of changes) if (place < bytes.length) bytes[place] = value
          try {
            const file = readTorchFile(sized(bytes), 'a.pt')
            for (const tensor of stateDictOf(file, 'a.pt').values()) materialize(tensor)
            torchFileParts(file, () => undefined, 'a')
          } catch (error) {
            expect(error).toMatchObject({ name: 'Net2NetError', kind: 'input' })
          }
        },
      ),
      { numRuns: 3000 },
    )
  }, 120_000)
})
