/** What differs, as a table: each row leads to its node. */
import { computed, useSignal } from '@preact/signals'
import type { Change } from '../engine/protocol.ts'
import { t } from '../text/text.ts'
import { count, tiny } from '../ui/format.ts'
import { saveAs } from '../ui/save.ts'
import { changes, selected } from './model.ts'

const kinds: readonly { readonly id: Change['kind']; readonly label: string }[] = [
  { id: 'model', label: 'Whole' },
  { id: 'structure', label: 'Structure' },
  { id: 'shape', label: 'Shapes' },
  { id: 'attribute', label: 'Attributes' },
  { id: 'numbers', label: 'Numbers' },
]
/** More rows than these are told by number. */
const most = 300

const counts = computed(() => {
  const result = new Map<Change['kind'], number>()
  for (const { kind } of changes.value ?? []) result.set(kind, (result.get(kind) ?? 0) + 1)
  return result
})

export function Changes() {
  const isOpen = useSignal(false)
  const all = changes.value
  if (all === undefined) return null
  return (
    <details
      class="changes"
      onToggle={({ currentTarget }) => {
        isOpen.value = currentTarget.open
      }}
    >
      <summary>
        {all.length === 0 ? t('Nothing differs') : t('{0} differences', count(all.length))}
      </summary>
      {isOpen.value ? <Table all={all} /> : null}
    </details>
  )
}

function Table({ all }: { all: readonly Change[] }) {
  const kind = useSignal<Change['kind'] | undefined>(undefined)
  const shown = all.filter((change) => kind.value === undefined || change.kind === kind.value)
  return (
    <>
      <div class="row changes-tools">
        {kinds
          .filter(({ id }) => counts.value.has(id))
          .map(({ id, label }) => (
            <button
              key={id}
              type="button"
              class="small"
              aria-pressed={kind.value === id}
              onClick={() => {
                kind.value = kind.value === id ? undefined : id
              }}
            >
              {t(label)} {count(counts.value.get(id)!)}
            </button>
          ))}
        <button
          type="button"
          class="small quiet"
          disabled={all.length === 0}
          onClick={() => saveAs('differences.csv', csvOf(all), 'text/csv')}
        >
          {t('CSV')}
        </button>
      </div>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keys */}
      <section class="scroll changes-table" aria-label={t('Differences')} tabIndex={0}>
        <table>
          <thead>
            <tr>
              <th scope="col">{t('What')}</th>
              <th scope="col">{t('First')}</th>
              <th scope="col">{t('Second')}</th>
              <th scope="col" class="number">
                max |Δ|
              </th>
              <th scope="col" class="number">
                {t('Differing')}
              </th>
            </tr>
          </thead>
          <tbody>
            {shown.slice(0, most).map((change) => (
              <tr key={`${change.kind} ${change.name} ${change.key}`} data-change={change.kind}>
                <td>
                  {change.key === undefined ? (
                    <code>{change.name}</code>
                  ) : (
                    <button
                      type="button"
                      class="layer-name"
                      onClick={() => {
                        selected.value = change.key
                      }}
                    >
                      <code>{change.name}</code>
                    </button>
                  )}
                </td>
                <td class="mono">{change.before}</td>
                <td class="mono">{change.after}</td>
                <td class="number">{change.maxAbs === undefined ? '' : tiny(change.maxAbs)}</td>
                <td class="number">
                  {change.differing === undefined
                    ? ''
                    : `${count(change.differing)} / ${count(change.count ?? 0)}`}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </section>
      {shown.length > most ? (
        <p class="muted small pad">
          {t('And {0} more: they are in the CSV.', count(shown.length - most))}
        </p>
      ) : null}
    </>
  )
}

function csvOf(all: readonly Change[]): string {
  const quoted = (value: string | number = '') => `"${String(value).replaceAll('"', '""')}"`
  const rows = all.map((change) =>
    [
      change.kind,
      change.name,
      change.before,
      change.after,
      change.maxAbs,
      change.differing,
      change.count,
    ]
      .map((value) => quoted(value))
      .join(','),
  )
  return `kind,name,before,after,max_abs,differing,count\n${rows.join('\n')}\n`
}
