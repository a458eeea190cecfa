/** What ONNX Runtime's blocked image layout looks like on this machine. */
import { GraphBuilder } from '../model/builder.ts'
import { encodeModel } from '../onnx/encode.ts'
import { float32 } from '../tensor/tensor.ts'
import type { Runtime } from './runtime.ts'

const domain = 'com.microsoft.nchwc'
const channels = 64
const known = new WeakMap<Runtime, Promise<number>>()

/**
 * How many channels the runtime's CPU holds together (16 with AVX-512, 8 with AVX), or 1 where it
 * has no such layout. Found by looking at where it puts an element; asked once per runtime.
 */
export function channelBlock(runtime: Runtime): Promise<number> {
  if (!runtime.blockedImages) return Promise.resolve(1)
  let block = known.get(runtime)
  if (!block) {
    block = measure(runtime).catch(() => 1)
    known.set(runtime, block)
  }
  return block
}

async function measure(runtime: Runtime): Promise<number> {
  const builder = new GraphBuilder()
  const x = builder.input('x', 'float32', [1, channels, 1, 2])
  builder.nodeOutputs('ReorderInput', [x], {}, { domain, outputs: ['y'] })
  builder.output('y', 'float32', [1, channels, 1, 2])
  const model = builder.model()
  const bytes = encodeModel({ ...model, opsets: new Map([...model.opsets, [domain, 1]]) })
  const session = await runtime.createSession(bytes, { device: 'cpu', threads: 1 })
  try {
    const numbers = Float32Array.from({ length: 2 * channels }, (_, i) => i)
    const { y } = await session.run({ x: float32([1, channels, 1, 2], numbers) })
    // The second pixel of channel 0 comes after the first pixels of all channels of its block.
    const block = Array.from(y!.data, Number).indexOf(1)
    const expected = (i: number) => {
      const [group, rest] = [Math.floor(i / (2 * block)), i % (2 * block)]
      return (group * block + (rest % block)) * 2 + Math.floor(rest / block)
    }
    return block > 1 && y!.data.every((value: number | bigint, i: number) => value === expected(i))
      ? block
      : 1
  } finally {
    await session.release()
  }
}
