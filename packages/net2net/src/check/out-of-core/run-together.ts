import type { Feeds } from '../../runtime/runtime.ts'
import { stoppable } from './abort.ts'
import type { Computation, RunOptions } from './computation.ts'
import { Peer } from './rendezvous.ts'
import { SliceRunner } from './sliced-node.ts'

type TogetherOptions = Pick<RunOptions, 'signal' | 'onProgress'> & {
  readonly [computation in 0 | 1]?: Pick<RunOptions, 'onOutput' | 'probe'>
}

/**
 * Runs two computations on the same samples, each at its own pace; a large weight that both have is
 * read by both at once, and where it is equal in both, multiplied once.
 */
export async function runTogether(
  a: Computation,
  b: Computation,
  samples: readonly Feeds[],
  { signal, onProgress, ...observers }: TogetherOptions = {},
): Promise<readonly [readonly Feeds[], readonly Feeds[]]> {
  return stoppable(signal, async (stop) => {
    const runner = new SliceRunner()
    const peers = Peer.pair((runs) => runner.run(runs, stop.signal))
    const shares = [0, 0]
    const run = async (computation: Computation, i: 0 | 1) => {
      const peer = peers[i]
      const show = (share: number) => {
        shares[i] = share
        onProgress?.((shares[0]! + shares[1]!) / 2)
      }
      try {
        const options = { signal: stop.signal, peer, onProgress: show, ...observers[i] }
        return await computation.run(samples, options)
      } catch (cause) {
        stop.abort(cause)
        throw cause
      } finally {
        peer.passed()
      }
    }
    const [first, second] = await Promise.allSettled([run(a, 0), run(b, 1)])
    if (first.status === 'fulfilled' && second.status === 'fulfilled')
      return [first.value, second.value] as const
    // Not the other's, which was but stopped by it.
    throw stop.signal.reason
  })
}
