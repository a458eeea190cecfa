import { useEffect } from 'preact/hooks'
import type { OpenedModel } from '../engine/protocol.ts'
import { sourceTitle } from '../engine/sources.ts'
import { GraphView } from '../graph/graph.tsx'
import { DropArea, FileButton } from '../ui/drop.tsx'
import { FailureNotice } from '../ui/failure.tsx'
import { brief, bytes, plural } from '../ui/format.ts'
import { Details } from './details.tsx'
import { LayerList } from './layers.tsx'
import {
  busy,
  followAddress,
  growFailure,
  grown,
  modelParam,
  opened,
  openedBy,
  openFailure,
  openFiles,
  openSample,
  selected,
} from './model.ts'
import { Options } from './options.tsx'
import { Outcome } from './outcome.tsx'
import { sampleTitles } from './samples.ts'

export function GrowView() {
  useEffect(followAddress, [])
  const model = opened.value
  const result = grown.value
  const current = modelParam.value
  return (
    <DropArea class="grow" onFiles={(files) => void openFiles(files)}>
      <h1 class="unseen">Grow a network</h1>
      <section class="side" aria-label="Model and growth">
        <div class="pad stack">
          <div class="row">
            <label class="field grow-model">
              <span>Network</span>
              <select
                value={current}
                onChange={(event) => {
                  const { value } = event.currentTarget
                  if (value.startsWith('sample:')) openSample(value.slice('sample:'.length))
                }}
              >
                {current.startsWith('sample:') ? null : (
                  <option value={current}>{model?.view.name ?? sourceTitle(current)}</option>
                )}
                {sampleTitles.map(({ id, title }) => (
                  <option key={id} value={`sample:${id}`}>
                    {title}
                  </option>
                ))}
              </select>
            </label>
            <div class="grow-open">
              <FileButton label="Open files…" onFiles={(files) => void openFiles(files)} />
            </div>
          </div>
          <p class="muted small">
            {model === undefined ? (
              busy.value ? (
                'Reading …'
              ) : (
                'Or drop files anywhere here: ONNX (with weights of PyTorch beside it) or Keras. They stay in this browser.'
              )
            ) : (
              <>
                {plural(model.view.nodes.length, 'node')}, {brief(model.view.parameters)}{' '}
                parameters, {bytes(model.view.bytes)}, opset {model.view.opset}
                {besideText(model)}. Drop another file anywhere; it stays in this browser.
              </>
            )}
          </p>
        </div>
        {model === undefined ? null : (
          <>
            {openFailure.value === undefined ? null : (
              <div class="pad">
                <FailureNotice failure={openFailure.value} />
              </div>
            )}
            <LayerList layers={model.layers} />
            {model.layers.length === 0 ? null : <Options />}
          </>
        )}
      </section>
      <section class="stage" aria-label="Graph" aria-busy={busy.value}>
        {model === undefined ? (
          <div class="empty">
            {busy.value ? (
              <div class="spinner" aria-hidden="true" />
            ) : openFailure.value === undefined ? (
              <p>No network is open.</p>
            ) : (
              <div class="stack">
                <FailureNotice failure={openFailure.value} />
                <FileButton label="Open a file…" onFiles={(files) => void openFiles(files)} />
              </div>
            )}
          </div>
        ) : (
          <GraphView
            diff={result?.diff ?? model.diff}
            layout={result?.layout ?? model.layout}
            labels={result ? ['Before', 'After'] : [model.view.name]}
            selected={selected}
            drawingKey={drawingKey(openedBy.value, result !== undefined, result?.diff.nodes.length)}
          />
        )}
        <Details />
      </section>
      {model === undefined ? null : (
        <section class="outcome" aria-label="Result">
          {growFailure.value === undefined ? (
            <Outcome />
          ) : (
            <FailureNotice failure={growFailure.value} />
          )}
        </section>
      )}
    </DropArea>
  )
}

/** What grows along. */
function besideText({ weights, optimizer }: OpenedModel): string {
  const names = [weights, optimizer].filter((name) => name !== undefined)
  return names.length === 0
    ? ''
    : `; ${names.join(' and ')} grow${names.length === 1 ? 's' : ''} along`
}

/** Widening moves nothing; another model, a second pane or an inserted layer does. */
const drawingKey = (number: number, two: boolean, nodes = 0) => `${number} ${two} ${nodes}`
