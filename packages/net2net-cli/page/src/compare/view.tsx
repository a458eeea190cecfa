import { computed } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import { sourceTitle } from '../engine/sources.ts'
import { GraphView } from '../graph/graph.tsx'
import { NodeDetails } from '../grow/details.tsx'
import { sampleTitles } from '../grow/samples.ts'
import { setParams } from '../state.ts'
import { DropArea, FileButton } from '../ui/drop.tsx'
import { FailureNotice } from '../ui/failure.tsx'
import { brief } from '../ui/format.ts'
import { Verdict } from '../ui/verdict.tsx'
import {
  check,
  compared,
  comparing,
  failure,
  followAddress,
  number,
  openFiles,
  openSide,
  selected,
  sides,
} from './model.ts'

export function CompareView() {
  useEffect(followAddress, [])
  const result = compared.value
  return (
    <DropArea class="compare" onFiles={(files) => void openFiles(files)}>
      <h1 class="unseen">Compare two networks</h1>
      <section class="compare-files" aria-label="The two networks">
        <SideBox side="a" title="First" />
        <SideBox side="b" title="Second" />
      </section>
      <section class="compare-verdict" aria-label="Result" aria-live="polite">
        {failure.value === undefined ? <Facts /> : <FailureNotice failure={failure.value} />}
      </section>
      <section class="stage" aria-label="Graphs" aria-busy={comparing.value}>
        {result === undefined ? (
          <div class="empty">
            {comparing.value ? (
              <div class="spinner" aria-hidden="true" />
            ) : (
              <p>
                Open two networks, or drop both here: what is the same, changed or new is shown side
                by side.
              </p>
            )}
          </div>
        ) : (
          <GraphView
            diff={result.diff}
            layout={result.layout}
            labels={[result.before.name, result.after.name]}
            selected={selected}
            drawingKey={`compare ${number.value}`}
          />
        )}
        <Details />
      </section>
    </DropArea>
  )
}

function SideBox({ side, title }: { side: 'a' | 'b'; title: string }) {
  const current = sides[side].value
  return (
    <DropArea class="compare-side" onFiles={(files) => void openSide(side, files)}>
      <label class="field">
        <span>{title}</span>
        <select
          value={current}
          onChange={(event) => setParams({ [side]: event.currentTarget.value }, { push: true })}
        >
          <option value="">Choose, or drop a file here</option>
          {current === '' || current.startsWith('sample:') ? null : (
            <option value={current}>{sourceTitle(current)}</option>
          )}
          {sampleTitles.map(({ id, title: name }) => (
            <option key={id} value={`sample:${id}`}>
              {name}
            </option>
          ))}
        </select>
      </label>
      <FileButton
        label="Open…"
        name={`Open the ${title.toLowerCase()} file`}
        onFiles={(files) => void openSide(side, files)}
      />
    </DropArea>
  )
}

function Facts() {
  const state = check.value
  const result = compared.value
  if (result === undefined) return null
  const { before, after } = result
  return (
    <div class="row facts-row">
      {state === 'running' ? (
        <span class="badge">
          <span class="spinner" aria-hidden="true" /> measuring …
        </span>
      ) : state === undefined ? null : 'kind' in state ? (
        <span class="badge bad">
          <span aria-hidden="true">≠</span> {state.message}
        </span>
      ) : (
        <Verdict check={state} />
      )}
      <span class="number">
        <span class="muted">Parameters</span> {brief(before.parameters)} →{' '}
        <strong>{brief(after.parameters)}</strong>
      </span>
      <span class="number">
        <span class="muted">Nodes</span> {before.nodes.length} →{' '}
        <strong>{after.nodes.length}</strong>
      </span>
      <span class="number">
        <span class="muted">Opset</span> {before.opset} → <strong>{after.opset}</strong>
      </span>
    </div>
  )
}

const chosen = computed(() =>
  compared.value?.diff.nodes.find((node) => node.key === selected.value),
)

function Details() {
  const node = chosen.value
  const result = compared.value
  if (node === undefined || result === undefined) return null
  return (
    <NodeDetails
      key={node.key}
      node={node}
      of="comparison"
      before={result.before}
      after={result.after}
      version={result}
      onClose={() => {
        selected.value = undefined
      }}
    />
  )
}
