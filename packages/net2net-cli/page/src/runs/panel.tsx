import { t } from '../text/text.ts'
import { lookOf } from '../train/curves.ts'
import { ResultTable } from '../train/table.tsx'
import { saveAs } from '../ui/save.ts'
import { keptModel } from './kept-runs.ts'
import { RunLetter } from './letter.tsx'
import { growIt, nameOf, type ShownRun } from './model.ts'

/** One run: its table, its trained networks, its command. */
export function RunPanel({ run }: { run: ShownRun }) {
  const { key, title, message, arms, epochs, command, report, state } = run
  return (
    <section class="panel" aria-label={title} data-panel={nameOf(key)}>
      <header>
        <h2>
          <RunLetter of={key} /> {title}
        </h2>
        {report === undefined ? null : (
          <a class="button small" href={report} download="report.html">
            {t('Report')}
          </a>
        )}
      </header>
      {message === null ? null : <p class="notice bad">{message}</p>}
      {arms.length === 0 ? (
        state === 'running' && <p class="pad muted">{t('The first epoch is not done yet.')}</p>
      ) : (
        <ResultTable
          arms={arms}
          epochs={epochs}
          take={(name) => {
            const arm = arms.find((each) => each.name === name)
            return arm?.network === undefined ? null : (
              <TakeAlong run={run} arm={name} label={lookOf(arm).label} network={arm.network} />
            )
          }}
        />
      )}
      {command ? (
        <p class="pad small">
          <code>{command}</code>
        </p>
      ) : null}
    </section>
  )
}

function TakeAlong(props: {
  readonly run: ShownRun
  readonly arm: string
  readonly label: string
  readonly network: string
}) {
  const { run, arm, label, network } = props
  const id = nameOf(run.key)
  const isKept = network.startsWith('browser:')
  const save = async () => {
    const bytes = await keptModel(id, arm)
    if (bytes) saveAs(`${arm}.onnx`, bytes, 'application/octet-stream')
  }
  return (
    <span class="row nowrap">
      <button
        type="button"
        class="small"
        aria-label={t('Grow {0}', label)}
        onClick={() => growIt(network)}
      >
        {t('Grow')}
      </button>
      {isKept ? (
        <button
          type="button"
          class="small"
          aria-label={t('Download {0}', label)}
          onClick={() => void save()}
        >
          {t('Download')}
        </button>
      ) : (
        <a
          class="button small"
          aria-label={t('Download {0}', label)}
          href={`./api/runs/${encodeURIComponent(id)}/models/${encodeURIComponent(arm)}`}
          download
        >
          {t('Download')}
        </a>
      )}
    </span>
  )
}
