import { useEffect } from 'preact/hooks'
import { sourceTitle } from '../engine/sources.ts'
import { GraphView } from '../graph/graph.tsx'
import { NodeDetails } from '../grow/details.tsx'
import { sampleTitles } from '../grow/samples.ts'
import { setParams } from '../state.ts'
import { said, t } from '../text/text.ts'
import { DropArea, FileButton } from '../ui/drop.tsx'
import { FailureNotice } from '../ui/failure.tsx'
import { count } from '../ui/format.ts'
import { Verdict } from '../ui/verdict.tsx'
import { Changes } from './changes.tsx'
import {
  cancel,
  check,
  compared,
  comparing,
  expand,
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
      <h1 class="unseen">{t('Compare two networks')}</h1>
      <section class="compare-files" aria-label={t('The two networks')}>
        <SideBox side="a" title={t('First')} />
        <SideBox side="b" title={t('Second')} />
      </section>
      <section class="compare-verdict" aria-label={t('Result')} aria-live="polite">
        {failure.value === undefined ? <Facts /> : <FailureNotice failure={failure.value} />}
        <Changes />
      </section>
      <section class="stage" aria-label={t('Graphs')} aria-busy={comparing.value}>
        {result === undefined ? (
          <div class="empty">
            {comparing.value ? (
              <div class="stack">
                <div class="spinner" aria-hidden="true" />
                <button type="button" class="late" onClick={cancel}>
                  {t('Cancel')}
                </button>
              </div>
            ) : (
              <p>
                {t(
                  'Open two networks, or drop both here: what is the same, changed or new is shown side by side.',
                )}
              </p>
            )}
          </div>
        ) : (
          <GraphView
            of="comparison"
            drawing={result.drawing}
            onExpand={expand}
            labels={[result.before.name, result.after.name]}
            selected={selected}
            drawingKey={`compare ${number.value} ${result.drawing.nodes.length}`}
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
          <option value="">{t('Choose, or drop a file here')}</option>
          {current === '' || current.startsWith('sample:') ? null : (
            <option value={current}>{sourceTitle(current)}</option>
          )}
          {sampleTitles.map(({ id, title: name }) => (
            <option key={id} value={`sample:${id}`}>
              {t(name)}
            </option>
          ))}
        </select>
      </label>
      <FileButton
        label={t('Open…')}
        name={side === 'a' ? t('Open the first file') : t('Open the second file')}
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
          <span class="spinner" aria-hidden="true" /> {t('measuring …')}
        </span>
      ) : state === undefined ? null : 'kind' in state ? (
        <span class="badge bad">
          <span aria-hidden="true">≠</span> {said(state.message)}
        </span>
      ) : (
        <Verdict check={state} />
      )}
      <span class="number">
        <span class="muted">{t('Parameters')}</span> {count(before.parameters)} →{' '}
        <strong>{count(after.parameters)}</strong>
      </span>
      <span class="number">
        <span class="muted">{t('Nodes')}</span> {before.nodes} → <strong>{after.nodes}</strong>
      </span>
      <span class="number">
        <span class="muted">{t('Opset')}</span> {before.opset} → <strong>{after.opset}</strong>
      </span>
    </div>
  )
}

const Details = () => (
  <NodeDetails of="comparison" selected={selected} two version={`${number.value}`} />
)
