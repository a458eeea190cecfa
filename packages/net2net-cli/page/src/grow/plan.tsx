/** A growth in words: what each step does to layers, parameters and sizes. */
import { useSignal } from '@preact/signals'
import type { PlanTable } from 'net2net'
import { useEffect } from 'preact/hooks'
import { models } from '../engine/model-client.ts'
import { planCell, planHead, t } from '../text/text.ts'

/** More rows of a table are counted. */
const most = 200

export function Plan({ of }: { of: number }) {
  const plans = useSignal<readonly (readonly PlanTable[])[]>([])
  useEffect(() => {
    let isCurrent = true
    models.growth.call('plan', undefined).then(
      (tables) => {
        if (isCurrent) plans.value = tables
      },
      () => undefined,
    )
    return () => {
      isCurrent = false
    }
  }, [of])
  const steps = plans.value
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keys
    <section class="plan" aria-label={t('Plan')} tabIndex={0}>
      {steps.map((tables, i) => (
        <>
          {steps.length > 1 ? <h3 key={`step ${i}`}>{t('Step {0}', i + 1)}</h3> : null}
          {tables.map((table) => (
            <Changes key={`${i} ${table.head.join()}`} table={table} />
          ))}
        </>
      ))}
    </section>
  )
}

function Changes({ table: { head, rows } }: { table: PlanTable }) {
  const columnClass = (k: number) => (typeof rows[0]![k] === 'number' ? 'number' : '')
  return (
    <table>
      <thead>
        <tr>
          {head.map((name, k) => (
            <th key={name} scope="col" class={columnClass(k)}>
              {planHead(name)}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {rows.slice(0, most).map((row, i) => (
          <tr key={i}>
            {row.map((cell, k) => (
              <td key={head[k]} class={columnClass(k)}>
                {planCell(head[k]!, cell)}
              </td>
            ))}
          </tr>
        ))}
        {rows.length > most ? (
          <tr>
            <td colSpan={head.length} class="muted">
              {t('and {0} more', rows.length - most)}
            </td>
          </tr>
        ) : null}
      </tbody>
    </table>
  )
}
