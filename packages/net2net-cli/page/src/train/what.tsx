/** What the Train tab trains: the paper's experiment, or the network of the Grow tab. */
import { computed } from '@preact/signals'
import { useId } from 'preact/hooks'
import { param, setParams } from '../state.ts'
import { t } from '../text/text.ts'

const whatParam = param('what')
export const what = computed<'experiment' | 'own'>(() =>
  whatParam.value === 'own' ? 'own' : 'experiment',
)

export function WhatSwitch() {
  // Each view of the tab has one of its own.
  const name = useId()
  return (
    <fieldset class="switch">
      <legend class="unseen">{t('What is trained')}</legend>
      {(
        [
          ['own', t('Your network')],
          ['experiment', t('The experiment')],
        ] as const
      ).map(([id, label]) => (
        <label key={id} class={what.value === id ? 'chosen' : ''}>
          <input
            type="radio"
            name={name}
            checked={what.value === id}
            onChange={() =>
              setParams({ what: id === 'experiment' ? undefined : id }, { push: true })
            }
          />
          {label}
        </label>
      ))}
    </fieldset>
  )
}
