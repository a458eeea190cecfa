/** What is trained, on what, and how. */
import { useSignal } from '@preact/signals'
import { grown, opened, openFailure } from '../../grow/model.ts'
import { addressWith } from '../../state.ts'
import { t } from '../../text/text.ts'
import { DropArea } from '../../ui/drop.tsx'
import { FailureNotice } from '../../ui/failure.tsx'
import { count } from '../../ui/format.ts'
import { NumberField } from '../../ui/number-field.tsx'
import { DeviceField } from '../device-field.tsx'
import { WhatSwitch } from '../what.tsx'
import { isFree, ran } from './arms.ts'
import { change, files, filesFailure, limits, lossNames, settings, useFiles } from './choices.ts'
import { type builtIn, optimizerNames } from './protocol.ts'

export function Settings() {
  const locked = !isFree.value
  const current = (locked ? ran.value : undefined) ?? settings.value
  const number = (
    label: string,
    key: 'samples' | 'epochs' | 'batchSize' | 'rate' | 'seed',
    range: { min: number; max?: number; whole?: boolean },
  ) => (
    <NumberField
      label={label}
      {...range}
      disabled={locked}
      value={current[key]}
      onValue={(value) => change({ [key]: value })}
    />
  )
  return (
    <section class="train-settings" aria-label={t('Settings')}>
      <div class="pad stack">
        <WhatSwitch />
        <Network />
        {openFailure.value === undefined ? null : <FailureNotice failure={openFailure.value} />}
        <DataChoice locked={locked} />
        <div class="fields">
          <label class="field">
            <span>{t('Loss')}</span>
            <select
              disabled={locked}
              value={current.loss}
              onChange={({ currentTarget: { value } }) =>
                change({ loss: lossNames.find((name) => name === value) ?? 'auto' })
              }
            >
              <option value="auto">{t('by the data')}</option>
              {lossNames.map((name) => (
                <option key={name} value={name}>
                  {name}
                </option>
              ))}
            </select>
          </label>
          <OutputChoice locked={locked} />
          <label class="field">
            <span>{t('Optimizer')}</span>
            <select
              disabled={locked}
              value={current.optimizer}
              onChange={({ currentTarget: { value } }) =>
                change({ optimizer: optimizerNames.find((name) => name === value) ?? 'sgd' })
              }
            >
              {optimizerNames.map((name) => (
                <option key={name} value={name}>
                  {name}
                </option>
              ))}
            </select>
          </label>
          <DeviceField
            value={current.device}
            disabled={locked}
            onValue={(device) => change({ device })}
          />
          {number(t('Learning rate'), 'rate', { min: 0, whole: false })}
          {number(t('Epochs'), 'epochs', limits.epochs)}
          {number(t('Training samples'), 'samples', limits.samples)}
          {number(t('Batch size'), 'batchSize', limits.batchSize)}
          {number(t('Seed'), 'seed', limits.seed)}
        </div>
      </div>
    </section>
  )
}

/** Of a network with several outputs, the one that the loss is of. */
function OutputChoice({ locked }: { locked: boolean }) {
  const { output = '' } = (locked ? ran.value : undefined) ?? settings.value
  const names = opened.value?.view.outputs.map(({ name }) => name) ?? []
  if (names.length < 2) return null
  return (
    <label class="field">
      <span>{t('Output to train')}</span>
      <select
        disabled={locked}
        value={names.includes(output) ? output : ''}
        onChange={({ currentTarget: { value } }) => change({ output: value })}
      >
        <option value="">{t('the first that fits the data')}</option>
        {names.map((name) => (
          <option key={name} value={name}>
            {name}
          </option>
        ))}
      </select>
    </label>
  )
}

/** What is going to be trained. */
function Network() {
  const model = opened.value
  const result = grown.value
  const running = ran.value
  return (
    <p class="small">
      {running !== undefined ? (
        <>
          <strong>{running.name}</strong>
          {running.count === undefined
            ? ''
            : `: ${t('{0} samples to learn from, {1} to test on, loss {2}.', count(running.count), count(running.validation ?? 0), running.loss)}`}
        </>
      ) : model === undefined ? (
        <span class="muted">{t('No network is open.')} </span>
      ) : (
        <>
          <strong>{model.view.name}</strong>: {count(model.view.parameters)}{' '}
          {result === undefined
            ? t('parameters; it has not grown.')
            : t('parameters, and beside it what grew from it: {0}.', count(result.view.parameters))}
        </>
      )}{' '}
      {running === undefined ? (
        <a href={addressWith({ tab: 'grow' })}>{t('Choose and grow')}</a>
      ) : null}
    </p>
  )
}

/** Whether Fashion-MNIST was at hand when the page was built. */
declare const __HAS_FASHION_MNIST__: boolean
const pageHas = (data: string): data is (typeof builtIn)[number] =>
  data === 'mnist' || (data === 'fashion-mnist' && __HAS_FASHION_MNIST__)

/** The data that networks of the user are trained and measured on. */
export function DataChoice({ locked }: { locked: boolean }) {
  const input = useSignal<HTMLInputElement | null>(null)
  const { data } = (locked ? ran.value : undefined) ?? settings.value
  const own = files.value.map(({ name }) => name).join(', ')
  return (
    <DropArea class="stack" onFiles={locked ? undefined : (dropped) => void useFiles(dropped)}>
      <label class="field">
        <span>{t('Data')}</span>
        <select
          disabled={locked}
          value={data}
          onChange={({ currentTarget: { value } }) => {
            const builtInName = pageHas(value) ? value : 'files'
            if (builtInName === 'files' && files.value.length === 0) input.peek()?.click()
            change({ data: builtInName })
          }}
        >
          <option value="mnist">{t('MNIST digits')}</option>
          <option value="fashion-mnist">
            {pageHas('fashion-mnist') ? t('Fashion-MNIST') : t('Fashion-MNIST (drop its files)')}
          </option>
          <option value="files">{own === '' ? t('Own files…') : own}</option>
        </select>
      </label>
      <input
        ref={(element) => {
          if (input.peek() !== element) input.value = element
        }}
        type="file"
        multiple
        hidden
        accept=".csv,.tsv,.npz,.gz,.idx3-ubyte,.idx1-ubyte"
        aria-label={t('Data files')}
        onChange={(event) => {
          const chosen = [...(event.currentTarget.files ?? [])]
          if (chosen.length > 0) void useFiles(chosen)
          event.currentTarget.value = ''
        }}
      />
      <p class="muted small">
        {t(
          'Or drop a .csv or .npz here, or files of MNIST’s form, packed or not. Of data without a test part a tenth is held back. Nothing is uploaded.',
        )}
      </p>
      {filesFailure.value === undefined ? null : <FailureNotice failure={filesFailure.value} />}
    </DropArea>
  )
}
