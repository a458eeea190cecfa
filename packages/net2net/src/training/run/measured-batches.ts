/** What sessions make of the batches of an evaluation. */
import { encodeModel } from '../../onnx/encode.ts'
import type { Feeds, Runtime, Session, SessionOptions } from '../../runtime/runtime.ts'
import { allocate, elementCount, float32, Tensor } from '../../tensor/tensor.ts'
import type { ApartEvaluation, EvaluationGraph } from '../compile/evaluation-graph.ts'
import { PREDICTION, WEIGHTS } from '../compile/forward-graph.ts'
import { type FedGraph, isBatch } from './feeds.ts'
import { throwIfAborted } from './interrupted.ts'
import { piecesOfRows } from './pieces.ts'

/** What was found for a batch. */
export interface MeasuredBatch {
  /** The mean over its predictions. */
  readonly loss: number
  readonly correct: number
  /** Where the graph gives it. It may be overwritten by that of the next batch. */
  readonly prediction: Tensor | undefined
}

export interface BatchMeasurer {
  measure(feeds: Feeds): Promise<MeasuredBatch>
  release(): Promise<void>
}

/**
 * @param fed what takes the data: the graph's own model, or one with other inputs
 * @param size of how many samples a run is, where the loss is apart: a batch may have several times as many
 */
export async function createMeasurer(
  graph: EvaluationGraph | ApartEvaluation,
  fed: FedGraph,
  size: number,
  options: {
    readonly runtime: Runtime
    readonly session?: SessionOptions | undefined
    readonly signal?: AbortSignal | undefined
  },
): Promise<BatchMeasurer> {
  const { runtime, signal } = options
  const session = await runtime.createSession(encodeModel(fed.model), options.session)
  if (!('measure' in graph)) return measurerOf(graph, session)
  try {
    const small = { device: 'cpu', threads: 1 } as const
    const loss = await runtime.createSession(encodeModel(graph.measure), small)
    return piecewiseMeasurer(graph, fed, size, session, loss, signal)
  } catch (error) {
    await session.release()
    throw error
  }
}

function measurerOf(
  { prediction, counts, outputs }: EvaluationGraph,
  session: Session,
): BatchMeasurer {
  const results = numbers(counts)
  return {
    async measure(feeds) {
      const given = await session.run(feeds, prediction === undefined ? results : outputs)
      return { ...read(given), prediction: given[prediction ?? ''] }
    },
    release: () => session.release(),
  }
}

/** Runs write their predictions below each other, and the loss of all is computed once. */
function piecewiseMeasurer(
  { prediction, width, counts }: ApartEvaluation,
  { model, inputs, target }: FedGraph,
  size: number,
  session: Session,
  loss: Session,
  signal: AbortSignal | undefined,
): BatchMeasurer {
  const types = new Map(model.graph.inputs.map(({ name, type }) => [name, type]))
  const isCut = new Map(inputs.map((name) => [name, isBatch(types.get(name), target)]))
  const results = numbers(counts)
  const piecesOf = piecesOfRows(size)
  let all: Tensor | undefined
  return {
    async measure(feeds) {
      const rows = feeds.target!.dims[0]!
      if (all?.dims[0] !== rows) {
        const dims = [rows, ...width]
        all = new Tensor('float32', dims, allocate('float32', elementCount(dims)))
      }
      for (const [i, piece] of piecesOf(all).entries()) {
        throwIfAborted(signal)
        const fed: Record<string, Tensor> = {}
        for (const name of inputs)
          fed[name] = isCut.get(name) ? piecesOf(feeds[name]!)[i]! : feeds[name]!
        await session.run(fed, { [prediction]: piece })
      }
      const { target, [WEIGHTS]: weights } = feeds
      await loss.run(
        { [PREDICTION]: all, target: target!, ...(weights && { [WEIGHTS]: weights }) },
        results,
      )
      return { ...read(results), prediction: all }
    },
    async release() {
      await session.release()
      await loss.release()
    },
  }
}

/** Where a run writes its loss and how many predictions are right. */
function numbers(counts: boolean): Feeds {
  const number = () => float32([], [0])
  return { loss: number(), ...(counts ? { correct: number() } : {}) }
}

const read = ({ loss, correct }: Feeds) => ({
  loss: Number(loss!.data[0]),
  correct: Number(correct?.data[0] ?? 0),
})
