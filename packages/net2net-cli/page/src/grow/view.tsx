import { useComputed } from '@preact/signals'
import { useEffect, useMemo } from 'preact/hooks'
import type { OpenedModel } from '../engine/protocol.ts'
import { sourceTitle } from '../engine/sources.ts'
import { GraphView } from '../graph/graph.tsx'
import { tab } from '../state.ts'
import { t } from '../text/text.ts'
import { DropArea, FileButton } from '../ui/drop.tsx'
import { FailureNotice } from '../ui/failure.tsx'
import { bytes, count } from '../ui/format.ts'
import { firstOf } from '../ui/names.ts'
import { AttentionList } from './attentions.tsx'
import { WidenAll } from './budget.tsx'
import { Details } from './details.tsx'
import { onUndoKeys } from './history.ts'
import { LayerList } from './layers.tsx'
import {
  busy,
  cancelOpening,
  dataNote,
  expand,
  grown,
  modelParam,
  opened,
  openedBy,
  openFailure,
  openFiles,
  openSample,
  selected,
} from './model.ts'
import { MoreGrowth } from './more.tsx'
import { Options } from './options.tsx'
import { Outcome } from './outcome.tsx'
import { PriceTools, pricedBy, pricesIn } from './price-colours.tsx'
import { Ranking } from './ranking.tsx'
import { sampleTitles } from './samples.ts'

export function GrowView() {
  const isShown = tab.value === 'grow'
  useEffect(() => {
    if (!isShown) return
    addEventListener('keydown', onUndoKeys)
    return () => removeEventListener('keydown', onUndoKeys)
  }, [isShown])
  const isOpen = useComputed(() => opened.value !== undefined)
  return (
    <DropArea class="grow" onFiles={(files) => void openFiles(files)}>
      <h1 class="unseen">{t('Grow a network')}</h1>
      <section class="side" aria-label={t('Model and growth')}>
        <Network />
        <Growth />
      </section>
      <section class="stage" aria-label={t('Graph')} aria-busy={busy.value}>
        {isOpen.value ? <Graph /> : <Empty />}
        <Details />
      </section>
      {isOpen.value ? (
        <section class="outcome" aria-label={t('Result')}>
          <Outcome />
        </section>
      ) : null}
    </DropArea>
  )
}

/** Which network it is, and others to open. */
function Network() {
  const model = opened.value
  const current = modelParam.value
  return (
    <div class="pad stack">
      <div class="row">
        <label class="field grow-model">
          <span>{t('Network')}</span>
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
                {t(title)}
              </option>
            ))}
          </select>
        </label>
        <div class="grow-open">
          <FileButton label={t('Open files…')} onFiles={(files) => void openFiles(files)} />
        </div>
      </div>
      <p class="muted small">
        {busy.value ? (
          <span class="row">
            {t('Reading …')}
            <button type="button" class="small late" onClick={cancelOpening}>
              {t('Cancel')}
            </button>
          </span>
        ) : model === undefined ? (
          t(
            'Or drop files anywhere here: ONNX (with weights of PyTorch beside it) or Keras. They stay in this browser.',
          )
        ) : (
          <>
            {t(
              '{0} nodes, {1} parameters, {2}, opset {3}{4}.',
              count(model.view.nodes),
              count(model.view.parameters),
              bytes(model.view.bytes),
              model.view.opset,
              besideText(model),
            )}{' '}
            {t('Drop another file anywhere; it stays in this browser.')}
          </>
        )}
      </p>
      {model?.weights === undefined || model.unbound.length === 0 ? null : (
        <p class="small" data-unbound>
          {t(
            '{0} holds only a part of the weights: no numbers of {1}. It does not follow growth that changes these.',
            model.weights,
            firstOf(model.unbound),
          )}
        </p>
      )}
      {dataNote.value === undefined ? null : <p class="small">{dataNote.value}</p>}
    </div>
  )
}

/** All that can be chosen for the network that is open. */
function Growth() {
  const model = opened.value
  if (model === undefined) return null
  const { layers, attentions, view } = model
  return (
    <>
      {openFailure.value === undefined ? null : (
        <div class="pad">
          <FailureNotice failure={openFailure.value} />
        </div>
      )}
      <LayerList layers={layers} />
      <AttentionList attentions={attentions} />
      {layers.length === 0 ? null : (
        <>
          <Options hasKernels={layers.some(({ op }) => /^Conv/.test(op))} />
          <MoreGrowth view={view} />
          <WidenAll view={view} />
          <Ranking />
        </>
      )}
    </>
  )
}

/** In the place of the graph, where there is none. */
function Empty() {
  return (
    <div class="empty">
      {busy.value ? (
        <div class="spinner" aria-hidden="true" />
      ) : openFailure.value === undefined ? (
        <p>{t('No network is open.')}</p>
      ) : (
        <div class="stack">
          <FailureNotice failure={openFailure.value} />
          <FileButton label={t('Open a file…')} onFiles={(files) => void openFiles(files)} />
        </div>
      )}
    </div>
  )
}

/** The network, and beside it what has grown from it. */
function Graph() {
  const model = opened.value
  const result = grown.value
  const drawing = (result ?? model)?.drawing
  const by = pricedBy.value
  const prices = useMemo(
    () => (by === undefined || drawing === undefined ? undefined : pricesIn(drawing, by)),
    [drawing, by],
  )
  if (model === undefined || drawing === undefined) return null
  return (
    <GraphView
      of="growth"
      drawing={drawing}
      labels={result ? [t('Before'), t('After')] : [model.view.name]}
      selected={selected}
      drawingKey={drawingKey(openedBy.value, result !== undefined, result?.drawing.nodes.length)}
      onExpand={expand}
      price={prices?.of}
      tools={<PriceTools prices={prices} view={model.view} />}
    />
  )
}

/** What grows along. */
function besideText({ weights, optimizer }: OpenedModel): string {
  const names = [weights, optimizer].filter((name) => name !== undefined)
  if (names.length === 0) return ''
  return `; ${names.length === 1 ? t('{0} grows along', names[0]!) : t('{0} and {1} grow along', names[0]!, names[1]!)}`
}

/** Widening moves nothing; another model, a second pane or an inserted layer does. */
const drawingKey = (number: number, two: boolean, nodes = 0) => `${number} ${two} ${nodes}`
